package rules

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/server"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// world is a Farebox of its own, with everything real but the clock and the ids.
type world struct {
	testing.TB
	file      string // the database
	store     *sqlite.Store
	engine    *engine.Engine
	server    *server.Server
	nowMS     atomic.Int64
	ids       atomic.Int64
	instances map[string]string // id by name
	sessions  map[string]known  // by name
	leases    map[string]leased // by name
	rules     map[string]string // ids of conditions, and of actions that have a name, by name
	recurring map[string]bool   // line items that are or were, by activationId
	bearers   map[string]string // Authorization headers by the name of their token
	books     string            // a snapshot after the last request, or empty
	charged   string            // the correlation id of the last ask or use
	late      bool              // what is due may not have been made
	sourcing  server.Sourcing   // records nothing unless a case says so
}

// Every world begins here.
var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// newWorld has the keys admin and client, and the instance acme.
func newWorld(t testing.TB) *world {
	w := &world{
		TB: t, file: filepath.Join(t.TempDir(), "farebox.db"),
		instances: map[string]string{}, sessions: map[string]known{}, rules: map[string]string{}, recurring: map[string]bool{},
		bearers: map[string]string{},
	}
	w.nowMS.Store(newYear.UnixMilli())
	w.start()
	t.Cleanup(w.stop)
	_, _, err := w.engine.Change(context.Background(), "", nil, func(tx *engine.Change) (*store.Answer, error) {
		return nil, tx.SaveKeys([]auth.Key{
			{Role: auth.Admin, ID: "admin", PublicPEM: pairOf("admin", "ed25519").PublicPEM},
			{Role: auth.Client, ID: "client", PublicPEM: pairOf("client", "ed25519").PublicPEM},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.given([]string{"instance acme"})
	return w
}

func (w *world) start() {
	books, err := sqlite.Open(w.file, sqlite.Options{Create: true, Serve: true})
	if err != nil {
		w.Fatal(err)
	}
	w.store = books
	w.engine = engine.New(books, engine.Options{Now: w.now, NewID: w.newID})
	w.server = server.New(w.engine, server.Options{Sourcing: w.sourcing})
}

func (w *world) stop() {
	w.engine.Stop()
	if err := w.store.Close(); err != nil {
		w.Error(err)
	}
}

func (w *world) now() time.Time { return time.UnixMilli(w.nowMS.Load()).UTC() }

// Ids are UUIDs that count; the tables show them as {id-1}, {id-2} ...
const (
	idFormat = "00000000-0000-7000-8000-%012d"
	nowhere  = "00000000-0000-7000-8000-999999999999"
)

func (w *world) newID() string { return fmt.Sprintf(idFormat, w.ids.Add(1)) }

// instance returns the id of an instance.
func (w *world) instance(name string) string {
	id, found := w.instances[name]
	if !found {
		w.Fatalf("there is no instance %q here; make it with: instance %s", name, name)
	}
	return id
}

// request is one HTTP request; what is left out is usual.
type request struct {
	method, path string
	header       http.Header
	body         string
	as           string // the name of a token
	chunked      bool   // does not tell its length
}

// reads reports whether a request leaves the books as they are in any case.
func (r *request) reads() bool {
	return r.method == http.MethodGet && !strings.HasSuffix(r.path, "/heartbeat")
}

type response struct {
	status int
	header http.Header
	body   string
}

// do sends a request through the real handler. Nothing that it is asked may be our fault.
func (w *world) do(r request) response {
	if !r.reads() {
		w.books = ""
	}
	answer := w.send(r)
	if answer.status >= 500 {
		w.Fatalf("%s %s was answered with %d %s", r.method, r.path, answer.status, answer.body)
	}
	return answer
}

// try is do for a request that may be refused, which must leave the books as they were.
func (w *world) try(r request) response {
	if r.reads() {
		return w.do(r)
	}
	before := w.books
	if before == "" {
		before = w.snapshot()
	}
	answer := w.do(r)
	if answer.status < 300 || denial(answer) {
		return answer
	}
	if w.books = w.snapshot(); w.books != before {
		w.Fatalf("%s %s was refused with %d and changed the books\nfrom %s\nto   %s", r.method, r.path, answer.status, before, w.books)
	}
	return answer
}

func (w *world) send(r request) response {
	var body io.Reader = strings.NewReader(r.body)
	if r.chunked {
		body = io.MultiReader(body) // hides the length
	}
	request := httptest.NewRequest(r.method, rooted(r.path), body)
	if r.header != nil {
		request.Header = r.header
	}
	if authorization := w.authorization(cmp.Or(r.as, "admin")); authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, request)
	return response{recorder.Code, recorder.Header(), recorder.Body.String()}
}

// rooted completes the paths of the reference API, whose tables leave out their common beginning.
func rooted(path string) string {
	for _, prefix := range []string{"/api/", "/provisioning/", "/elastic/", "/floating/"} {
		if strings.HasPrefix(path, prefix) {
			return "/dynamicmonetization" + path
		}
	}
	return path
}

// get reads a page as an administrator.
func (w *world) get(path string, into any) string {
	answer := w.send(request{method: http.MethodGet, path: path})
	if answer.status != http.StatusOK {
		w.Fatalf("GET %s: %d %s", path, answer.status, answer.body)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(answer.body), into); err != nil {
			w.Fatal(err)
		}
	}
	return answer.body
}

// snapshot is all that can be seen of the books from outside.
func (w *world) snapshot() string {
	all := w.get("/api/v1.0/instances?size=1000", nil) + w.get("/farebox/v1/usage/events?limit=1000", nil) +
		w.get("/provisioning/api/v1.1/rate-tables", nil) + w.get("/api/v1.0/public-keys", nil) + w.get("/provisioning/api/v1.1/configuration", nil)
	for _, id := range w.instanceIDs() {
		all += w.get("/api/v1.1/instances/"+id+"/line-items", nil) + w.rulesOf(id) + w.get("/farebox/v1/sessions?limit=1000&instanceId="+id, nil)
	}
	return all
}

func (w *world) instanceIDs() (ids []string) {
	for _, id := range w.instances {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// audit ends every case: the use of every line item (but of those that begin anew), and what every session was charged, is the sum of its events, as anybody can
// see from outside and as farebox verify finds inside.
func (w *world) audit() {
	if w.Failed() {
		return
	}
	sums, charged := map[string]token.Amount{}, map[string]token.Amount{}
	events := w.eventsOf(nil)
	for _, e := range events {
		sums[e.ActivationID] = sums[e.ActivationID].Add(e.Tokens)
		charged[e.SessionID] = charged[e.SessionID].Add(e.Tokens)
	}
	w.auditUsage(events, sums)
	for _, id := range w.instanceIDs() {
		for _, l := range w.lineItemsOf(id) {
			if !w.recurring[l.ActivationID] && !l.Used.Equal(sums[l.ActivationID]) {
				w.Errorf("line item %s: %s tokens used, but its events add up to %s", l.ActivationID, l.Used, sums[l.ActivationID])
			}
		}
	}
	for name, s := range w.sessions {
		var out api.Session
		if w.get("/farebox/v1/sessions/"+s.id, &out); !out.TokensCharged.Equal(charged[s.id]) {
			w.Errorf("session %s: charged %s tokens, but its events add up to %s", name, out.TokensCharged, charged[s.id])
		}
	}
	proof, err := engine.Verify(context.Background(), w.store)
	if err != nil || len(proof.Differences) > 0 {
		w.Errorf("farebox verify: %v %q", err, proof.Differences)
	}
}

// eventsOf reads all usage events that a filter selects, page by page.
func (w *world) eventsOf(filter map[string]string) (all []usage.Event) {
	query := url.Values{"limit": {"1000"}}
	for name, value := range filter {
		query.Set(name, value)
	}
	for {
		var page struct {
			Events []usage.Event `json:"events"`
			Next   string        `json:"next"`
		}
		w.get("/farebox/v1/usage/events?"+query.Encode(), &page)
		all = append(all, page.Events...)
		if page.Next == "" {
			return all
		}
		query.Set("cursor", page.Next)
	}
}
