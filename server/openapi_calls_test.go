package server

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/pb33f/go-yaml"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
)

// TestEveryDocumentedAnswer makes every operation answer with every status that the document has for it, at every path, with
// the document's own examples as requests.
func TestEveryDocumentedAnswer(t *testing.T) {
	quiet(t)
	answered := map[string]bool{}
	for _, version := range []string{"/v1.0/", "/v1.1/"} {
		for _, atAlias := range []bool{false, true} {
			if raceEnabled && (atAlias || version == "/v1.0/") { // see FuzzRequests
				continue
			}
			t.Run(fmt.Sprint(strings.Trim(version, "/"), " alias=", atAlias), func(t *testing.T) {
				s := openShop(t)
				s.charging = true
				s.goThrough(t, places(version, atAlias))
				maps.Copy(answered, s.answered)
			})
		}
	}
	for name, op := range document().operations {
		for status := range op.Responses.Codes.KeysFromOldest() {
			if !answered[op.OperationId+" "+status] && !raceEnabled {
				t.Errorf("%s (%s) was never answered %s here", op.OperationId, name, status)
			}
		}
	}
}

// quiet keeps provoked faults out of the test's output.
func quiet(t testing.TB) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(before) })
}

// places returns one place of every operation of a version, and of those without one, in an order in which they succeed.
func places(version string, atAlias bool) (all []place) {
	for name, op := range document().operations {
		method, path, _ := strings.Cut(name, " ")
		others := aliases(op.item)
		isAlias := slices.Contains(others, path)
		unversioned := !strings.HasPrefix(path, "/dynamicmonetization/")
		if (unversioned || strings.Contains(path, version)) && (len(others) == 0 || isAlias == atAlias) {
			all = append(all, place{op, method})
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.turn(), b.turn()), cmp.Compare(a.path, b.path))
	})
	return all
}

func (p place) turn() int {
	first := []string{"createInstance", "addRateTable", "putLineItem", "requestAccess"}
	if i := slices.Index(first, p.id()); i >= 0 {
		return i
	}
	return len(first) + slices.Index([]string{"POST", "PUT", "PATCH", "GET", "DELETE"}, p.method)
}

func (s *shop) goThrough(t *testing.T, all []place) {
	for _, p := range all {
		s.open(t)
		if p.inLines() {
			s.inLines(t, p)
			continue
		}
		s.refusals(t, p)
		s.conflict(t, p)
		switch {
		case p.method == http.MethodGet:
			s.read(t, p)
		case asksOnly(p.path):
			s.post(t, p)
		default:
			s.write(t, p)
		}
	}
	broken := New(nil, Options{})
	s.close()
	for _, p := range all {
		if p.can(http.StatusServiceUnavailable) && !p.inLines() {
			s.call(t, http.StatusServiceUnavailable, p, s.fill(p, true), s.admin, s.body(p))
		}
		if p.can(http.StatusInternalServerError) {
			req := httptest.NewRequest(p.method, s.fill(p, true), strings.NewReader(s.body(p)))
			if got := s.send(t, broken, req, s.admin, s.body(p)); got.status != http.StatusInternalServerError {
				t.Errorf("%s of a broken server was answered %d", p.OperationId, got.status)
			}
		}
	}
}

func (p place) can(status int) bool { return p.Responses.Codes.GetOrZero(fmt.Sprint(status)) != nil }

// read asks with the examples of all parameters, and with those that must be there; and as a client, if clients may.
func (s *shop) read(t *testing.T, p place) {
	good := http.StatusOK
	if p.can(http.StatusNoContent) {
		good = http.StatusNoContent
	}
	s.call(t, good, p, s.fill(p, true), s.admin, "")
	s.must(t, good, p.method, s.fill(p, false), s.admin, "")
	if len(p.Security) > 1 {
		s.call(t, good, p, s.fill(p, false), s.client, "")
	}
}

// asksOnly reports whether what is posted to a path changes nothing.
func asksOnly(path string) bool {
	return strings.HasSuffix(path, "/quote") || strings.HasSuffix(path, "/simulate") || strings.HasSuffix(path, "/test") ||
		strings.HasSuffix(path, "/evaluate") || strings.HasSuffix(path, "/verify") || strings.HasSuffix(path, "/sign-in")
}

// post sends every example of a body that changes nothing.
func (s *shop) post(t *testing.T, p place) {
	for _, body := range s.bodies(p) {
		s.call(t, http.StatusOK, p, s.fill(p, true), s.admin, body)
		if len(p.Security) > 1 {
			s.call(t, http.StatusOK, p, s.fill(p, true), s.client, body)
		}
	}
}

// write sends every example of a body, sends it again, and sends something else with the same key.
func (s *shop) write(t *testing.T, p place) {
	var path string
	ask := func(body, key string) answer {
		headers := []string{"Idempotency-Key", key}
		if p.namesInstance() {
			headers = append(headers, instanceHeader, s.instance)
		}
		return s.ask(t, p.method, path, s.admin, body, headers...)
	}
	for i := range s.bodies(p) {
		s.open(t)
		body, key := s.bodies(p)[i], fmt.Sprint(p.OperationId, i)
		path = s.fill(p, true)
		first := ask(body, key)
		if first.status/100 != 2 || first.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s %s: an example was answered %d, %v\n%s\n%s", p.method, path, first.status, first.header, body, first.body)
			continue
		}
		again := ask(body, key)
		if again.status != first.status || again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s %s: replayed %d %s, first it was %d %s", p.method, path, again.status, again.body, first.status, first.body)
		}
		other := path + "?other=1"
		if strings.Contains(path, "?") {
			other = path + "&other=1"
		}
		s.call(t, http.StatusUnprocessableEntity, p, other, s.admin, body, "Idempotency-Key", key)
		if len(p.Security) > 1 {
			s.open(t) // what was deleted is there again
			s.call(t, first.status, p, s.fill(p, true), s.client, s.bodies(p)[i])
		}
	}
}

func (s *shop) refusals(t *testing.T, p place) {
	path, body := s.fill(p, true), s.body(p)
	if len(p.Security) > 0 {
		s.call(t, http.StatusUnauthorized, p, path, "", body)
		s.call(t, http.StatusForbidden, p, path, s.stranger, body)
		for _, malformed := range []string{"?kind=%zz", "?a=1;b=2", "?" + strings.Repeat("x&", 10_001)} {
			s.call(t, http.StatusBadRequest, p, s.fill(p, false)+malformed, s.admin, body)
		}
	}
	if p.namesInstance() {
		s.must(t, http.StatusBadRequest, p.method, path, s.client, body)
	}
	switch {
	case p.method != http.MethodGet:
		s.call(t, http.StatusBadRequest, p, path, s.admin, body, "Idempotency-Key", strings.Repeat("k", 256))
	case !p.namesInstance() && slices.ContainsFunc(p.Parameters, func(h *v3.Parameter) bool { return h.In == "query" }):
		wrong, _, _ := strings.Cut(path, "?")
		s.must(t, http.StatusBadRequest, p.method, wrong+"?next=-1&limit=0", s.admin, "")
	}
	if p.can(http.StatusNotFound) {
		s.nowhere(t, p)
	}
	if p.RequestBody != nil {
		s.call(t, http.StatusBadRequest, p, path, s.admin, "{")
		req := httptest.NewRequest(p.method, path, strings.NewReader("{"))
		req.ContentLength = rateTableMost + 1
		if got := s.send(t, s.server, req, s.admin, "{"); got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s of a body that is too large was answered %d", p.OperationId, got.status)
		}
	}
}

// conflict provokes what the document has where the state stands against it: 409, and of sessions in v1.0 403.
func (s *shop) conflict(t *testing.T, p place) {
	path := s.fill(p, true)
	switch p.id() {
	case "addRateTable": // it is there already
		twice := `{"version": "twice", "effectiveFrom": 4102444800000, "items": [{"name": "render", "rate": 1}]}`
		s.must(t, http.StatusCreated, p.method, path, s.admin, twice)
		s.must(t, http.StatusConflict, p.method, path, s.admin, twice)
	case "deleteRateTable": // it is in effect
		s.must(t, http.StatusConflict, p.method, strings.Replace(path, "version=2", "version=1", 1), s.admin, "")
	case "putLineItem": // it belongs to another instance
		theirs := strings.Replace(s.body(p), "ACME-2026-0001", "THEIRS", 1)
		s.must(t, http.StatusOK, p.method, strings.Replace(path, s.instance, s.other, 1), s.admin, theirs)
		s.must(t, http.StatusConflict, p.method, path, s.admin, theirs)
	case "createPack": // it is there already
		theirs := strings.Replace(s.body(p), "team-1000", "theirs", 1)
		s.must(t, http.StatusCreated, p.method, path, s.admin, theirs)
		s.must(t, http.StatusConflict, p.method, path, s.admin, theirs)
	case "createAlert": // it is there already
		theirs := strings.Replace(s.body(p), "low-balance", "theirs", 1)
		s.must(t, http.StatusCreated, p.method, path, s.admin, theirs)
		s.must(t, http.StatusConflict, p.method, path, s.admin, theirs)
	case "createWebhook": // there are too many
		made := 0
		for got := s.ask(t, p.method, path, s.admin, s.body(p)); got.status == http.StatusCreated && made <= 100; made++ {
			got = s.ask(t, p.method, path, s.admin, s.body(p))
		}
		s.must(t, http.StatusConflict, p.method, path, s.admin, s.body(p))
		s.dropWebhooks(t)
		s.open(t)
	case "replayDelivery": // the webhook is disabled
		s.change(t, func(tx *engine.Change) error {
			return tx.ReplaceWebhook(&engine.Webhook{ID: s.webhook, URL: "http://127.0.0.1:1", Disabled: true})
		})
		s.must(t, http.StatusConflict, p.method, path, s.admin, "")
		s.open(t)
	case "sellPack": // the order is there already: the same is answered, another refused
		theirs := strings.Replace(s.body(p), "PO-", "THEIRS-", 1)
		s.must(t, http.StatusCreated, p.method, path, s.admin, theirs)
		s.must(t, http.StatusOK, p.method, path, s.admin, theirs)
		s.must(t, http.StatusConflict, p.method, path, s.admin, strings.Replace(theirs, "{", `{"quantity": 7, `, 1))
	case "refundReceipt": // it was refunded before
		s.must(t, http.StatusCreated, p.method, path, s.admin, "")
		s.must(t, http.StatusConflict, p.method, path, s.admin, "")
		s.charge(t)
	case "adjustLineItem": // there is not so much use
		s.must(t, http.StatusConflict, p.method, path, s.admin, `{"tokens": -99999999}`)
	case "topUpLineItem": // it is obsolete
		if got := s.ask(t, p.method, strings.Replace(path, exampleLineItem, "GONE", 1), s.admin, s.body(p)); got.status == http.StatusNotFound {
			gone := ledger.LineItem{ActivationID: "GONE", InstanceID: s.instance, State: ledger.Deployed, Quantity: 1, EndMS: 1, Kind: ledger.Paid}
			for _, state := range []ledger.State{ledger.Deployed, ledger.Obsolete} {
				gone.State = state
				s.change(t, func(tx *engine.Change) error { _, err := tx.PutLineItem(gone); return err })
			}
		}
		s.must(t, http.StatusConflict, p.method, strings.Replace(path, exampleLineItem, "GONE", 1), s.admin, s.body(p))
	case "putAutoTopUp": // an allowance recurs
		s.change(t, func(tx *engine.Change) error {
			_, err := tx.PutLineItem(ledger.LineItem{ActivationID: "MONTHLY", InstanceID: s.instance, State: ledger.Deployed, Quantity: 1, EndMS: period.LatestMS, Recurs: period.Monthly, Kind: ledger.Paid})
			return err
		})
		s.must(t, http.StatusConflict, p.method, strings.Replace(path, exampleLineItem, "MONTHLY", 1), s.admin, s.body(p))
		s.change(t, func(tx *engine.Change) error { return tx.DeleteLineItem(s.instance, "MONTHLY") })
	case "acknowledgeAutoTopUp": // the terms are others by now
		s.must(t, http.StatusConflict, p.method, path, s.client, strings.Replace(s.body(p), s.modified, "1", 1))
	case "declineAutoTopUp": // another request is open
		s.must(t, http.StatusConflict, p.method, path, s.admin, strings.Replace(s.body(p), s.request, s.instance, 1))
	case "transferTokens": // so many are not unused
		s.must(t, http.StatusConflict, p.method, path, s.admin, strings.Replace(s.body(p), "100", "1000000", 1))
	case "askInSession", "sendHeartbeat": // it has ended
		status := http.StatusConflict
		if !p.can(status) {
			status = http.StatusForbidden
		}
		if _, err := s.engine.CloseSession(engine.SessionRef{ID: s.session}, nil, nil); err != nil {
			t.Fatal(err)
		}
		if got := s.call(t, status, p, path, s.client, s.body(p)); !strings.Contains(got.body, "TERMINATED") {
			t.Errorf("%s does not name the state: %s", p.OperationId, got.body)
		}
		s.open(t)
	case "makeHold", "makeLease": // too many are live
		few := engine.New(s.store, engine.Options{Now: s.now, HoldsMost: 1})
		defer few.Stop()
		req := httptest.NewRequest(p.method, path, strings.NewReader(s.body(p)))
		if got := s.send(t, New(few, Options{}), req, s.admin, s.body(p)); got.status != http.StatusConflict {
			t.Errorf("a hold past the most was answered %d %s", got.status, got.body)
		}
	case "extendHold", "settleHold", "releaseHold": // it was settled before
		if _, _, err := s.engine.SettleHold(&engine.HoldMove{HoldID: s.hold}, nil, true); err != nil {
			t.Fatal(err)
		}
		s.must(t, http.StatusConflict, p.method, path, s.client, s.body(p))
		s.open(t)
	case "signIn": // it is a token; and somebody else has opened it
		s.must(t, http.StatusUnauthorized, p.method, path, "", strings.Replace(s.body(p), s.link, s.admin, 1))
		if _, err := s.engine.OpenLink(t.Context(), s.link, strings.Repeat("s", 43)); err != nil {
			t.Fatal(err)
		}
		s.must(t, http.StatusConflict, p.method, path, "", s.body(p))
		if err := s.newLink(); err != nil {
			t.Fatal(err)
		}
	case "reportLease": // it is more than was leased; and the client has reported for the last time
		s.must(t, http.StatusConflict, p.method, path, s.client, strings.Replace(s.body(p), `"count":2`, `"count":100000`, 1))
		if _, _, err := s.engine.ReportLease(&engine.HoldMove{HoldID: s.lease}, &access.Report{Final: true}); err != nil {
			t.Fatal(err)
		}
		s.must(t, http.StatusConflict, p.method, path, s.client, s.body(p))
		s.open(t)
	case "deleteCondition", "deleteConditions": // an action refers to it
		s.change(t, func(tx *engine.Change) error {
			_, err := tx.PutActions(s.instance, exampleLineItem, []ledger.Action{{ConditionID: s.condition}})
			return err
		})
		s.must(t, http.StatusConflict, p.method, path, s.client, "")
		s.open(t)
	default:
		if p.can(http.StatusConflict) {
			t.Errorf("nothing here makes %s conflict", p.OperationId)
		}
	}
}

func (s *shop) dropWebhooks(t *testing.T) {
	var all []*engine.Webhook
	err := s.engine.View(t.Context(), func(r store.Reader) (err error) {
		all, err = engine.Webhooks(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		s.change(t, func(tx *engine.Change) error { return tx.DeleteWebhook(w.ID) })
	}
}

// fill puts the examples of parameters into a path: all of them, or those that must be there.
func (s *shop) fill(p place, all bool) string {
	path, query := p.path, url.Values{}
	for _, parameter := range slices.Concat(p.item.Parameters, p.Parameters) {
		values := s.exampleOf(parameter)
		switch required := parameter.Required != nil && *parameter.Required; {
		case parameter.In == "path":
			path = strings.Replace(path, "{"+parameter.Name+"}", url.PathEscape(values[0]), 1)
		case parameter.In == "query" && (all || required):
			query[parameter.Name] = values
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// nowhere asks for what is not there, in every way that there is.
func (s *shop) nowhere(t *testing.T, p place) {
	path, body := s.fill(p, true), s.body(p)
	for _, parameter := range p.item.Parameters {
		s.call(t, http.StatusNotFound, p, strings.Replace(path, s.exampleOf(parameter)[0], "nobody", 1), s.admin, body)
	}
	switch p.id() {
	case "deleteRateTable":
		s.must(t, http.StatusNotFound, p.method, strings.Replace(path, "version=2", "version=nobody", 1), s.admin, body)
	case "listRateTableItems":
		s.openVersions(t)
		s.must(t, http.StatusNotFound, p.method, strings.Replace(path, "version=1", "version=nobody", 1), s.admin, body)
	case "diffRateTables":
		s.openVersions(t)
		s.must(t, http.StatusNotFound, p.method, strings.Replace(path, "older=1", "older=nobody", 1), s.admin, body)
		s.must(t, http.StatusNotFound, p.method, strings.Replace(path, "newer=2", "newer=nobody", 1), s.admin, body)
	case "listSessions", "pageSessions", "createSession", "pageHolds", "pageLeases":
		path, body = strings.Replace(path, s.instance, "nobody", 1), strings.Replace(body, s.instance, "nobody", 1)
		s.must(t, http.StatusNotFound, p.method, path, s.admin, body)
	case "transferTokens":
		s.must(t, http.StatusNotFound, p.method, path, s.admin, strings.Replace(body, exampleLineItem, "nobody", 1))
		s.must(t, http.StatusNotFound, p.method, path, s.admin, strings.Replace(body, "ACME-2026-0002", "nobody", 1))
	case "getTestClock", "advanceTestClock":
		worldly := engine.New(s.store, engine.Options{Now: s.now})
		defer worldly.Stop()
		req := httptest.NewRequest(p.method, path, strings.NewReader(body))
		if got := s.send(t, New(worldly, Options{}), req, s.admin, body); got.status != http.StatusNotFound {
			t.Errorf("%s of a server without one was answered %d", p.OperationId, got.status)
		}
	default:
		if len(p.item.Parameters) == 0 {
			t.Errorf("nothing here makes %s find nothing", p.OperationId)
		}
	}
}

// openVersions posts two versions of the tables without a series, which are asked for when a series is left out.
func (s *shop) openVersions(t *testing.T) {
	if s.engine.Settings().Rates.Find("", "2") != nil {
		return
	}
	for _, version := range []string{"1", "2"} {
		s.change(t, func(tx *engine.Change) error {
			return tx.AddRateTable(&rate.Table{Version: version, EffectiveFromMS: 4102444800000, Items: []rate.Item{{Name: "render"}}})
		})
	}
}

// exampleOf returns the values of a parameter's first example. It stands in the schema: the page at /docs/ would fill one that
// stands beside it into every call that is tried.
func (s *shop) exampleOf(p *v3.Parameter) (values []string) {
	if id := map[string]string{"instanceId": s.instance, "sessionId": s.session, "holdId": s.hold, "leaseId": s.lease, "conditionId": s.condition, "webhookId": s.webhook, "deliveryId": s.delivery, "correlationId": s.receipt}[p.Name]; id != "" {
		return []string{id}
	}
	node := p.Schema.Schema().Examples[0]
	for _, element := range node.Content {
		values = append(values, element.Value)
	}
	if node.Kind != yaml.SequenceNode {
		values = []string{node.Value}
	}
	return values
}

// body returns the first example of a body, or nothing.
func (s *shop) body(p place) string { return s.bodies(p)[0] }

// What the document's examples name.
const (
	exampleInstance  = "0199a3e2-7c41-7d0a-9b6e-5f2c8a1d3e47"
	exampleLineItem  = "ACME-2026-0001"
	exampleCondition = "0199c0de-3b1a-7e55-a1c2-9d8e7f6a5b4c"
	exampleAction    = "0199c0df-11aa-7c3d-8e4f-0a1b2c3d4e5f"
	exampleRequest   = "0199e3c5-2b3c-7d4e-8f5a-6b7c8d9e0f1a"
	exampleModified  = "1772000000123"
	exampleLink      = "eyJhbGciOiJFZERTQSIsInR5cCI6ImZhcmVib3gtc2lnbi1pbitqd3QifQ.eyJqdGkiOiJPTkNFIn0.c2lnbmF0dXJl"
	exampleLease     = "eyJhbGciOiJFZERTQSJ9.eyJqdGkiOiIwMTk5ZTJiNCJ9.c2lnbmF0dXJl"
)

// bodies returns the examples of an operation's body as JSON; one empty body if it takes none.
func (s *shop) bodies(p place) (all []string) {
	if p.RequestBody == nil {
		return []string{""}
	}
	for _, e := range p.body().Examples.FromOldest() {
		var tree any
		if err := e.Value.Decode(&tree); err != nil {
			panic(err)
		}
		body, err := json.Marshal(tree, json.Deterministic(true))
		if err != nil {
			panic(err)
		}
		ours := strings.NewReplacer(exampleInstance, s.instance, exampleCondition, s.condition, exampleAction, s.action, exampleLease, s.leaseText, exampleLink, s.link, exampleRequest, s.request, exampleModified, s.modified)
		all = append(all, ours.Replace(string(body)))
	}
	return all
}

// TestRefusalsOfLineItems shows the two shapes of a refused line item, whoever refuses it (decisions.md D31, D33).
func TestRefusalsOfLineItems(t *testing.T) {
	const good = `{"activationId": "A", "state": "DEPLOYED", "quantity": 1, "start": 0, "end": 253402300799999, "attributes": {}}`
	s := openShop(t)
	path := "/dynamicmonetization/api/v1.0/instances/" + s.instance + "/line-items"
	for _, c := range []struct{ name, body, errors string }{
		{"by its schema", strings.Replace(good, "{}", `{"overdraftLimit": "x"}`, 1), `["$.attributes.overdraftLimit: string found, integer expected"]`},
		{"by an attribute that is not known", strings.Replace(good, "{}", `{"colour": "x"}`, 1),
			`["$.attributes: property 'colour' is not defined in the schema and the schema does not allow additional properties"]`},
		{"by several bounds", strings.Replace(good, `1, "start": 0`, `0, "start": -1`, 1),
			`["$.quantity: must be at least 1","$.start: must be milliseconds since 1970, from 0 to 253402300799999"]`},
		{"by its state", strings.Replace(good, "DEPLOYED", "INACTIVE", 1), `["$.state: a new line item must be DEPLOYED; INACTIVE can be set later"]`},
		{"by the path", strings.Replace(good, "{", `{"instanceId": "`+s.other+`", `, 1), `["$.instanceId: must be that of the path, or left out"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.must(t, 400, "PUT", path, s.admin, c.body); got.body != `{"errors":`+c.errors+`}` {
				t.Errorf("v1.0: %s", got.body)
			}
			if got := s.must(t, 400, "PUT", strings.Replace(path, "v1.0", "v1.1", 1), s.admin, c.body); got.body != `{"message":`+c.errors+`}` {
				t.Errorf("v1.1: %s", got.body)
			}
		})
	}
	mine := s.must(t, 200, "PUT", path, s.admin, strings.Replace(good, "{", `{"instanceId": "`+s.instance+`", "used": 7, `, 1))
	if !strings.Contains(mine.body, `"used":0,`) {
		t.Errorf("used is not ignored: %s", mine.body)
	}
	s.must(t, 200, "PUT", path, s.admin, strings.Replace(good, "DEPLOYED", "OBSOLETE", 1))
	s.must(t, 409, "PUT", path, s.admin, good)
	s.must(t, 409, "PUT", strings.Replace(path, s.instance, s.other, 1), s.admin, good)
}

// TestDocumentedRefusals has the texts that the reference's changelog shows, to the letter.
func TestDocumentedRefusals(t *testing.T) {
	s := openShop(t)
	v10, v11 := "/dynamicmonetization/provisioning/api/v1.0/instances/"+s.instance+"/line-items", "/dynamicmonetization/provisioning/api/v1.1/instances/"+s.instance+"/line-items"
	for _, c := range []struct{ path, attributes, body string }{
		{v10, `{"overdraftLimit": "5"}`, `{"errors":["$.attributes.overdraftLimit: string found, integer expected"]}`},
		{v10, `{"resetFrequency": 1}`, `{"errors":["$.attributes: property 'resetFrequency' is not defined in the schema and the schema does not allow additional properties"]}`},
		{v11, `{"resetFrequency": 1}`, `{"message":["$.attributes.resetFrequency: integer found, string expected"]}`},
		{v11, `{"resetFrequency": -10 }`, `{"message":["$.attributes.resetFrequency: integer found, string expected"]}`},
		{v11, `{"resetFrequency": 1.5}`, `{"message":["$.attributes.resetFrequency: number found, string expected"]}`},
		{v11, `{"overdraftLimit": 1e2}`, `{"message":["$.attributes.overdraftLimit: number found, integer expected"]}`},
	} {
		body := `{"activationId": "A", "state": "DEPLOYED", "quantity": 1, "start": 0, "end": 253402300799999, "attributes": ` + c.attributes + `}`
		if got := s.must(t, 400, "PUT", c.path, s.admin, body); got.body != c.body {
			t.Errorf("%s: %s\nwant %s", c.attributes, got.body, c.body)
		}
	}
}

// TestOddRequests is for what the document says in words only.
func TestOddRequests(t *testing.T) {
	s := openShop(t)
	instance := "/dynamicmonetization/provisioning/api/v1.1/instances/" + s.instance
	request := "/dynamicmonetization/elastic/api/v1.1/instances/" + s.instance + "/access-request"
	conditions := "/dynamicmonetization/api/v1.1/instances/" + s.instance + "/conditions"
	slash := `{"activationId": "A/1 ü", "state": "DEPLOYED", "quantity": 1, "start": 0, "end": 253402300799999, "attributes": {"kind": "", "overdraftType": ""}}`
	nulls := `{"requester": {"type": "user", "value": "ann", "dictionary": null},
		"requestedItems": [{"item": "render", "version": null, "count": 1, "metaData": null}], "allowPartial": null}`
	for _, c := range []struct {
		name, method, path, token, body string
		status                          int
		says                            string
	}{
		{"an id that must be escaped", "PUT", instance + "/line-items", s.admin, slash, 200, `"activationId":"A/1 ü"`},
		{"read at its path", "GET", instance + "/line-items/A%2F1%20%C3%BC", s.client, "", 200, `"activationId":"A/1 ü"`},
		{"deleted at its path", "DELETE", instance + "/line-items/A%2F1%20%C3%BC", s.admin, "", 204, ""},
		{"null stands for what is left out", "POST", request, s.client, nulls, 200, `"status":{"code":"1201"`},
		{"twice the same field", "POST", request, s.client, `{"allowPartial": true, "allowPartial": true}`, 400, "twice"},
		{"null in place of an object", "POST", request, s.client, "null", 400, "null found, object expected"},
		{"null in place of a refund", "POST", "/farebox/v1/receipts/0/refund", s.admin, "null", 400, "null found, object expected"},
		{"a name beside thousands of lists", "POST", request, s.client, `{"allowPartial": ` + strings.Repeat("[", 20_000), 400, "array found, boolean expected"},
		{"what is nested too deep", "POST", request, s.client, `{"requester": {"type": "user", "value": "ann", "dictionary": {"a": ` + strings.Repeat("[", 20_000), 400, "dictionary.a[0][0]"},
		{"flags that exclude each other", "POST", request, s.client, strings.Replace(nulls, `"allowPartial": null`, `"allowPartial": true, "allOrNothing": true`, 1),
			400, "contradicts"},
		{"an integer with a point", "PUT", instance + "/line-items", s.admin, strings.Replace(slash, `: 1,`, `: 1.0,`, 1), 400, "integer expected"},
		{"the last administration key", "DELETE", "/dynamicmonetization/api/v1.1/administration-keys/" + s.pair.ID, s.admin, "", 403, "last administration key"},
		{"an account without default=true", "GET", "/dynamicmonetization/api/v1.0/instances?accountId=ACME", s.admin, "", 400, "default"},
		{"the default in capitals", "GET", "/dynamicmonetization/api/v1.0/instances?accountId=ACME&default=True", s.admin, "", 200, s.instance},
		{"the default of nobody", "GET", "/dynamicmonetization/api/v1.0/instances?accountId=nobody&default=true", s.admin, "", 200, `{"content":[],"next":0}`},
		{"a size past its bound", "GET", "/dynamicmonetization/api/v1.0/instances?size=1000000", s.admin, "", 200, s.other},
		{"a pack of odd bytes", "POST", "/farebox/v1/packs/%80/sales", s.admin, `{"instanceId": "0", "orderNumber": "0"}`, 400, "not UTF-8"},
		{"null among the values of a condition", "POST", conditions, s.admin, `[{"type": "SIMPLE", "operator": "IN", "key": "a", "values": [null]}]`, 400, "null found, string expected"},
		{"null as the name of a condition", "POST", conditions, s.admin, `[{"name": null, "type": "SIMPLE", "operator": "IN", "key": "a", "values": ["b"]}]`, 200, `"key":"a"`},
		{"null among the types of a webhook", "POST", "/farebox/v1/webhooks", s.admin, `{"url": "http://127.0.0.1:1", "types": [null]}`, 400, "null found, string expected"},
		{"a page of one instance", "GET", "/dynamicmonetization/api/v1.0/instances?accountId=ACME&default=true&next=x", s.admin, "", 400, "next"},
		{"a parameter that is not known", "GET", "/farebox/v1/usage/events?activation=A", s.admin, "", 400, `"field":"activation"`},
		{"a parameter of sessions that is not known", "GET", "/farebox/v1/sessions?next=1&instanceId=" + s.instance, s.client, "", 400, `"field":"next"`},
		{"a parameter of holds that is not known", "GET", "/farebox/v1/holds?next=1&instanceId=" + s.instance, s.client, "", 400, `"field":"next"`},
		{"a parameter of leases that is not known", "GET", "/farebox/v1/leases?next=1&instanceId=" + s.instance, s.client, "", 400, `"field":"next"`},
		{"events of another instance", "GET", "/farebox/v1/usage/events?instanceId=" + s.other, s.client, "", 403, "not for that instance"},
		{"no such path", "GET", "/dynamicmonetization/api/v1.1/nothing", "", "", 404, `{"message":`},
		{"no such path of ours", "GET", "/farebox/v1/nothing", "", "", 404, `"status":404`},
		{"no such path at all", "GET", "/nothing", "", "", 404, `{"message":`},
		{"a path of odd bytes", "GET", "/dynamicmonetization/%ff", "", "", 404, "there is nothing at /dynamicmonetization/\ufffd"},
		{"a path of ours of odd bytes", "GET", "/farebox/%ff", "", "", 404, `"status":404`},
		{"a parameter of odd bytes", "GET", "/farebox/v1/usage/events?%ff=1", s.admin, "", 400, `"status":400`},
		{"another method", "PATCH", "/dynamicmonetization/api/v1.1/instances", "", "", 405, "GET, POST"},
		{"another method of ours", "POST", "/farebox/v1/usage/events", "", "", 405, `"status":405`},
		{"docs without a slash", "GET", "/docs", "", "", 307, ""},
		{"the document", "GET", "/openapi.yaml", "", "", 200, "openapi: 3.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.must(t, c.status, c.method, c.path, c.token, c.body); !strings.Contains(got.body, c.says) {
				t.Errorf("does not say %s: %s", c.says, got.body)
			} else if c.status >= 400 && len(got.body) > 1024 {
				t.Errorf("says %d bytes: %.200s", len(got.body), got.body)
			}
		})
	}
	s.must(t, 400, "POST", request, s.client, nulls, "Idempotency-Key", "one", "Idempotency-Key", "two")
	s.must(t, 400, "POST", request, s.client, nulls, "Idempotency-Key", "")
}

// TestDocsNeedNothingFromElsewhere follows every address in the page at /docs/, which must be ours, and there.
func TestDocsNeedNothingFromElsewhere(t *testing.T) {
	s := openShop(t)
	page := s.must(t, 200, "GET", "/docs/", "", "")
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "connect-src 'self'") {
		t.Errorf("the page may ask elsewhere: %q", policy)
	}
	found := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page.body, -1)
	if len(found) < 4 {
		t.Errorf("only %d addresses are in the page: %s", len(found), page.body)
	}
	for _, address := range append(found, []string{"", "/openapi.yaml"}) {
		if !strings.HasPrefix(address[1], "/") {
			t.Errorf("%s is elsewhere", address[1])
			continue
		}
		recorder := httptest.NewRecorder()
		s.server.ServeHTTP(recorder, httptest.NewRequest("GET", address[1], nil))
		if recorder.Code != http.StatusOK || recorder.Body.Len() == 0 {
			t.Errorf("%s was answered %d with %d bytes", address[1], recorder.Code, recorder.Body.Len())
		}
	}
}
