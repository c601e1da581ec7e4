package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/postgres"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/token"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// shop is a server with books and a clock of its own, at a time when the document's examples are in effect. Whatever it is
// asked is checked against the document.
type shop struct {
	server *Server
	engine *engine.Engine
	store  store.Store

	now func() time.Time // the time of the world, which stands still

	instance, other         string     // ids of two instances
	session, hold           string     // the ids of a session and of a live hold of instance
	receipt                 string     // the correlation id of a charge of instance, if charging
	lease, leaseText        string     // the id of a live lease of instance, and the lease as it was signed
	link                    string     // signs in as an administrator, whoever opens it first
	request, modified       string     // of the line item's automatic top-up: the id of its open request, and when its terms were set
	condition, action       string     // ids of a condition of instance, and of the action of its line item
	admin, client, stranger string     // tokens; the client's is for instance, the stranger's for other
	webhook, delivery       string     // ids of a webhook, to which nobody listens, and of an event to it
	pair                    *auth.Pair // of the one administration key, and of the client key

	charging bool            // whether open makes a charge and a hold as well
	answered map[string]bool // operation ids with the statuses that were seen
}

func openShop(t testing.TB) *shop {
	t.Helper()
	s, err := shopOn(t.Context(), booksIn(t, t.TempDir(), nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// booksIn returns empty books: in a folder, or with FAREBOX_TEST_STORE=postgres in PostgreSQL, where the place of earlier ones is taken, if
// that is not nil.
func booksIn(t testing.TB, dir string, earlier *string) (books store.Store) {
	t.Helper()
	var err error
	switch kind := os.Getenv("FAREBOX_TEST_STORE"); kind {
	case "", "sqlite":
		books, err = sqlite.Open(filepath.Join(dir, "farebox.db"), sqlite.Options{Create: true, Serve: true})
	case "postgres":
		c := cluster.Shared(t)
		url := ""
		if earlier == nil {
			earlier = &url
		}
		if *earlier == "" {
			*earlier = c.URL(t)
		} else {
			c.Empty(t, *earlier)
		}
		books, err = postgres.Open(*earlier, postgres.Options{})
	default:
		t.Fatalf("FAREBOX_TEST_STORE is %q; it may be sqlite or postgres", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return books
}

func shopOn(ctx context.Context, books store.Store) (*shop, error) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock, err := engine.DecideClock(ctx, books, &now)
	if err != nil {
		return nil, err
	}
	s := &shop{store: books, now: func() time.Time { return now }, answered: map[string]bool{}}
	s.engine = engine.New(books, engine.Options{Now: s.now, Clock: clock, PrivateWebhooks: true})
	s.server = New(s.engine, Options{About: About{StartedMS: s.now().UnixMilli(), Version: "v1.2.3", Store: "sqlite", Database: "./farebox.db"}})
	s.server.liveTime = 0 // or a live stream would not end
	if s.pair, err = auth.NewPair(); err != nil {
		return nil, err
	}
	if _, _, err := s.engine.Change(ctx, "", nil, func(tx *engine.Change) (*store.Answer, error) { return nil, s.furnish(tx, s.pair) }); err != nil {
		return nil, err
	}
	for token, of := range map[*string]struct {
		role      auth.Role
		instances []string
	}{
		&s.admin: {auth.Admin, nil}, &s.client: {auth.Client, []string{s.instance}}, &s.stranger: {auth.Client, []string{s.other}},
	} {
		if *token, err = auth.Sign(s.pair, of.role, s.pair.ID, of.instances, now, time.Hour); err != nil {
			return nil, err
		}
	}
	return s, s.newLink()
}

// newLink makes a link that nobody has opened.
func (s *shop) newLink() (err error) {
	s.link, err = auth.SignLink(s.pair, auth.Admin, s.pair.ID, nil, s.now(), time.Hour, time.Hour)
	return err
}

func (s *shop) furnish(tx *engine.Change, pair *auth.Pair) error {
	for _, id := range []*string{&s.instance, &s.other} {
		i, err := tx.CreateInstance("main", "ACME")
		if err != nil {
			return err
		}
		*id = i.ID
	}
	if err := tx.SaveKeys([]auth.Key{
		{Role: auth.Admin, ID: pair.ID, PublicPEM: pair.PublicPEM}, {Role: auth.Client, ID: pair.ID, PublicPEM: pair.PublicPEM},
	}); err != nil {
		return err
	}
	// The table that the example of deleteRateTable deletes.
	return tx.AddRateTable(&rate.Table{Series: "2026", Version: "2", EffectiveFromMS: 4102444800000, Items: []rate.Item{{Name: "render"}}})
}

func (s *shop) close() {
	s.engine.Stop()
	_ = s.store.Close()
}

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   string
}

func (s *shop) ask(t *testing.T, method, path, token, body string, headers ...string) answer {
	t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	return s.send(t, s.server, req, token, body, headers...)
}

func (s *shop) send(t *testing.T, to http.Handler, req *http.Request, token, body string, headers ...string) answer {
	t.Helper()
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	to.ServeHTTP(recorder, req)
	resp := recorder.Result()
	got := answer{resp.StatusCode, resp.Header, recorder.Body.String()}
	checkAgainstDocument(t, req, []byte(body), resp, recorder.Body.Bytes())
	if op := document().find(req); op != nil {
		s.answered[fmt.Sprint(op.OperationId, " ", got.status)] = true
	}
	return got
}

// must asks and wants a status.
func (s *shop) must(t *testing.T, status int, method, path, token, body string, headers ...string) answer {
	t.Helper()
	got := s.ask(t, method, path, token, body, headers...)
	if got.status != status {
		t.Errorf("%s %s was answered %d, not %d\nrequest: %.1000s\nanswer: %.1000s", method, path, got.status, status, body, got.body)
	}
	return got
}

// place is one method at one path, and what the document says of it.
type place struct {
	*operation
	method string
}

// call asks at a place as one should, for the session's instance where that must be named, and wants a status.
func (s *shop) call(t *testing.T, status int, p place, path, token, body string, headers ...string) answer {
	t.Helper()
	if p.namesInstance() {
		headers = append(headers, instanceHeader, s.instance)
	}
	return s.must(t, status, p.method, path, token, body, headers...)
}

// namesInstance reports whether the caller must say in a header which instance a session is of.
func (p place) namesInstance() bool {
	return slices.ContainsFunc(p.Parameters, func(h *v3.Parameter) bool { return h.Name == instanceHeader })
}

// id returns the id of the operation, for all versions the same.
func (p place) id() string {
	return strings.Replace(strings.TrimSuffix(p.OperationId, "V10"), "Farebox", "", 1)
}

// open makes what a place may be about: a session, and on the line item of the examples a limit and an action that refers to
// no condition.
func (s *shop) open(t testing.TB) {
	t.Helper()
	err := s.engine.View(t.Context(), func(r store.Reader) error {
		_, err := engine.LineItem(r, s.instance, exampleLineItem)
		return err
	})
	if problem.KindOf(err) == problem.NotFound {
		s.change(t, func(tx *engine.Change) error {
			_, err := tx.PutLineItem(ledger.LineItem{
				ActivationID: exampleLineItem, InstanceID: s.instance, State: ledger.Deployed, Quantity: 100_000, StartMS: 1767225600000,
				EndMS: 1798761600000, Elastic: true, Series: "2026", Kind: ledger.Paid,
			})
			return err
		})
	}
	s.change(t, func(tx *engine.Change) error { // to which tokens can be moved
		_, err := tx.PutLineItem(ledger.LineItem{
			ActivationID: "ACME-2026-0002", InstanceID: s.instance, State: ledger.Deployed, Quantity: 500, StartMS: 1767225600000, EndMS: 1798761600000, Kind: ledger.Paid,
		})
		return err
	})
	s.change(t, s.openRules)
	s.openTopUp(t)
	s.openWebhook(t)
	receipt, _, err := s.engine.CreateSession(s.instance, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.session = receipt.Session.ID
	if s.charging {
		s.charge(t)
		s.openHold(t)
		s.openLease(t)
	}
}

// charge makes a charge that can be refunded, once the item has a price.
func (s *shop) charge(t testing.TB) {
	t.Helper()
	receipt, _, err := s.engine.Charge(&engine.Charge{InstanceID: s.instance, Request: &access.Request{
		Requester: access.Requester{Type: "USER", Value: "ines"}, Items: []access.Item{{Ask: ledger.Ask{Item: "render", Count: token.FromInt(2)}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.receipt = receipt.CorrelationID
}

// openTopUp makes an automatic top-up anew that has a request open.
func (s *shop) openTopUp(t testing.TB) {
	t.Helper()
	var a *engine.AutoTopUp
	s.change(t, func(tx *engine.Change) error {
		if err := tx.DeleteAutoTopUp(s.instance, exampleLineItem); err != nil && problem.KindOf(err) != problem.NotFound {
			return err
		}
		terms := notify.TopUp{Below: token.FromInt(1_000_000_000), Tokens: 1000, MonthMost: 1000}
		var err error
		if a, err = tx.PutAutoTopUp(s.instance, exampleLineItem, terms); err != nil {
			return err
		}
		a, err = tx.AcknowledgeAutoTopUp(s.instance, exampleLineItem, a.ModifiedMS, "key")
		return err
	})
	if err := s.engine.LookAtTopUps(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := s.engine.View(t.Context(), func(r store.Reader) (err error) {
		a, err = engine.AutoTopUpOf(r, s.instance, exampleLineItem, s.now().UnixMilli())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.request, s.modified = a.State.Open.ID, fmt.Sprint(a.ModifiedMS)
}

// openHold makes a hold, once there are prices, and keeps the others of the instance few.
func (s *shop) openHold(t testing.TB) {
	if s.hold != "" {
		_, _, _ = s.engine.ReleaseHold(&engine.HoldMove{HoldID: s.hold}) // which may have ended
	}
	receipt, _, err := s.engine.Hold(&engine.NewHold{InstanceID: s.instance, TTL: time.Minute, Request: &access.Request{
		Requester: access.Requester{Type: "user", Value: "holder"}, Items: []access.Item{{Ask: ledger.Ask{Item: "render", Count: token.FromInt(1)}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.hold = receipt.Hold.ID
}

// openLease makes a lease, once there are prices, and keeps the others of the instance few.
func (s *shop) openLease(t testing.TB) {
	if s.lease != "" {
		_, _, _ = s.engine.EndLease(&engine.HoldMove{HoldID: s.lease})
	}
	receipt, _, err := s.engine.Lease(t.Context(), &engine.NewLease{InstanceID: s.instance, TTL: time.Hour, Lease: &access.NewLease{
		Client: "laptop", Requester: access.Requester{Type: "user", Value: "leaser"}, Tokens: token.FromInt(100),
		Items: []access.Item{{Ask: ledger.Ask{Item: "render"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s.lease = receipt.Hold.ID; s.lease == "" { // there is no price yet
		return
	}
	claims, err := json.Marshal(leaseClaims(receipt))
	if err != nil {
		t.Fatal(err)
	}
	if s.leaseText, err = s.engine.SignLease(t.Context(), receipt.Hold.Lease.KeyID, claims); err != nil {
		t.Fatal(err)
	}
}

// change runs a change that must succeed.
func (s *shop) change(t testing.TB, fn func(*engine.Change) error) {
	t.Helper()
	if _, _, err := s.engine.Change(t.Context(), "", nil, func(tx *engine.Change) (*store.Answer, error) { return nil, fn(tx) }); err != nil {
		t.Fatal(err)
	}
}

// openWebhook makes a webhook, and has an alert fire that is sent to it.
func (s *shop) openWebhook(t testing.TB) {
	err := s.engine.View(t.Context(), func(r store.Reader) error {
		_, err := engine.WebhookOf(r, s.webhook)
		return err
	})
	if problem.KindOf(err) != problem.NotFound {
		s.change(t, func(tx *engine.Change) error {
			return tx.ReplaceWebhook(&engine.Webhook{ID: s.webhook, URL: "http://127.0.0.1:1"}) // and enables it
		})
		return
	}
	s.change(t, func(tx *engine.Change) error {
		w := &engine.Webhook{URL: "http://127.0.0.1:1"}
		defer func() { s.webhook = w.ID }()
		r := &notify.Rule{Name: fmt.Sprint("opened ", len(s.answered), s.webhook), Kind: notify.Ending, Within: "P3650D"}
		return errors.Join(r.Complete(), tx.CreateWebhook(w), tx.CreateAlert(r))
	})
	if err := s.engine.LookAtAlerts(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.engine.View(t.Context(), func(r store.Reader) error {
		all, _, err := engine.Deliveries(r, s.webhook, 0, 1)
		s.delivery = all[0].ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *shop) openRules(tx *engine.Change) error {
	actions, err := tx.PutActions(s.instance, exampleLineItem, []ledger.Action{{Allow: true}})
	if err != nil {
		return err
	}
	conditions, err := tx.AddConditions(s.instance, []*ledger.Condition{{Type: ledger.Simple, Key: "team", Operator: ledger.In, Values: []string{"a"}}})
	if err != nil {
		return err
	}
	s.action, s.condition = actions[0].ID, conditions[0].ID
	_, err = tx.PutLimit(s.instance, exampleLineItem, ledger.Limit{Tokens: token.FromInt(1_000), Period: period.Monthly})
	return err
}
