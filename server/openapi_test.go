package server

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	problems "github.com/pb33f/libopenapi-validator/errors"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/farebox/farebox/api"
)

// promise is openapi.yaml, ready to be held against what the server does.
type promise struct {
	validator  validator.Validator
	operations map[string]*operation // by method and path; those at aliases too
	mux        *http.ServeMux        // finds the method and path of a request
}

// operation is what the document says of one method at one path.
type operation struct {
	*v3.Operation
	item *v3.PathItem
	path string
}

// document reads openapi.yaml once. That it is valid is tested in package api.
var document = sync.OnceValue(func() *promise {
	doc, err := libopenapi.NewDocument(api.Document)
	if err != nil {
		panic(err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		panic(err)
	}
	p := &promise{
		validator:  validator.NewValidatorFromV3Model(&model.Model, config.WithFormatAssertions()),
		operations: map[string]*operation{}, mux: http.NewServeMux(),
	}
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			for _, p2 := range append(aliases(item), path) {
				name := strings.ToUpper(method) + " " + p2
				p.operations[name] = &operation{op, item, p2}
				p.mux.Handle(name, http.NotFoundHandler())
			}
		}
	}
	return p
})

// aliases returns the other paths of an item.
func aliases(item *v3.PathItem) (paths []string) {
	if node := item.Extensions.GetOrZero("x-aliases"); node != nil {
		if err := node.Decode(&paths); err != nil {
			panic(err)
		}
	}
	return paths
}

// checkAgainstDocument fails a test when an answer breaks the promise of openapi.yaml, or when the server granted a request
// that the document does not allow. The bodies are those that were sent, since those of req and resp are read by then.
func checkAgainstDocument(t *testing.T, req *http.Request, body []byte, resp *http.Response, respBody []byte) {
	t.Helper()
	for _, broken := range document().check(req, body, resp, respBody) {
		t.Errorf("%s %s, answered %d, is not as in openapi.yaml: %s\nrequest: %.1000s\nanswer: %.1000s",
			req.Method, req.URL, resp.StatusCode, broken, body, respBody)
	}
}

func (p *promise) check(req *http.Request, body []byte, resp *http.Response, respBody []byte) []string {
	op := p.find(req)
	if op == nil || resp.StatusCode == http.StatusTemporaryRedirect {
		return checkNoRoute(req, resp, respBody)
	}
	again := req.Clone(req.Context())
	again.Body = io.NopCloser(bytes.NewReader(withoutNulls(body)))
	again.URL.RawQuery = op.asTaken(again.URL.Query())
	if again.Header.Get("Content-Type") == "" && len(body) > 0 {
		again.Header.Set("Content-Type", jsonType) // the server does not look at it
		if op.inLines() {
			again.Header.Set("Content-Type", linesType)
		}
	}
	if resp.Header.Get("Content-Type") == linesType && op.inLines() {
		return checkLines(respBody)
	}
	answer := *resp
	answer.Body = io.NopCloser(bytes.NewReader(respBody))
	_, wrong := p.validator.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(again, &answer, op.item, op.path)
	if resp.StatusCode/100 == 2 {
		_, more := p.validator.ValidateHttpRequestSyncWithPathItem(again, op.item, op.path)
		wrong = append(wrong, more...)
	}
	all := inWords(wrong)
	if resp.StatusCode == http.StatusNoContent && len(respBody) > 0 {
		all = append(all, "an answer without content has a body")
	}
	return all
}

// inLines reports whether an operation takes and answers a JSON object a line, which the schema is of.
func (op *operation) inLines() bool {
	return op.RequestBody != nil && op.RequestBody.Content.GetOrZero(linesType) != nil
}

// body returns what the document says of an operation's body.
func (op *operation) body() *v3.MediaType {
	if op.inLines() {
		return op.RequestBody.Content.GetOrZero(linesType)
	}
	return op.RequestBody.Content.GetOrZero(jsonType)
}

// checkLines checks the answer to a bulk.
func checkLines(respBody []byte) (all []string) {
	for text := range strings.Lines(string(respBody)) {
		var line api.BulkAnswer
		switch err := json.Unmarshal([]byte(text), &line, json.RejectUnknownMembers(true)); {
		case err != nil:
			all = append(all, err.Error())
		case (line.Status == http.StatusOK) != (line.Answer != nil) || (line.Answer == nil) == (line.Problem == nil) || line.Line < 1:
			all = append(all, "a line has not either an answer or a problem: "+text)
		}
	}
	return all
}

// find returns the operation that a request is for, or nil.
func (p *promise) find(req *http.Request) *operation {
	_, pattern := p.mux.Handler(req)
	return p.operations[pattern]
}

func inWords(wrong []*problems.ValidationError) (all []string) {
	for _, w := range wrong {
		text := w.Message + ": " + w.Reason
		for _, s := range w.SchemaValidationErrors {
			text += fmt.Sprintf("; %s: %s", s.FieldPath, s.Reason)
		}
		all = append(all, text)
	}
	return all
}

// asTaken leaves of the parameters what counts, as the document says in words: of several values the first unless it is a list, and none that
// is empty.
func (op *operation) asTaken(query url.Values) string {
	for _, p := range slices.Concat(op.item.Parameters, op.Parameters) {
		if values := query[p.Name]; p.In == "query" && len(values) > 0 && !slices.Contains(p.Schema.Schema().Type, "array") {
			query[p.Name] = values[:1]
		}
	}
	maps.DeleteFunc(query, func(_ string, values []string) bool {
		return !slices.ContainsFunc(values, func(v string) bool { return v != "" })
	})
	return query.Encode()
}

// withoutNulls drops members that are null, which the document allows once for all in words. What stands in metaData and
// dictionary is the caller's.
func withoutNulls(body []byte) []byte {
	var tree any
	if json.Unmarshal(body, &tree) != nil {
		return body
	}
	var drop func(any)
	drop = func(node any) {
		switch n := node.(type) {
		case map[string]any:
			for name, value := range n {
				if value == nil {
					delete(n, name)
				} else if name != "metaData" && name != "dictionary" {
					drop(value)
				}
			}
		case []any:
			for _, element := range n {
				drop(element)
			}
		}
	}
	drop(tree)
	out, err := json.Marshal(tree)
	if err != nil {
		return body
	}
	return out
}

// checkNoRoute checks what is answered where the document has nothing.
func checkNoRoute(req *http.Request, resp *http.Response, respBody []byte) (all []string) {
	switch resp.StatusCode {
	case http.StatusMethodNotAllowed:
		if resp.Header.Get("Allow") == "" {
			all = append(all, "405 without the header Allow")
		}
	case http.StatusNotFound:
	case http.StatusTemporaryRedirect: // to the path without its oddities
		return nil
	default:
		return []string{"the document has no such method and path"}
	}
	var body any = new(api.Message)
	kind := jsonType
	if strings.HasPrefix(req.URL.Path, "/farebox/") {
		body, kind = new(api.Problem), "application/problem+json"
	}
	if got := resp.Header.Get("Content-Type"); got != kind {
		all = append(all, "the content is "+got+", not "+kind)
	}
	if err := json.Unmarshal(respBody, body, json.RejectUnknownMembers(true)); err != nil {
		all = append(all, err.Error())
	}
	return all
}

// besideRoutes are answered without a route of ours: they are handlers of others.
var besideRoutes = []string{"GET /console/", "GET /docs/", "GET /metrics"}

// TestRoutesAreDocumented compares the routes with openapi.yaml, both ways: a promise that nobody keeps is as bad as a
// route that nobody knows.
func TestRoutesAreDocumented(t *testing.T) {
	served := map[string]route{}
	for _, r := range routes() {
		served[r.method+" "+r.path] = r
	}
	for _, name := range slices.Sorted(maps.Keys(served)) {
		if document().operations[name] == nil {
			t.Errorf("%s is a route, but missing in openapi.yaml (as a path, or in the x-aliases of one)", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(document().operations)) {
		if _, is := served[name]; !is && !slices.Contains(besideRoutes, name) {
			t.Errorf("%s is in openapi.yaml, but missing in routes()", name)
		}
	}
	for name, r := range served {
		if op := document().operations[name]; op != nil {
			t.Run(name, func(t *testing.T) { checkRoute(t, r, op) })
		}
	}
}

// checkRoute compares who may use a route, what it takes and how it can fail.
func checkRoute(t *testing.T, r route, op *operation) {
	schemes := map[audience][]string{
		public: nil, adminOnly: {"AdministrationAccess"},
		ofInstance: {"AdministrationAccess", "ClientAccess"}, ofInstances: {"AdministrationAccess", "ClientAccess"},
	}
	if op.Security == nil {
		t.Error("security is not told")
	}
	var documented []string
	for _, s := range op.Security {
		documented = slices.AppendSeq(documented, s.Requirements.KeysFromOldest())
	}
	if want := schemes[r.audience]; !slices.Equal(documented, want) {
		t.Errorf("security is %q in openapi.yaml, the route's is %q", documented, want)
	}
	if has := op.RequestBody != nil; has != (r.bodyMost != 0) {
		t.Errorf("openapi.yaml has a request body: %t; the route takes up to %d bytes", has, r.bodyMost)
	}
	changes := r.method != http.MethodGet && !asksOnly(r.path) && !op.inLines() // whose lines have keys
	if has := slices.ContainsFunc(op.Parameters, func(p *v3.Parameter) bool { return p.Name == "Idempotency-Key" }); has != changes {
		t.Errorf("openapi.yaml has the header Idempotency-Key: %t; the route changes something: %t", has, changes)
	}
	for status, can := range map[string]bool{
		"400": r.audience != public, "401": r.audience != public, "403": r.audience != public && !op.inLines(), "413": r.bodyMost != 0, "422": changes, "500": r.audience != public,
	} {
		if has := op.Responses.Codes.GetOrZero(status) != nil; can && !has {
			t.Errorf("it can be answered %s, which openapi.yaml does not say", status)
		}
	}
	for _, alias := range aliases(op.item) {
		if !strings.Contains(op.Description, "`"+alias+"`") {
			t.Errorf("its description does not say that it is at %s too", alias)
		}
	}
}

// TestTheCheckBites makes sure that checkAgainstDocument would see what it is for.
func TestTheCheckBites(t *testing.T) {
	const path = "/dynamicmonetization/elastic/api/v1.1/instances/0199a3e2-7c41-7d0a-9b6e-5f2c8a1d3e47/access-request"
	const asked = `{"requester": {"type": "user", "value": "ann", "dictionary": null}, "requestedItems": [{"item": "render", "count": 2}]}`
	const item = `{"item": "render", "version": "", "count": 2, "totalTokensCharged": 10, "lineItems": [],
		"status": {"code": "1101", "description": "Successfully checked out"}}`
	const answered = `{"correlationId": "0199a3e2-7c41-7d0a-9b6e-5f2c8a1d3e47", "requester": {"type": "user", "value": "ann"}, "requestedItems": [` + item + `]}`
	const session = "/dynamicmonetization/api/v1.1/sessions/0199b1bc-9f20-7b64-8d3e-1a2b3c4d5e6f"
	const inUse = `{"sessionId": "0199b1bc-9f20-7b64-8d3e-1a2b3c4d5e6f", "instanceId": "0199a3e2-7c41-7d0a-9b6e-5f2c8a1d3e47", "state": "ACTIVE",
		"items": [{"item": "render", "version": "", "count": 2, "freeUntil": 1}]}`
	covered := strings.Replace(answered, "1101", "101", 1)
	covered = strings.Replace(covered, `"lineItems"`, `"coveredUntil": 1, "lineItems"`, 1)
	const put = "/dynamicmonetization/api/v1.0/instances/0199a3e2-7c41-7d0a-9b6e-5f2c8a1d3e47/line-items"
	const conditions = "/dynamicmonetization/api/v1.1/instances/0199a3e2-7c41-7d0a-9b6e-5f2c8a1d3e47/conditions"
	const lineItem = `{"activationId": "A", "state": "DEPLOYED", "quantity": 1, "start": 0, "end": 1, "used": 0, "attributes": {}, "instanceId": "x"}`
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		answer                   string
		header                   http.Header
		good                     bool
	}{
		{"all is well", "POST", path, asked, 200, answered, nil, true},
		{"all is well at an alias", "PUT", put, lineItem, 200, lineItem, nil, true},
		{"a status that is not documented", "POST", path, asked, 409, `{"message": "no"}`, nil, false},
		{"a field is missing", "POST", path, asked, 200, strings.Replace(answered, `"version": "", `, "", 1), nil, false},
		{"a field that answers alone require is missing", "PUT", put, lineItem, 200, strings.Replace(lineItem, `"used": 0, `, "", 1), nil, false},
		{"a code of v1.0 in v1.1", "POST", path, asked, 200, strings.Replace(answered, "1101", "101", 1), nil, false},
		{"a wrong type", "POST", path, asked, 200, strings.Replace(answered, `"count": 2`, `"count": "2"`, 1), nil, false},
		{"a bad id", "POST", path, asked, 200, strings.Replace(answered, "0199a3e2", "199a3e2", 1), nil, false},
		{"granted what the document forbids", "POST", path, strings.Replace(asked, "2}", "0}", 1), 200, answered, nil, false},
		{"granted an unknown field", "PUT", put, strings.Replace(lineItem, "{}", `{"priority": 1}`, 1), 200, lineItem, nil, false},
		{"granted a bad key", "POST", path, asked, 200, answered, http.Header{"Idempotency-Key": {"\x01"}}, false},
		{"another body of an error", "PUT", put, lineItem, 400, `{"message": ["no"]}`, nil, false},
		{"503 without Retry-After", "POST", path, asked, 503, `{"message": "no"}`, nil, false},
		{"a denied request of a session", "PUT", session, asked, 403, strings.Replace(answered, "1101", "1306", 1), nil, true},
		{"one of v1.0 in v1.1", "PUT", session, asked, 403, strings.Replace(answered, "1101", "306", 1), nil, false},
		{"what ends use for free", "GET", session, "", 200, inUse, nil, true},
		{"what ends use for free in v1.0", "GET", strings.Replace(session, "v1.1", "v1.0", 1), "", 200, inUse, nil, false},
		{"a state that there is not", "GET", session, "", 200, strings.Replace(inUse, "ACTIVE", "LOCKED", 1), nil, false},
		{"what is covered in v1.0", "POST", strings.Replace(path, "v1.1", "v1.0", 1), asked, 200, covered, nil, false},
		{"a condition without an operator", "GET", conditions, "", 200, `[{"id": "x", "type": "SIMPLE", "key": "a", "values": ["1"]}]`, nil, false},
		{"conditions as a bare array", "POST", conditions, `[{"type": "SIMPLE", "operator": "IN", "key": "a", "values": ["1"]}]`, 200, `[]`, nil, true},
		{"granted a nested condition of no type", "POST", conditions, `[{"conditions": [{"type": "NONE"}]}]`, 200, `[]`, nil, false},
		{"a clock set in two ways", "POST", "/farebox/v1/test-clock", `{"advance": "PT1H", "now": 1}`, 200, `{"now": 1, "time": "2026-01-01T00:00:00Z", "made": 0}`, nil, false},
		{"a clock set in one way", "POST", "/farebox/v1/test-clock", `{"advance": "PT1H"}`, 200, `{"now": 1, "time": "2026-01-01T00:00:00Z", "made": 0}`, nil, true},
		{"a method that is not documented", "PATCH", path, asked, 200, answered, nil, false},
		{"no such path", "GET", "/farebox/v1/nothing", "", 404, `{"message": "no"}`, nil, false},
		{"a body without content", "DELETE", put + "/A", "", 204, lineItem, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			req.Header.Set("Authorization", "Bearer x")
			maps.Copy(req.Header, c.header)
			resp := &http.Response{StatusCode: c.status, Header: http.Header{"Content-Type": {jsonType}}}
			if found := document().check(req, []byte(c.body), resp, []byte(c.answer)); (len(found) == 0) != c.good {
				t.Errorf("found %q", found)
			}
		})
	}
}
