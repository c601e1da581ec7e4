package server

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// FuzzRequests sends whatever there is over HTTP to the real handlers. It must be answered 2xx or 4xx, as openapi.yaml says: with a
// documented status in the documented shape; and what is granted must be allowed. Ids are those of the document's examples, which stand
// for those of the shop; names in braces in the target do, too.
func FuzzRequests(f *testing.F) {
	z := newFuzzed(f)
	added := 0
	add := func(method, target, body, key, instance string, who byte) {
		if added++; !raceEnabled || added%16 == 0 { // the race detector makes the oracle ten times as slow; make runs all without it
			f.Add(method, target, body, key, instance, who)
		}
	}
	for _, p := range everyPlace() {
		for _, body := range z.shop.bodies(p) {
			body = z.toExamples(body)
			for _, all := range []bool{true, false} {
				add(p.method, z.toExamples(z.shop.fill(p, all)), body, "", exampleInstance, byte(0))
			}
			add(p.method, z.toExamples(z.shop.fill(p, false)), body, "key", exampleInstance, byte(1))
		}
	}
	for _, found := range []asked{ // what it has found
		{method: "POST", target: "/farebox/v1/packs/%80/sales", body: `{"instanceId": "0", "orderNumber": "0"}`},
		{method: "GET", target: "/farebox/v1/usage/events?limit"},
		{method: "POST", target: "/farebox/v1/access-requests", body: "\n{}\n[\n{\"instanceId\":\"" + exampleInstance + "\"}\r\n\xff\n"},
		{method: "GET", target: "/farebox/v1/usage/export?limit&&limit=00"},
		{method: "GET", target: "/farebox/v1/usage/events?kind=%zz"},
		{method: "GET", target: "/dynamicmonetization/api/v1.0/instances?accountId=ACME&default=true&next=x"},
	} {
		f.Add(found.method, found.target, found.body, found.key, found.instance, found.who)
	}
	f.Fuzz(func(t *testing.T, method, target, body, key, instance string, who byte) {
		z.ask(t, asked{method, target, body, key, instance, who})
	})
}

// FuzzFields puts whatever there is in one place of a request that is good otherwise: a value anywhere in the body, a member more, a parameter of
// the path or the query, a header.
func FuzzFields(f *testing.F) {
	z := newFuzzed(f)
	places := everyPlace()
	for i, p := range places {
		for j, body := range z.shop.bodies(p) {
			for at := range len(z.spots(p, body)) {
				f.Add(uint16(i), byte(j), uint16(at), oddValues[(i+at)%len(oddValues)], byte(at%2))
			}
		}
	}
	f.Fuzz(func(t *testing.T, i uint16, j byte, at uint16, value string, who byte) {
		p := places[int(i)%len(places)]
		bodies := z.shop.bodies(p)
		body := bodies[int(j)%len(bodies)]
		if spots := z.spots(p, body); len(spots) > 0 {
			z.ask(t, spots[int(at)%len(spots)](value))
		}
	})
}

// FuzzBodies sends whatever there is as the body of what moves tokens: bulks, whose lines are requests of their own, leases and their reports,
// holds and their settlements, refunds. Whatever is made of it, the books prove themselves.
func FuzzBodies(f *testing.F) {
	z := newFuzzed(f)
	var places []place
	for _, p := range everyPlace() {
		if slices.Contains(movesTokens, p.path) && p.method == http.MethodPost {
			places = append(places, p)
		}
	}
	if len(places) != len(movesTokens) {
		f.Fatalf("the document has %d of %d places", len(places), len(movesTokens))
	}
	for i, p := range places {
		for _, body := range z.shop.bodies(p) {
			body = z.toExamples(body)
			f.Add(byte(i), body)
			f.Add(byte(i), body+"\n"+body)
		}
	}
	f.Fuzz(func(t *testing.T, i byte, body string) {
		p := places[int(i)%len(places)]
		z.ask(t, asked{method: p.method, target: z.toExamples(z.shop.fill(p, false)), body: body, instance: exampleInstance})
		if !z.used {
			return
		}
		proof, err := engine.Verify(context.Background(), z.shop.store)
		if err != nil || len(proof.Differences) > 0 {
			t.Errorf("after %s %.2000q verify finds %v, %v", p.path, body, proof, err)
		}
	})
}

// movesTokens are the paths of FuzzBodies.
var movesTokens = []string{
	"/farebox/v1/access-requests", "/farebox/v1/instances/{instanceId}/leases", "/farebox/v1/leases/{leaseId}/report",
	"/farebox/v1/instances/{instanceId}/holds", "/farebox/v1/holds/{holdId}/settle", "/farebox/v1/receipts/{correlationId}/refund",
}

// oddValues are good to begin with: each is JSON, and most are odd as a parameter too.
var oddValues = []string{
	`null`, `""`, `0`, `-1`, `1.5`, `9223372036854775807`, `1e19`, `1e-13`, `1E400`, `-0`, `true`, `[]`, `{}`, `[[[[]]]]`, `"\u0000"`, `"\ud800"`, `"é"`, "\"\u202e\"",
	`"0199a3e2-7c41-7d0a-9b6e-5f2c8a1d3e47"`, `"2026-01-31T08:00:00Z"`, `"P1D"`, `{"a": 1, "a": 2}`, `{"conditions": [{}]}`, `"' OR 1=1 --"`, `"../../etc/passwd"`,
}

// everyPlace is every operation in every version, in one order. What is at an alias is the same handler.
func everyPlace() (all []place) {
	for _, name := range slices.Sorted(maps.Keys(document().operations)) {
		method, path, _ := strings.Cut(name, " ")
		if op := document().operations[name]; !slices.Contains(aliases(op.item), path) {
			all = append(all, place{op, method})
		}
	}
	return all
}

// asked is one request, with the ids of the document's examples.
type asked struct {
	method, target, body, key, instance string
	who                                 byte
}

// fuzzed is a shop that is opened anew once a request has changed it, so that what one input does hangs on that input alone.
type fuzzed struct {
	shop  *shop
	dir   string
	place string // of the books, if they are not in a folder
	used  bool
}

func newFuzzed(f *testing.F) *fuzzed {
	quiet(f)
	z := &fuzzed{dir: f.TempDir(), used: true}
	f.Cleanup(func() { z.shop.close() })
	z.renew(f)
	return z
}

func (z *fuzzed) renew(t testing.TB) {
	t.Helper()
	if !z.used {
		return
	}
	if z.shop != nil {
		z.shop.close()
	}
	dir, err := os.MkdirTemp(z.dir, "")
	if err == nil {
		z.shop, err = shopOn(context.Background(), booksIn(t, dir, &z.place))
	}
	if err != nil {
		t.Fatal(err)
	}
	z.shop.charging = true
	z.shop.change(t, func(tx *engine.Change) error { // so that there are a charge, a hold and a lease
		return tx.AddRateTable(&rate.Table{Series: "2026", Version: "of the shop", Items: []rate.Item{{Name: "render", Rate: token.FromInt(5)}}})
	})
	z.shop.open(t)
	if i := slices.Index(z.stands(), ""); i >= 0 { // every letter would be taken for one
		t.Fatalf("nothing stands for %s", z.stands()[i-1])
	}
	z.used = false
}

// stands says which ids of the document's examples stand for which of the shop.
func (z *fuzzed) stands() []string {
	s := z.shop
	return []string{
		exampleInstance, s.instance, exampleCondition, s.condition, exampleAction, s.action, exampleSession, s.session, "{webhookId}", s.webhook, "{holdId}", s.hold, "{leaseId}", s.lease, exampleLease, s.leaseText, exampleRequest, s.request, exampleModified, s.modified,
		exampleLink, s.link,
		"{deliveryId}", s.delivery, "{keyId}", s.pair.ID,
	}
}

const exampleSession = "0199b1bc-9f20-7b64-8d3e-1a2b3c4d5e6f"

func (z *fuzzed) toExamples(text string) string {
	pairs := slices.Clone(z.stands())
	slices.Reverse(pairs)
	return strings.NewReplacer(pairs...).Replace(text)
}

func (z *fuzzed) ask(t *testing.T, a asked) {
	z.renew(t)
	s := z.shop
	ours := strings.NewReplacer(z.stands()...)
	body := ours.Replace(a.body)
	target, err := url.ParseRequestURI(ours.Replace(a.target))
	if err != nil || !strings.HasPrefix(a.target, "/") {
		return // package http refuses it
	}
	req, err := http.NewRequest(a.method, "http://farebox.example/", strings.NewReader(body))
	if err != nil {
		return
	}
	req.URL, req.RequestURI = target, target.RequestURI()
	if token := []string{s.admin, s.client, s.stranger, ""}[a.who%4]; token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range map[string]string{"Idempotency-Key": a.key, instanceHeader: ours.Replace(a.instance)} {
		if value != "" && strings.IndexFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0 {
			req.Header.Set(name, value)
		}
	}
	recorder := httptest.NewRecorder()
	s.server.ServeHTTP(recorder, req)
	resp := recorder.Result()
	z.used = req.Method != http.MethodGet && (resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusForbidden)
	if kind := resp.StatusCode / 100; kind != 2 && kind != 4 && resp.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("%s %q is answered %d: %s\nrequest: %.2000q", a.method, target, resp.StatusCode, recorder.Body, body)
	}
	if strings.HasPrefix(target.Path, "/docs/") || strings.HasPrefix(target.Path, "/console/") {
		return // files of pages, which are no API
	}
	for _, broken := range document().check(req, []byte(body), resp, recorder.Body.Bytes()) {
		// The validator reads numbers as binary floating point: those of metaData and dictionaries are the caller's, of any size, and the largest
		// integers are read as one more.
		if !strings.Contains(broken, "into Go value of type float64") && !strings.Contains(broken, "9.223372036854776e+18 is not valid int64") {
			t.Errorf("%s %q, answered %d, is not as in openapi.yaml: %s\nrequest: %.2000q\nanswer: %.2000s", a.method, target, resp.StatusCode, broken, body, recorder.Body)
		}
	}
}

// spots returns what makes of a value the request with that value in one place, for every place there is.
func (z *fuzzed) spots(p place, body string) (all []func(string) asked) {
	good := asked{method: p.method, target: z.toExamples(z.shop.fill(p, true)), body: z.toExamples(body), instance: exampleInstance}
	with := func(change func(a *asked, value string)) {
		all = append(all, func(value string) asked {
			a := good
			change(&a, value)
			return a
		})
	}
	for _, parameter := range slices.Concat(p.item.Parameters, p.Parameters) {
		with(func(a *asked, value string) { z.set(a, p, parameter, value) })
	}
	spotsIn(jsontext.Value(body), func(with func(string) string) {
		all = append(all, func(value string) asked {
			a := good
			a.body = z.toExamples(with(value))
			return a
		})
	})
	return all
}

// set gives one parameter a value.
func (z *fuzzed) set(a *asked, p place, parameter *v3.Parameter, value string) {
	path, query, _ := strings.Cut(z.shop.fill(p, true), "?")
	switch parameter.In {
	case "path":
		path = strings.Replace(z.pathBut(p, parameter.Name), "{"+parameter.Name+"}", url.PathEscape(value), 1)
	case "query":
		values, _ := url.ParseQuery(query)
		values.Set(parameter.Name, value)
		query = values.Encode()
	case "header":
		if parameter.Name == "Idempotency-Key" {
			a.key = value
		} else {
			a.instance = value
		}
	}
	if a.target = z.toExamples(path); query != "" {
		a.target += "?" + z.toExamples(query)
	}
}

// pathBut fills in all of a path but one parameter.
func (z *fuzzed) pathBut(p place, name string) string {
	path := p.path
	for _, parameter := range p.item.Parameters {
		if parameter.In == "path" && parameter.Name != name {
			path = strings.Replace(path, "{"+parameter.Name+"}", url.PathEscape(z.shop.exampleOf(parameter)[0]), 1)
		}
	}
	return path
}

// spotsIn calls fn for each value in a JSON text, with what puts another in its place; and for each object with what adds a member.
func spotsIn(body jsontext.Value, fn func(with func(string) string)) {
	if len(body) == 0 {
		return
	}
	var tree any
	if err := json.Unmarshal(body, &tree); err != nil {
		panic(err)
	}
	const mark = "\x01"
	var walk func(v any, set func(any))
	spot := func(set func(any), old, marked any) {
		set(marked)
		text, _ := json.Marshal(tree, json.Deterministic(true))
		set(old)
		before, after, _ := strings.Cut(string(text), `"\u0001"`)
		fn(func(value string) string { return before + value + after })
	}
	walk = func(v any, set func(any)) {
		spot(set, v, mark)
		switch v := v.(type) {
		case []any:
			for i := range v {
				walk(v[i], func(e any) { v[i] = e })
			}
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(v[name], func(e any) { v[name] = e })
			}
			spot(func(e any) {
				if e == nil {
					delete(v, "more")
				} else {
					v["more"] = e
				}
			}, nil, mark)
		}
	}
	walk(tree, func(e any) { tree = e })
}

// FuzzCursors reads what is to be a cursor: it is one only if the server can have given it.
func FuzzCursors(f *testing.F) {
	for _, text := range []string{"", "MS4yLjM", "MS4yLjM=", "LTEuMC4w", "WyJ1c2VyIiwiYW5uIl0", "W10", "bnVsbA", "AAAA", "9999999999999999999999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseCursor(text); err == nil && text != "" && cursor(p) != text {
			t.Errorf("%q is taken for %+v", text, p)
		}
		if key, err := parseRequester(text); err == nil && text != "" && requesterCursor(key) != text {
			t.Errorf("%q is taken for %+v", text, key)
		}
	})
}
