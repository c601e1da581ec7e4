package server

import (
	"strings"
	"testing"
)

// TestPacksByHTTP is for what the document's examples do not show.
func TestPacksByHTTP(t *testing.T) {
	s := openShop(t)
	const packs = "/farebox/v1/packs"
	for _, c := range []struct{ name, body, says string }{
		{"without a name", `{"quantity": 1}`, `"field":"name"`},
		{"without a quantity", `{"name": "a"}`, `"field":"quantity"`},
		{"a quantity with a point", `{"name": "a", "quantity": 1.5}`, `"field":"quantity"`},
		{"a period of a month", `{"name": "a", "quantity": 1, "period": "P1M"}`, `"field":"period"`},
		{"a percentage without its type", `{"name": "a", "quantity": 1, "overdraftPercent": 10}`, `"field":"overdraftPercent"`},
		{"what is not known", `{"name": "a", "quantity": 1, "colour": "red"}`, "colour"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.must(t, 400, "POST", packs, s.admin, c.body); !strings.Contains(got.body, c.says) {
				t.Errorf("does not say %s: %s", c.says, got.body)
			}
		})
	}
	s.must(t, 201, "POST", packs, s.admin, `{"name": "ü/1", "quantity": 100, "overdraftType": "PERCENT_AT_SALE"}`)
	s.must(t, 400, "PUT", packs+"/%C3%BC%2F1", s.admin, `{"name": "other", "quantity": 100}`)
	shown := s.must(t, 200, "GET", packs+"/%C3%BC%2F1", s.admin, "").body
	s.must(t, 200, "PUT", packs+"/%C3%BC%2F1", s.admin, shown) // what is read may be sent back

	sale := `{"orderNumber": "O-1", "instanceId": "` + s.instance + `", "start": 1767225600000, "end": 1798761600000, "overdraftPercent": 33.3}`
	first := s.must(t, 201, "POST", packs+"/%C3%BC%2F1/sales", s.admin, sale)
	if !strings.Contains(first.body, `"overdraftType":"Number","overdraftLimit":33,`) || !strings.Contains(first.body, `"activationId":"O-1"`) {
		t.Error(first.body)
	}
	s.must(t, 204, "DELETE", packs+"/%C3%BC%2F1", s.admin, "")
	if again := s.must(t, 200, "POST", packs+"/%C3%BC%2F1/sales", s.admin, sale); again.body != first.body {
		t.Errorf("the same order was answered\n%s\nand before\n%s", again.body, first.body)
	}
	for field, body := range map[string]string{
		"orderNumber": `{"instanceId": "x"}`, "instanceId": `{"orderNumber": "O-2"}`, "quantity": `{"orderNumber": "O-2", "instanceId": "x", "quantity": 0}`,
	} {
		if got := s.must(t, 400, "POST", packs+"/any/sales", s.admin, body); !strings.Contains(got.body, `"field":"`+field+`"`) {
			t.Errorf("does not name %s: %s", field, got.body)
		}
	}
}

const renderTwice = `{"requester": {"type": "user", "value": "ann"}, "requestedItems": [{"item": "render", "count": 2}, {"item": "nothing", "count": 1}]}`

// furnishForUse posts a price and sells 8 tokens, with 4 on credit.
func (s *shop) furnishForUse(t *testing.T) {
	s.must(t, 201, "POST", "/dynamicmonetization/provisioning/api/v1.1/rate-tables", s.admin,
		`{"version": "1", "effectiveFrom": 1767225600000, "items": [{"name": "render", "rate": 5}]}`)
	s.must(t, 200, "PUT", "/dynamicmonetization/api/v1.1/instances/"+s.instance+"/line-items", s.admin,
		`{"activationId": "A", "state": "DEPLOYED", "quantity": 8, "start": 1767225600000, "end": 1798761600000,
			"attributes": {"overdraftType": "Number", "overdraftLimit": 4}}`)
}

func TestQuoteByHTTP(t *testing.T) {
	s := openShop(t)
	s.furnishForUse(t)
	path := "/farebox/v1/instances/" + s.instance + "/quote"
	const want = `"tokens":10,"requestedItems":[` +
		`{"item":"render","version":"","count":2,"price":5,"tokens":10,` +
		`"lineItems":[{"activationId":"A","rate":5,"tokens":10,"overdraft":2,"balance":0,"overdraftUsed":2}],"status":{"code":"1101","description":"Would be granted"}},` +
		`{"item":"nothing","version":"","count":1,"tokens":0,"lineItems":[],"status":{"code":"1201","description":"Item not found in any effective rate table"}}]}`
	for range 2 { // a quote takes nothing
		if got := s.must(t, 200, "POST", path, s.client, renderTwice); !strings.HasSuffix(got.body, want) {
			t.Errorf("got\n%s\nwant\n%s", got.body, want)
		}
	}
	if events := s.must(t, 200, "GET", "/farebox/v1/usage/events", s.admin, ""); events.body != `{"events":[]}` {
		t.Errorf("a quote was recorded: %s", events.body)
	}
	dear := strings.Replace(renderTwice, `"count": 2`, `"count": 3`, 1)
	if got := s.must(t, 200, "POST", path, s.client, dear); !strings.Contains(got.body, `"price":5,"tokens":0,"lineItems":[],"status":{"code":"1306"`) {
		t.Error(got.body)
	}
	partly := strings.Replace(dear, "{", `{"allowPartial": true, `, 1)
	if got := s.must(t, 200, "POST", path, s.client, partly); !strings.Contains(got.body, `"count":2.4,`) {
		t.Error(got.body)
	}
	s.must(t, 200, "POST", "/dynamicmonetization/elastic/api/v1.1/instances/"+s.instance+"/access-request", s.client,
		strings.Replace(renderTwice, `"count": 2`, `"count": 1`, 1))
	if got := s.must(t, 200, "POST", path, s.client, strings.Replace(renderTwice, `"count": 2`, `"count": 0.2`, 1)); !strings.Contains(got.body, `"balance":2,"overdraftUsed":0,"tokensPerDay":0.714285714286,"lastsUntil":`) {
		t.Error(got.body)
	}
}

func TestSimulationByHTTP(t *testing.T) {
	s := openShop(t)
	s.furnishForUse(t)
	s.must(t, 200, "POST", "/dynamicmonetization/elastic/api/v1.1/instances/"+s.instance+"/access-request", s.client, renderTwice)
	const path = "/farebox/v1/rate-tables/simulate"
	draft := `{"version": "draft", "effectiveFrom": 0, "items": [{"name": "render", "rate": 7}]}`
	got := s.must(t, 200, "POST", path, s.admin, `{"table": `+draft+`, "from": 0, "to": 4102444800000}`)
	const want = `{"from":0,"to":4102444800000,"requests":1,"charges":1,"oldTokens":10,"newTokens":14,"difference":4,"refused":0,"refusedTokens":0,"items":[` +
		`{"accountId":"ACME","item":"render","version":"","charges":1,"count":2,"oldTokens":10,"newTokens":14,"difference":4,"refused":0,"refusedTokens":0,` +
		`"denied":0,"deniedUnpriced":0}],"notPriced":[],"notes":[]}`
	if got.body != want {
		t.Errorf("got\n%s\nwant\n%s", got.body, want)
	}
	other := strings.Replace(draft, "render", "other", 1)
	got = s.must(t, 200, "POST", path, s.admin, `{"table": `+other+`, "from": 0, "to": 4102444800000}`)
	for _, says := range []string{`"refusedStatus":{"code":"1201"`, `"notPriced":[{"item":"render","version":"","charges":1,"oldTokens":10}]`} {
		if !strings.Contains(got.body, says) {
			t.Errorf("does not say %s: %s", says, got.body)
		}
	}
	for says, body := range map[string]string{
		`"field":"table"`:               `{}`,
		`"field":"table.items[0].rate`:  `{"table": ` + strings.Replace(draft, "7", "-7", 1) + `}`,
		`"field":"table.version"`:       `{"table": ` + strings.Replace(draft, `"draft"`, `""`, 1) + `}`,
		`"field":"table.effectiveFrom"`: `{"table": ` + strings.Replace(draft, `"effectiveFrom": 0, `, ``, 1) + `}`,
		`"field":"to"`:                  `{"table": ` + draft + `, "from": 5, "to": 5}`,
	} {
		if got := s.must(t, 400, "POST", path, s.admin, body); !strings.Contains(got.body, says) {
			t.Errorf("does not say %s: %s", says, got.body)
		}
	}
}
