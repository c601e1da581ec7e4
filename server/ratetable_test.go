package server

import (
	"fmt"
	"strings"
	"testing"
)

const rateTables = "/dynamicmonetization/provisioning/api/v1.1/rate-tables"

func rateTableOf(version, items string) string {
	return fmt.Sprintf(`{"series": "terms", "version": %q, "effectiveFrom": 0, "items": [%s]}`, version, items)
}

// TestTermsOfItems shows that v1.1 takes and shows the terms of items, and that v1.0 has never heard of them.
func TestTermsOfItems(t *testing.T) {
	s := openShop(t)
	v10 := strings.Replace(rateTables, "v1.1", "v1.0", 1)
	s.must(t, 201, "POST", rateTables, s.admin, rateTableOf("1", `{"name": "a", "rate": 8, "window": "PT24H"}, {"name": "b", "rate": 2, "freeSeconds": 300},
		{"name": "c", "rate": 1, "freeSeconds": 0, "window": ""}, {"name": "d", "rate": 1, "freeSeconds": null, "window": null}`))
	with := `"items":[{"name":"a","version":"","rate":8,"window":"P1D"},{"name":"b","version":"","rate":2,"freeSeconds":300},` +
		`{"name":"c","version":"","rate":1},{"name":"d","version":"","rate":1}]`
	without := strings.NewReplacer(`,"window":"P1D"`, "", `,"freeSeconds":300`, "").Replace(with)
	if got := s.must(t, 200, "GET", rateTables, s.admin, ""); !strings.Contains(got.body, with) {
		t.Errorf("v1.1 shows %s\nwant %s", got.body, with)
	}
	if got := s.must(t, 200, "GET", v10, s.admin, ""); !strings.Contains(got.body, without) {
		t.Errorf("v1.0 shows %s\nwant %s", got.body, without)
	}
	for _, c := range []struct{ path, item, message string }{
		{rateTables, `"window": "1d"`, `items[1].window: must be an ISO 8601 duration of whole weeks, days, hours, minutes and seconds, such as PT1H30M or P1D, and is \"1d\"`},
		{rateTables, `"window": "PT59S"`, `items[1].window: must be from PT1M to P366D, and is PT59S for \"b\"`},
		{rateTables, `"window": "P367D"`, `items[1].window: must be from PT1M to P366D, and is P367D for \"b\"`},
		{rateTables, `"window": 60`, `items[1].window: integer found, string expected`},
		{rateTables, `"freeSeconds": 86401`, `items[1].freeSeconds: must be from 0 to 86400 (a day), and is 86401 for \"b\"`},
		{rateTables, `"freeSeconds": -1`, `items[1].freeSeconds: must be from 0 to 86400 (a day), and is -1 for \"b\"`},
		{rateTables, `"freeSeconds": 1e2`, `items[1].freeSeconds: number found, integer expected`},
		{rateTables, `"freeSeconds": "60"`, `items[1].freeSeconds: string found, integer expected`},
		{rateTables, `"freeSeconds": 60, "window": "P1D"`, `items[1].window: contradicts freeSeconds: what a charge covers cannot be given back; leave one of them out for \"b\"`},
		{v10, `"window": "P1D"`, `items[1]: property 'window' is not defined in the schema and the schema does not allow additional properties`},
		{v10, `"freeSeconds": 0`, `items[1]: property 'freeSeconds' is not defined in the schema and the schema does not allow additional properties`},
	} {
		got := s.must(t, 400, "POST", c.path, s.admin, rateTableOf("2", `{"name": "a", "rate": 1}, {"name": "b", "rate": 1, `+c.item+`}`))
		if want := `{"message":"` + c.message + `"}`; got.body != want {
			t.Errorf("%s: %s\nwant %s", c.item, got.body, want)
		}
	}
}

// TestCostsOfItems shows that v1.1 takes and shows what items cost the producer, and that v1.0 has never heard of it.
func TestCostsOfItems(t *testing.T) {
	s := openShop(t)
	v10 := strings.Replace(rateTables, "v1.1", "v1.0", 1)
	s.must(t, 201, "POST", rateTables, s.admin, rateTableOf("1", `{"name": "a", "rate": 8, "cost": 0.40}, {"name": "b", "formula": "x", "cost": 0},
		{"name": "c", "rate": 1, "cost": null}`))
	for path, want := range map[string]string{
		rateTables: `"items":[{"name":"a","version":"","rate":8,"cost":0.4},{"name":"b","version":"","formula":"x","cost":0},{"name":"c","version":"","rate":1}]`,
		v10:        `"items":[{"name":"a","version":"","rate":8},{"name":"c","version":"","rate":1}]`,
	} {
		if got := s.must(t, 200, "GET", path, s.admin, ""); !strings.Contains(got.body, want) {
			t.Errorf("%s shows %s\nwant %s", path, got.body, want)
		}
	}
	for _, c := range []struct{ path, cost, message string }{
		{rateTables, `-0.1`, `items[0].cost: must not be negative, and is -0.1 for \"a\"; leave it out if it is not known`},
		{rateTables, `"0.1"`, `items[0].cost: string found, number expected`},
		{v10, `0.1`, `items[0]: property 'cost' is not defined in the schema and the schema does not allow additional properties`},
	} {
		got := s.must(t, 400, "POST", c.path, s.admin, rateTableOf("2", `{"name": "a", "rate": 1, "cost": `+c.cost+`}`))
		if want := `{"message":"` + c.message + `"}`; got.body != want {
			t.Errorf("%s: %s\nwant %s", c.cost, got.body, want)
		}
	}
}

// TestFormulasOfItems shows that v1.1 takes and shows formulas, and that v1.0 neither takes nor shows items that have one.
func TestFormulasOfItems(t *testing.T) {
	s := openShop(t)
	v10 := strings.Replace(rateTables, "v1.1", "v1.0", 1)
	s.must(t, 201, "POST", rateTables, s.admin, rateTableOf("1", `{"name": "a", "formula": "price *\n quantity", "window": "P1D"}, {"name": "b", "rate": 2, "formula": ""},
		{"name": "c", "rate": null, "formula": "MIN(a, 5)"}, {"name": "d", "rate": 0, "formula": null}`))
	s.must(t, 201, "POST", rateTables, s.admin, rateTableOf("only", `{"name": "a", "formula": "5"}`))
	for path, all := range map[string][]string{
		rateTables: {`"items":[{"name":"a","version":"","formula":"price *\n quantity","window":"P1D"},{"name":"b","version":"","rate":2},` +
			`{"name":"c","version":"","formula":"MIN(a, 5)"},{"name":"d","version":"","rate":0}]`},
		v10: {`"items":[{"name":"b","version":"","rate":2},{"name":"d","version":"","rate":0}]`, `"version":"only","items":[]`},
	} {
		got := s.must(t, 200, "GET", path, s.admin, "")
		for _, want := range all {
			if !strings.Contains(got.body, want) {
				t.Errorf("%s shows %s\nwant %s", path, got.body, want)
			}
		}
	}
	for _, c := range []struct{ path, item, message string }{
		{rateTables, `"formula": "price * * 2"`, `items[1].formula: \"*\" found where a number, a name or \"(\" must be (character 9: price * >>>* 2)`},
		{rateTables, `"formula": "` + strings.Repeat("(", 10_000) + `"`, `items[1].formula: must have at most 4096 bytes, and has 10000`},
		{rateTables, `"formula": 5`, `items[1].formula: integer found, string expected`},
		{rateTables, `"rate": 0, "formula": "a"`, `items[1].formula: contradicts rate: an item has one or the other; leave one of them out`},
		{rateTables, `"formula": ""`, `items[1].rate: is required, or a formula in its place; write 0 for what is free`},
		{rateTables, `"version": ""`, `items[1].rate: is required, or a formula in its place; write 0 for what is free`},
		{v10, `"version": ""`, `items[1].rate: is required`},
		{v10, `"rate": 1, "formula": "a"`, `items[1]: property 'formula' is not defined in the schema and the schema does not allow additional properties`},
	} {
		got := s.must(t, 400, "POST", c.path, s.admin, rateTableOf("2", `{"name": "a", "rate": 1}, {"name": "b", `+c.item+`}`))
		if want := `{"message":"` + c.message + `"}`; got.body != want {
			t.Errorf("%s: %s\nwant %s", c.item, got.body, want)
		}
	}
}
