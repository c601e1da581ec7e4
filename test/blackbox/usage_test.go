package blackbox

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// usageHeader is stable: spreadsheets and scripts depend on it (decisions.md D34).
const usageHeader = "CORRELATION_ID,TENANT_ID,USAGE_TIME,WRITE_TIME,CONSUMER_ID,CONSUMER_TYPE,ACCOUNT_ID,INSTANCE_ID,ACTIVATION_ID," +
	"MAPPED_ENTITLED_COUNT,USED,ITEM,ITEM_VERSION,COUNT,RATE,TOKENS,OVERDRAFT,KIND,STATUS,SESSION_ID,RATE_TABLE_SERIES,RATE_TABLE_VERSION," +
	"METADATA,CONSUMER_DICTIONARY,UNIT_PRICE,CURRENCY,MONEY,REQUESTS,SOURCE_ADDRESS,USER_AGENT," +
	"REFUND_OF,CORRECTED_BY,REASON,HOLD_ID,LATE,OVERDRAWN,LEASE_ID"

// usageWorld has two customers with splits, overdraft, denials, and metadata that is hard to quote.
func usageWorld(t *testing.T) (s *server, admin *client, acme, other string) {
	s = start(t, filepath.Join(t.TempDir(), "f.db"))
	admin = s.admin()
	acme, other = admin.newInstance(t, "acme"), admin.newInstance(t, "other")
	admin.putLineItem(t, acme, "A-1", 10, `,"priority":-1`)
	admin.putLineItem(t, acme, "A-2", 10, `,"overdraftType":"Number","overdraftLimit":5`)
	admin.putLineItem(t, other, "O-1", 1_000, "")
	hard := `{"note":"a \"quoted\", comma\nline; =1+1 ü","n":1.50}`
	for i := range 12 {
		body := fmt.Sprintf(`{"requester":{"type":"user","value":"user %d","dictionary":{"d":"x, y"}},"requestedItems":[
			{"item":"unit","version":"","count":3,"metaData":%s},{"item":"part","version":"2","count":1.5}]}`, i%3, hard)
		for _, instance := range []string{acme, other} {
			if a, err := admin.call("POST", accessPath("v1.1", instance), "", body); err != nil || a.status != 200 {
				t.Fatal(a, err)
			}
		}
	}
	admin.charge(t, other, "unheard of", "", "1")
	return s, admin, acme, other
}

func TestUsageEvents(t *testing.T) {
	s, admin, acme, other := usageWorld(t)
	for _, c := range []struct {
		flags []string
		query url.Values
	}{
		{nil, nil},
		{[]string{"--instance", acme}, url.Values{"instanceId": {acme}}},
		{[]string{"--instance", acme, "--instance", other}, url.Values{"instanceId": {acme, other}}},
		{[]string{"--line-item", "A-2"}, url.Values{"activationId": {"A-2"}}},
		{[]string{"--item", "part"}, url.Values{"item": {"part"}}},
		{[]string{"--requester", "user 1", "--requester-type", "user"}, url.Values{"requester": {"user 1"}, "requesterType": {"user"}}},
		{[]string{"--kind", "DENIAL"}, url.Values{"kind": {"DENIAL"}}},
		{[]string{"--kind", "CHARGE", "--instance", acme, "--item", "unit"}, url.Values{"kind": {"CHARGE"}, "instanceId": {acme}, "item": {"unit"}}},
		{[]string{"--from", "2020-01-01T00:00:00Z"}, url.Values{"from": {"2020-01-01T00:00:00Z"}}},
	} {
		t.Run(strings.Join(c.flags, " "), func(t *testing.T) { compareUsage(t, s, admin, c.flags, c.query) })
	}
	for _, none := range [][]string{{"--to", "2020-01-01T00:00:00Z"}, {"--item", "never"}, {"--instance", "nobody"}} {
		if text := must(t, "", append([]string{"usage", "events", "--db", s.db}, none...)...); text != usageHeader+"\n" {
			t.Errorf("%v prints %q", none, text)
		}
	}
}

// compareUsage holds NDJSON, CSV and the pages of the HTTP API against each other.
func compareUsage(t *testing.T, s *server, admin *client, flags []string, query url.Values) {
	printed := ndjson(t, must(t, "", append([]string{"usage", "events", "--db", s.db, "--format", "ndjson"}, flags...)...))
	if len(printed) == 0 {
		t.Fatal("nothing is printed")
	}
	for _, limit := range []int{1, 3, len(printed), 1_000} {
		if paged := pages(t, admin, query, limit); !reflect.DeepEqual(paged, printed) {
			t.Errorf("in pages of %d there are %d events, %d are printed, and they differ", limit, len(paged), len(printed))
		}
	}
	rows, err := csv.NewReader(strings.NewReader(must(t, "", append([]string{"usage", "events", "--db", s.db}, flags...)...))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(rows[0], ",") != usageHeader || len(rows)-1 != len(printed) {
		t.Fatalf("the CSV has the header %v and %d rows, not %d", rows[0], len(rows)-1, len(printed))
	}
	for i, e := range printed {
		compareRow(t, rows[0], rows[i+1], e)
	}
}

func compareRow(t *testing.T, header, row []string, e map[string]any) {
	t.Helper()
	text := func(name string) string {
		switch v := e[name].(type) {
		case nil:
			return ""
		case string:
			return v
		case map[string]any:
			return "an object"
		default:
			return fmt.Sprint(v)
		}
	}
	want := map[string]string{
		"CORRELATION_ID": text("correlationId"), "ACCOUNT_ID": text("accountId"), "INSTANCE_ID": text("instanceId"), "ACTIVATION_ID": text("activationId"),
		"ITEM": text("item"), "ITEM_VERSION": text("itemVersion"), "COUNT": text("count"), "TOKENS": text("tokens"), "OVERDRAFT": text("overdraft"),
		"KIND": text("kind"), "STATUS": text("status"), "CONSUMER_ID": e["requester"].(map[string]any)["value"].(string),
	}
	if want["KIND"] == "CHARGE" {
		want["USED"], want["RATE"], want["MAPPED_ENTITLED_COUNT"] = text("used"), text("rate"), text("mappedEntitledCount")
	}
	for i, name := range header {
		if w, there := want[name]; there && row[i] != w {
			t.Errorf("%s is %q in the CSV and %q in the NDJSON", name, row[i], w)
		}
		if name == "METADATA" && (row[i] == "") != (e["metaData"] == nil) || row[i] != "" && name == "METADATA" && !json.Valid([]byte(row[i])) {
			t.Errorf("METADATA is %q in the CSV and %v in the NDJSON", row[i], e["metaData"])
		}
	}
}

// ndjson reads events with their numbers as they are written.
func ndjson(t *testing.T, text string) (events []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		events = append(events, object[map[string]any](t, line))
	}
	return events
}

func object[T any](t *testing.T, text string) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func pages(t *testing.T, c *client, query url.Values, limit int) (events []map[string]any) {
	t.Helper()
	values := url.Values{"limit": {fmt.Sprint(limit)}}
	for name, v := range query {
		values[name] = v
	}
	for {
		a, err := c.call("GET", "/farebox/v1/usage/events?"+values.Encode(), "", "")
		if err != nil || a.status != 200 {
			t.Fatal(a, err)
		}
		page := object[struct {
			Events []map[string]any
			Next   string
		}](t, a.body)
		if len(page.Events) > limit {
			t.Fatalf("a page of %d has %d events", limit, len(page.Events))
		}
		events = append(events, page.Events...)
		if page.Next == "" {
			return events
		}
		values.Set("cursor", page.Next)
	}
}

// The command line and the API answer the same, before and after a rebuild beside the server, and while it goes on charging.
func TestUsageQueries(t *testing.T) {
	s, admin, acme, _ := usageWorld(t)
	same := func() (total float64) {
		t.Helper()
		a, err := admin.call("GET", "/farebox/v1/usage?groupBy=item,metadata.n&interval=hour&timeZone=Asia/Kolkata&instanceId="+acme, "", "")
		if err != nil || a.status != 200 {
			t.Fatal(a, err)
		}
		printed := must(t, "", "usage", "query", "--db", s.db, "--format", "json", "--by", "item", "--by", "metadata.n", "--interval", "hour",
			"--zone", "Asia/Kolkata", "--where", "instanceId="+acme)
		var asked, told struct {
			Rows  []any                    `json:"rows"`
			Total struct{ Tokens float64 } `json:"total"`
		}
		if err := json.Unmarshal([]byte(a.body), &asked); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(printed), &told); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(asked, told) || len(asked.Rows) < 2 {
			t.Errorf("the API answers %s\nthe command line prints %s", a.body, printed)
		}
		return asked.Total.Tokens
	}
	before := same()
	if text := must(t, "", "usage", "rebuild", "--db", s.db); !strings.Contains(text, "requests are ready for queries") {
		t.Errorf("rebuild prints %q", text)
	}
	if after := same(); after != before {
		t.Errorf("%v tokens, after a rebuild %v", before, after)
	}
	admin.charge(t, acme, "unit", "", "1")
	same()
	if text := must(t, "", "usage", "query", "--db", s.db, "--from", "1999-01-01", "--to", "1999-02-01"); !strings.Contains(text, "no usage was found") {
		t.Errorf("of a time when nothing was used: %q", text)
	}
}
