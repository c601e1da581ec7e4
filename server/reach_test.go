package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
)

// ids name an instance and what belongs to it.
type ids struct{ instance, lineItem, session, hold, lease, condition, action, receipt string }

// of returns what a parameter of openapi.yaml that names something stands for, or nothing.
func (i ids) of(parameter string) string {
	return map[string]string{
		"instanceId": i.instance, "lineItemId": i.lineItem, "activationId": i.lineItem, "sessionId": i.session, "holdId": i.hold, "leaseId": i.lease, "conditionId": i.condition,
		"correlationId": i.receipt,
	}[parameter]
}

// stranger is a client of an instance of its own, and the ids of others that it tries.
type stranger struct {
	token string
	own   string // its instance
	tried ids
}

// TestNoRouteReachesAnotherInstance asks at every route there is what a client token should not get, in every way to name an instance
// and what belongs to it. Two clients ask the same: one of what is there and belongs to somebody else, the other of what was never there.
// They must be told the same, and what is there must stay as it is. The routes are those of routes(), so that none can be forgotten.
func TestNoRouteReachesAnotherInstance(t *testing.T) {
	s := openShop(t)
	s.charging = true
	s.open(t)
	there, nowhere := s.newStranger(t, "OWN-1"), s.newStranger(t, "OWN-2")
	nowhere.tried = ids{
		"0199ffff-7c41-7d0a-9b6e-5f2c8a1d3e47", "ACME-2026-9999", "0199ffff-9f20-7b64-8d3e-1a2b3c4d5e6f", "0199ffff-5d3c-7f10-9a2b-3c4d5e6f7a8b", "0199ffff-1a2b-7c3d-8e4f-5a6b7c8d9e0f",
		"0199ffff-3b1a-7e55-a1c2-9d8e7f6a5b4c", "0199ffff-11aa-7c3d-8e4f-0a1b2c3d4e5f", "0199ffff-aaaa-7d0a-9b6e-5f2c8a1d3e47",
	}
	for i, r := range routes() {
		if raceEnabled && i%8 != 0 { // see FuzzRequests
			continue
		}
		p := place{document().operations[r.method+" "+r.path], r.method}
		if r.audience == public || p.operation == nil { // TestRoutesAreDocumented tells of the latter
			continue
		}
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			checkNames(t, r, p)
			s.ask(t, p.method, s.fill(p, true), s.client, s.body(p), "Idempotency-Key", "theirs", instanceHeader, s.instance)
			s.open(t) // what that deleted is there again
			there.tried = ids{s.instance, exampleLineItem, s.session, s.hold, s.lease, s.condition, s.action, s.receipt}
			before := s.everythingOf(t)
			attempts := s.attempts(p)
			if r.audience != adminOnly && !attempts[0].foreign && !p.inLines() { // of which TestBulkOfOthers tells

				t.Error("clients may ask here, and no parameter in openapi.yaml names the instance")
			}
			for _, attempt := range attempts {
				got, want := attempt.by(t, s, &there), attempt.by(t, s, &nowhere)
				if got != want {
					t.Errorf("%s: a stranger is told\n%s\nof what is there, and of what is not\n%s", attempt.name, got, want)
				}
				if refused := strings.HasPrefix(got, "403 ") && !strings.Contains(got, "requestedItems"); attempt.foreign && !refused || r.audience == adminOnly && !refused {
					t.Errorf("%s: a stranger is told\n%s", attempt.name, got)
				}
			}
			for i, after := range s.everythingOf(t) {
				if after != before[i] {
					t.Errorf("a stranger changed\n%s\nto\n%s", before[i], after)
				}
			}
		})
	}
}

// checkNames makes sure that the attempts know what the parameters of a route name.
func checkNames(t *testing.T, r route, p place) {
	if r.audience == adminOnly {
		return
	}
	if r.audience == ofInstance && !strings.Contains(r.path, "{instanceId}") {
		t.Error("it is for the instance in its path, which has none")
	}
	for _, parameter := range slices.Concat(p.item.Parameters, p.Parameters) {
		named := strings.HasSuffix(parameter.Name, "Id") && parameter.Name != "accountId" || parameter.In == "path" && parameter.Name != "month"
		if named && (ids{"x", "x", "x", "x", "x", "x", "x", "x"}).of(parameter.Name) == "" {
			t.Errorf("say in ids what the parameter %s names", parameter.Name)
		}
	}
}

// newStranger makes a client with an instance that has one line item.
func (s *shop) newStranger(t *testing.T, lineItem string) (who stranger) {
	t.Helper()
	s.change(t, func(tx *engine.Change) error {
		i, err := tx.CreateInstance("main", lineItem)
		if err != nil {
			return err
		}
		who.own = i.ID
		_, err = tx.PutLineItem(ledger.LineItem{
			ActivationID: lineItem, InstanceID: i.ID, State: ledger.Deployed, Quantity: 100_000, StartMS: 1767225600000, EndMS: 1798761600000,
			Elastic: true, Series: "2026", Kind: ledger.Paid,
		})
		return err
	})
	var err error
	if who.token, err = auth.Sign(s.pair, auth.Client, s.pair.ID, []string{who.own}, s.now(), time.Hour); err != nil {
		t.Fatal(err)
	}
	return who
}

// attempt is one way of asking. Each of its places names an instance: that of others (true), or the stranger's own.
type attempt struct {
	name                   string
	p                      place
	path, query            bool
	header                 string // others, own or none
	inBody                 bool
	body                   string
	foreign                bool // it names another instance where the instance of the call is told
	withQuery, keyOfVictim bool
}

func (s *shop) attempts(p place) (all []attempt) {
	has := func(in, name string) bool {
		for _, parameter := range slices.Concat(p.item.Parameters, p.Parameters) {
			if parameter.In == in && parameter.Name == name {
				return true
			}
		}
		return false
	}
	bodies := s.bodies(p)
	if p.RequestBody != nil {
		bodies = append(bodies, "{")
	}
	for _, a := range []attempt{
		{name: "all of others", path: true, query: true, header: "others", inBody: true, withQuery: true},
		{name: "all of others, with their key", path: true, query: true, header: "others", inBody: true, withQuery: true, keyOfVictim: true},
		{name: "all but the header", path: true, query: true, header: "own", withQuery: true},
		{name: "the header", header: "others", withQuery: true},
		{name: "what belongs to others", header: "own", inBody: true, withQuery: true},
		{name: "what belongs to others, with their key", header: "own", inBody: true, withQuery: true, keyOfVictim: true},
		{name: "no header", header: "none", inBody: true},
		{name: "nothing but the header", header: "own", inBody: true},
	} {
		a.p = p
		a.foreign = a.path && (has("path", "instanceId") || has("path", "correlationId") || has("path", "holdId") || has("path", "leaseId")) || a.query && a.withQuery && has("query", "instanceId") || a.header == "others" && p.namesInstance()
		for _, a.body = range bodies {
			all = append(all, a)
		}
	}
	return all
}

// by returns what a stranger is told, with all that may differ left out.
func (a *attempt) by(t *testing.T, s *shop, who *stranger) string {
	t.Helper()
	own := who.tried
	own.instance = who.own
	choose := func(others bool) ids {
		if others {
			return who.tried
		}
		return own
	}
	path, query := a.p.path, url.Values{}
	for _, parameter := range slices.Concat(a.p.item.Parameters, a.p.Parameters) {
		switch parameter.In {
		case "path":
			value := choose(a.path).of(parameter.Name)
			if value == "" {
				value = s.exampleOf(parameter)[0]
			}
			path = strings.Replace(path, "{"+parameter.Name+"}", url.PathEscape(value), 1)
		case "query":
			query[parameter.Name] = s.exampleOf(parameter)
			if value := choose(a.query).of(parameter.Name); value != "" {
				query[parameter.Name] = []string{value}
			}
		}
	}
	if a.withQuery && len(query) > 0 {
		path += "?" + query.Encode()
	}
	var headers []string
	if a.header != "none" {
		headers = append(headers, instanceHeader, choose(a.header == "others").instance)
	}
	if a.keyOfVictim {
		headers = append(headers, "Idempotency-Key", "theirs")
	}
	in := choose(a.inBody)
	body := strings.NewReplacer(s.instance, in.instance, s.condition, in.condition, s.action, in.action, exampleLineItem, in.lineItem).Replace(a.body)
	got := s.ask(t, a.p.method, path, who.token, body, headers...)
	got.header.Del("Content-Length") // of what is replaced
	told := fmt.Sprint(got.status, " ", got.header, "\n", got.body)
	for _, different := range []*regexp.Regexp{anyID, anyLineItem, anyPosition} {
		told = different.ReplaceAllString(told, "…")
	}
	return told
}

var (
	anyID       = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyLineItem = regexp.MustCompile(`OWN-[12]|ACME-2026-(0001|9999)`)
	// Positions in the record count everybody's commits; docs/SECURITY.md says so.
	anyPosition = regexp.MustCompile(`"cursor":"[^"]*"|Farebox-Next-Cursor:[^\n ]*`)
)

// everythingOf returns all that an administrator is told of the client's instance.
func (s *shop) everythingOf(t *testing.T) (all []string) {
	t.Helper()
	for _, r := range routes() {
		if r.method != http.MethodGet || r.family == v10 || r.audience != ofInstance && r.audience != ofInstances || strings.HasSuffix(r.path, "/heartbeat") {
			continue
		}
		p := place{document().operations[r.method+" "+r.path], r.method}
		path := s.fill(p, false)
		if p.selectsInstances() {
			path += "?instanceId=" + s.instance
		}
		req := httptest.NewRequest(p.method, path, nil)
		req.Header.Set("Authorization", "Bearer "+s.admin)
		recorder := httptest.NewRecorder()
		s.server.ServeHTTP(recorder, req)
		all = append(all, anyPosition.ReplaceAllString(fmt.Sprint(path, ": ", recorder.Code, " ", recorder.Body), "…"))
	}
	return all
}

// selectsInstances reports whether a list is of all instances unless it is asked for some.
func (p place) selectsInstances() bool {
	return slices.ContainsFunc(p.Parameters, func(q *v3.Parameter) bool {
		return q.In == "query" && q.Name == "instanceId" && (q.Required == nil || !*q.Required)
	})
}

// TestPublicRoutes lists what anybody may ask. Think twice before adding one.
func TestPublicRoutes(t *testing.T) {
	var open []string
	for _, r := range routes() {
		if r.audience == public {
			open = append(open, r.method+" "+r.path)
		}
	}
	if want := []string{"GET /healthz", "GET /readyz", "GET /openapi.yaml", "POST /farebox/v1/sign-in", "GET /farebox/v1/lease-keys"}; !slices.Equal(open, want) {
		t.Errorf("anybody may ask %q, not only %q", open, want)
	}
}
