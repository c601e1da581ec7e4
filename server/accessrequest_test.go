package server

import (
	"fmt"
	"strings"
	"testing"
)

// TestVariables shows that requests of v1.1 and of the Farebox API give values to formulas, that v1.0 has never heard of it, and
// what is said of values that are none.
func TestVariables(t *testing.T) {
	s := openShop(t)
	s.open(t)
	s.must(t, 201, "POST", rateTables, s.admin, `{"version": "1", "effectiveFrom": 0, "items": [{"name": "solve", "formula": "price * Quantity"}]}`)
	s.must(t, 200, "PUT", "/dynamicmonetization/provisioning/api/v1.1/instances/"+s.instance+"/line-items", s.admin,
		`{"activationId": "A", "state": "DEPLOYED", "quantity": 100, "start": 0, "end": 253402300799999, "attributes": {"rateTableSeries": ""}}`)
	oneOff := "/dynamicmonetization/elastic/api/%s/instances/" + s.instance + "/access-request"
	asked := func(variables string) string {
		return `{"requester": {"type": "user", "value": "ann"}, "requestedItems": [{"item": "solve", "count": 1, "variables": {"price": 1, "quantity": 1}},
			{"item": "solve", "count": 2` + variables + `}]}`
	}
	inSession := func(body string) string { return strings.Replace(body, "{", `{"rollbackOnDeny": true, `, 1) }
	v11, farebox := "/dynamicmonetization/api/v1.1/sessions/"+s.session, "/farebox/v1/sessions/"+s.session

	good := asked(`, "variables": {"PRICE": 1.5, "quantity": 3, "other": -1}`)
	for _, answer := range []answer{
		s.must(t, 200, "POST", fmt.Sprintf(oneOff, "v1.1"), s.admin, good),
		s.must(t, 200, "PUT", v11, s.admin, inSession(good)),
		s.must(t, 200, "PUT", farebox, s.admin, inSession(good)),
	} {
		if !strings.Contains(answer.body, `"totalTokensCharged":9,`) || !strings.Contains(answer.body, `"rate":4.5,`) {
			t.Errorf("got %s", answer.body)
		}
	}
	for variables, want := range map[string]string{
		``:                    `{"code":"%s304","description":"Formula cannot be evaluated: variable \"price\" is missing"}`,
		`, "variables": {}`:   `{"code":"%s304","description":"Formula cannot be evaluated: variable \"price\" is missing"}`,
		`, "variables": null`: `{"code":"%s304","description":"Formula cannot be evaluated: variable \"price\" is missing"}`,
		`, "variables": {"price": -0.5, "quantity": 3}`: `{"code":"%s305","description":"Negative rate: -1.5"}`,
	} {
		if got := s.must(t, 200, "POST", fmt.Sprintf(oneOff, "v1.1"), s.admin, asked(variables)); !strings.Contains(got.body, fmt.Sprintf(want, "1")) {
			t.Errorf("%s: %s", variables, got.body)
		}
	}
	// A denial that v1.0 gets too says why, as its event does.
	without := `{"requester": {"type": "user", "value": "ann"}, "requestedItems": [{"item": "solve", "count": 1}]}`
	const missing = `Formula cannot be evaluated: variable \"price\" is missing`
	if got := s.must(t, 200, "POST", fmt.Sprintf(oneOff, "v1.0"), s.admin, without); !strings.Contains(got.body, `{"code":"304","description":"`+missing+`"}`) {
		t.Errorf("v1.0: %s", got.body)
	}

	many := strings.Builder{}
	for i := range 65 {
		fmt.Fprintf(&many, `"v%d": 1, `, i)
	}
	for variables, want := range map[string]string{
		`{"x": "1"}`:                       `requestedItems[1].variables.x: string found, number expected`,
		`{"x": null}`:                      `requestedItems[1].variables.x: null found, number expected`,
		`{"x": {}}`:                        `requestedItems[1].variables.x: object found, number expected`,
		`{"x": 1e19}`:                      `requestedItems[1].variables.x: has more than 19 digits before the point`,
		`{"x": 1e-13}`:                     `requestedItems[1].variables.x: has more than 12 digits after the point`,
		`{"x": 1, "x": 1}`:                 `requestedItems[1].variables.x: is there twice`,
		`{"x": 1, "X": 2}`:                 `requestedItems[1].variables.x: is there twice, since upper and lower case are the same; leave one out`,
		`{"": 1}`:                          `requestedItems[1].variables: \"\": a variable's name is required, with at most 256 bytes`,
		`{"a\nb": 1}`:                      `requestedItems[1].variables: \"a\\nb\": a variable's name \"a\\nb\" has a control character; remove it`,
		`{` + many.String() + `"last": 1}`: `requestedItems[1].variables: has 66 variables, at most 64 are allowed`,
		`[1]`:                              `requestedItems[1].variables: array found, object expected`,
		`5`:                                `requestedItems[1].variables: integer found, object expected`,
	} {
		body := asked(`, "variables": ` + variables)
		for _, answer := range []answer{
			s.must(t, 400, "POST", fmt.Sprintf(oneOff, "v1.1"), s.admin, body), s.must(t, 400, "PUT", v11, s.admin, inSession(body)),
		} {
			if answer.body != `{"message":"`+want+`"}` {
				t.Errorf("%.40s: %s\nwant %s", variables, answer.body, want)
			}
		}
		if got := s.must(t, 400, "PUT", farebox, s.admin, inSession(body)); !strings.Contains(got.body, `"field":"requestedItems[1].variables`) {
			t.Errorf("%.40s: %s", variables, got.body)
		}
	}
	for _, answer := range []answer{
		s.must(t, 400, "POST", fmt.Sprintf(oneOff, "v1.0"), s.admin, good),
		s.must(t, 400, "PUT", strings.Replace(v11, "v1.1", "v1.0", 1), s.admin, inSession(good)),
	} {
		if want := `{"message":"requestedItems[0]: property 'variables' is not defined in the schema and the schema does not allow additional properties"}`; answer.body != want {
			t.Errorf("v1.0: %s\nwant %s", answer.body, want)
		}
	}
}
