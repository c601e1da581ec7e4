package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// read asks as an administrator and reads the answer.
func readAs[T any](t *testing.T, s *shop, method, path, body string) (out T) {
	t.Helper()
	got := s.must(t, 200, method, path, s.admin, body)
	if err := json.Unmarshal([]byte(got.body), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Tables of many items are listed without them, searched, and compared, page by page.
func TestLargeRateTables(t *testing.T) {
	s := openShop(t)
	older, newer := make([]rate.Item, 3000), make([]rate.Item, 3000)
	for i := range older {
		older[i] = rate.Item{Name: fmt.Sprintf("Item-%05d", i), Rate: token.FromInt(2)}
		newer[i] = older[i]
		switch {
		case i == 0:
			newer[i].Name = "Another"
		case i < 1500:
			newer[i].Rate = token.FromInt(3)
		case i < 1510:
			newer[i].Rate = token.FromInt(1)
		}
	}
	nowMS := s.now().UnixMilli()
	for version, table := range map[string]*rate.Table{
		"a": {EffectiveFromMS: nowMS - 2, Items: older[:1]}, "b": {EffectiveFromMS: nowMS - 1, Items: older}, "c": {EffectiveFromMS: nowMS + 1, Items: newer},
	} {
		table.Series, table.Version = "large", version
		s.change(t, func(tx *engine.Change) error { return tx.AddRateTable(table) })
	}
	tables := readAs[api.RateTableVersions](t, s, "GET", "/farebox/v1/rate-tables?series=large", "").Tables
	var listed []string
	for _, table := range tables {
		listed = append(listed, fmt.Sprintf("%s %s %d", table.Version, table.State, table.Items))
	}
	if got, want := strings.Join(listed, ", "), "c PLANNED 3000, b EFFECTIVE 3000, a PAST 1"; got != want {
		t.Errorf("listed %s, want %s", got, want)
	}
	items := readAs[api.RateTableItems](t, s, "GET", "/farebox/v1/rate-tables/items?series=large&version=b&search=iTEM-000&limit=10&offset=95", "")
	if len(items.Items) != 5 || items.Total != 100 || items.Items[0].Name != "Item-00095" {
		t.Errorf("found %d of %d", len(items.Items), items.Total)
	}
	const diff = "/farebox/v1/rate-tables/diff?series=large&older=b&newer=c"
	all := readAs[api.RateTableDiff](t, s, "GET", diff+"&limit=3", "")
	if all.Added != 1 || all.Removed != 1 || all.Dearer != 1499 || all.Cheaper != 10 || all.Unchanged != 1490 || all.Total != 1511 || len(all.Changes) != 3 {
		t.Errorf("compared %+v", all)
	}
	if c := all.Changes[0]; c.Change != "ADDED" || c.Older != nil || c.Newer.Name != "Another" {
		t.Errorf("the first change is %+v", c)
	}
	cheaper := readAs[api.RateTableDiff](t, s, "GET", diff+"&change=CHEAPER&limit=3&offset=8", "")
	if len(cheaper.Changes) != 2 || cheaper.Total != 10 || cheaper.Changes[0].Percent != "-50.0%" || cheaper.Changes[0].Newer.Name != "Item-01508" {
		t.Errorf("cheaper: %+v", cheaper)
	}
	s.must(t, 400, "GET", diff+"&change=cheaper", s.admin, "")
	s.must(t, 400, "GET", strings.Replace(diff, "older", "old", 1), s.admin, "")
	s.must(t, 400, "GET", "/farebox/v1/rate-tables/items?series=large", s.admin, "")
}

func TestEvaluateFormula(t *testing.T) {
	s := openShop(t)
	for _, c := range []struct{ formula, variables, want string }{
		{"FLOOR.MATH(cores / 8) * 2.5", `{"cores": 24}`, `{"value":7.5,"variables":["cores"]}`},
		{"Cores - cores - 1", `{"CORES": 24, "other": 1}`, `{"value":-1,"variables":["Cores"]}`},
		{"2 * * 3", `{}`, `SYNTAX at 5`},
		{"", `{}`, `SYNTAX at 0`},
		{"cores", `{}`, `VALUE at 0`},
		{"1 + 2/0", `null`, `VALUE at 6`},
	} {
		body := fmt.Sprintf(`{"formula": %q, "variables": %s}`, c.formula, c.variables)
		got := s.must(t, 200, "POST", "/farebox/v1/formulas/evaluate", s.admin, body).body
		var out api.FormulaValue
		if err := json.Unmarshal([]byte(got), &out); err != nil {
			t.Fatal(err)
		}
		if out.Error != nil {
			got = fmt.Sprintf("%s at %d", out.Error.Kind, out.Error.At)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.formula, got, c.want)
		}
	}
	s.must(t, 400, "POST", "/farebox/v1/formulas/evaluate", s.admin, `{"formula": "1", "variables": {"a": 1, "A": 2}}`)
	s.must(t, 400, "POST", "/farebox/v1/formulas/evaluate", s.admin, `{"formula": "`+strings.Repeat("1", 4097)+`"}`)
}

// What ends soon comes in the order of its end, each once, over pages; what is withdrawn, over or far off does not.
func TestEndingLineItems(t *testing.T) {
	s := openShop(t)
	nowMS := s.now().UnixMilli()
	const day = 24 * 60 * 60 * 1000
	put := func(id, instance string, endMS int64, state ledger.State) {
		l := ledger.LineItem{ActivationID: id, InstanceID: instance, State: ledger.Deployed, Quantity: 5, EndMS: endMS, Elastic: true, Kind: ledger.Paid}
		s.change(t, func(tx *engine.Change) error { _, err := tx.PutLineItem(l); return err })
		if l.State = state; state != ledger.Deployed {
			s.change(t, func(tx *engine.Change) error { _, err := tx.PutLineItem(l); return err })
		}
	}
	put("late", s.instance, nowMS+31*day, ledger.Deployed)
	put("third", s.other, nowMS+9*day, ledger.Deployed)
	put("second", s.instance, nowMS+2*day, ledger.Deployed)
	put("withdrawn", s.instance, nowMS+2*day, ledger.Obsolete)
	put("first", s.other, nowMS+1, ledger.Deployed)
	put("over", s.other, nowMS-1, ledger.Deployed)
	var got []string
	cursor := ""
	for range 10 {
		page := readAs[api.EndingLineItems](t, s, "GET", "/farebox/v1/line-items/ending?limit=1&cursor="+cursor, "")
		for _, l := range page.LineItems {
			got = append(got, l.ActivationID)
			if l.AccountID != "ACME" || !l.Balance.Equal(token.FromInt(5)) {
				t.Errorf("it is told to be %+v", l)
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if want := "first second third"; strings.Join(got, " ") != want {
		t.Errorf("%q end, want %s", got, want)
	}
	s.must(t, 400, "GET", "/farebox/v1/line-items/ending?cursor=x", s.admin, "")
}

// A client sees its own instances and nothing of others in every list that an administrator has of all.
func TestListsOfAllAreOfOnesOwn(t *testing.T) {
	s := openShop(t)
	s.charging = true
	s.furnishPrices(t)
	for _, path := range []string{"/farebox/v1/instances", "/farebox/v1/instances?search=" + s.other, "/farebox/v1/receipts", "/farebox/v1/instances?accountId=ACME&forecast=true"} {
		if got := s.must(t, 200, "GET", path, s.client, ""); strings.Contains(got.body, s.other) || !strings.Contains(path, "search") && !strings.Contains(got.body, s.instance) {
			t.Errorf("%s: a client is told %s", path, got.body)
		}
		if got := s.must(t, 200, "GET", path, s.stranger, ""); strings.Contains(got.body, s.instance) {
			t.Errorf("%s: a stranger is told %s", path, got.body)
		}
	}
	s.must(t, 403, "GET", "/farebox/v1/instances?instanceId="+s.instance+"&instanceId="+s.other, s.client, "")
	if all := readAs[api.InstanceOverviews](t, s, "GET", "/farebox/v1/instances", ""); all.Total != 2 {
		t.Errorf("an administrator is told of %d instances", all.Total)
	}
}

func TestProofOverHTTP(t *testing.T) {
	s := openShop(t)
	s.charging = true
	s.furnishPrices(t)
	if p := readAs[api.Proof](t, s, "GET", "/farebox/v1/verify", ""); p.State != "NONE" {
		t.Errorf("before: %+v", p)
	}
	p := readAs[api.Proof](t, s, "POST", "/farebox/v1/verify", "")
	for p.State == "RUNNING" {
		p = readAs[api.Proof](t, s, "GET", "/farebox/v1/verify", "")
	}
	if p.State != "AGREES" || p.Receipts == 0 || p.LineItems != 2 || p.Ended == 0 {
		t.Errorf("it came to %+v", p)
	}
}

// Administrators are told which server answers; to anybody else it is none of their business.
func TestServerTellsOfItself(t *testing.T) {
	s := openShop(t)
	began := s.engine.Now()
	got := readAs[api.ServiceState](t, s, "GET", "/farebox/v1/service", "")
	if got.Version != "v1.2.3" || got.Store != "sqlite" || got.Database != "./farebox.db" || got.Started == 0 || got.Started > began {
		t.Errorf("it tells %+v", got)
	}
	s.must(t, 200, "POST", "/farebox/v1/test-clock", s.admin, `{"advance":"PT1H"}`)
	if later := readAs[api.ServiceState](t, s, "GET", "/farebox/v1/service", ""); later.Started != got.Started || later.Time <= got.Time {
		t.Errorf("at %d it started at %d, and at %d at %d", got.Time, got.Started, later.Time, later.Started)
	}
	s.must(t, 403, "GET", "/farebox/v1/service", s.client, "")
}
