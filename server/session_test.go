package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/token"
)

// studio is a shop that sells use over time: 100 tokens for the items of one series.
type studio struct {
	*shop
	line int64 // makes ids of line items
}

func openStudio(t *testing.T) *studio {
	t.Helper()
	s := &studio{shop: openShop(t)}
	s.must(t, 201, "POST", "/dynamicmonetization/provisioning/api/v1.1/rate-tables", s.admin, `{"series": "studio", "version": "1", "effectiveFrom": 0, "items": [
		{"name": "render", "rate": 5}, {"name": "seat", "rate": 8, "window": "P1D"}, {"name": "editor", "rate": 2, "freeSeconds": 300}, {"name": "gratis", "rate": 0},
		{"name": "tiny", "rate": 0.000000000001}, {"name": "huge", "rate": 9000000000000000000}]}`)
	s.sell(t, 100)
	return s
}

func (s *studio) sell(t *testing.T, tokens int) {
	t.Helper()
	s.line++
	s.must(t, 200, "PUT", "/dynamicmonetization/api/v1.1/instances/"+s.instance+"/line-items", s.admin, fmt.Sprintf(
		`{"activationId": "L%d", "state": "DEPLOYED", "quantity": %d, "start": 0, "end": 253402300799999, "attributes": {"rateTableSeries": "studio"}}`, s.line, tokens))
}

// advance sets the clock forward by a period.
func (s *studio) advance(t *testing.T, by string) {
	t.Helper()
	s.must(t, 200, "POST", "/farebox/v1/test-clock", s.admin, `{"advance": "`+by+`"}`)
}

// asClient asks as the client of the instance, and wants a status.
func (s *studio) asClient(t *testing.T, status int, method, path, body string, headers ...string) answer {
	t.Helper()
	return s.must(t, status, method, path, s.client, body, append(headers, instanceHeader, s.instance)...)
}

// sessionsOf returns the path of an API's sessions.
func sessionsOf(version string) string {
	if version == "farebox" {
		return "/farebox/v1/sessions"
	}
	return "/dynamicmonetization/api/" + version + "/sessions"
}

// use writes a session's request for one of each item.
func use(rollback bool, items ...string) string {
	requested, single := []api.RequestedItemV10{}, token.FromInt(1)
	for _, item := range items {
		requested = append(requested, api.RequestedItemV10{Item: item, Count: &single})
	}
	body, err := json.Marshal(api.SessionRequest[api.RequestedItemV10]{Requester: &api.Requester{Type: "user", Value: "ann"}, RollbackOnDeny: &rollback, RequestedItems: &requested})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// TestSessions goes through the life of a session in every API.
func TestSessions(t *testing.T) {
	for _, version := range []string{"v1.0", "v1.1", "farebox"} {
		t.Run(version, func(t *testing.T) {
			s := openStudio(t)
			says := func(got answer, all ...string) {
				t.Helper()
				for _, text := range all {
					if !strings.Contains(got.body, text) {
						t.Errorf("does not say %s: %s", text, got.body)
					}
				}
			}
			never := func(got answer, text string) {
				t.Helper()
				if strings.Contains(got.body, text) {
					t.Errorf("says %s: %s", text, got.body)
				}
			}
			var made api.SessionID
			got := s.asClient(t, 200, "POST", sessionsOf(version), `{"instanceId": "`+s.instance+`"}`)
			if err := json.Unmarshal([]byte(got.body), &made); err != nil {
				t.Fatal(err)
			}
			session := sessionsOf(version) + "/" + made.SessionID

			granted := s.asClient(t, 200, "PUT", session, use(true, "render", "seat", "editor"))
			says(granted, `"totalTokensCharged":5`, `"totalTokensCharged":8`, `"totalTokensCharged":2`)
			read := s.asClient(t, 200, "GET", session, "")
			says(read, `"state":"ACTIVE"`, `"item":"editor"`)
			if version == "v1.0" {
				never(granted, "coveredUntil")
				never(read, "freeUntil")
			} else {
				says(granted, `"coveredUntil":1772452800000`)
				says(read, `"freeUntil":1772366700000`)
			}
			if version == "farebox" {
				says(granted, `"nextCharge":{"due":1772370000000,"tokens":7}`, `"heartbeatDue":1772371800000`, `"heartbeatOwed":false`, `"periodsCovered":12`)
				says(read, `"tokensCharged":15`)
			}
			never(read, "reason")
			says(s.must(t, 200, "GET", sessionsOf(version)+"?instanceId="+s.instance, s.client, ""), made.SessionID, `"state":"ACTIVE"`)

			// A denied request is answered with its items; replayed, it is as denied.
			key := []string{"Idempotency-Key", "denied"}
			denied := s.asClient(t, 403, "PUT", session, use(true, "render", "huge"), key...)
			says(denied, `"requestedItems":[`, "No Status", "Insufficient")
			if again := s.asClient(t, 403, "PUT", session, use(true, "render", "huge"), key...); again.body != denied.body || again.header.Get("Idempotent-Replayed") != "true" {
				t.Errorf("replayed %v %s, first it was %s", again.header, again.body, denied.body)
			}
			s.asClient(t, 422, "PUT", session, use(true, "render"), key...)
			says(s.asClient(t, 200, "GET", session, ""), `"state":"ACTIVE"`, `"item":"editor"`)

			s.advance(t, "PT1H15M")
			if version == "farebox" {
				says(s.asClient(t, 200, "GET", session+"/heartbeat", ""), `"state":"ACTIVE"`, `"heartbeatOwed":false`)
			} else {
				s.asClient(t, 204, "GET", session+"/heartbeat", "")
			}
			halted := s.asClient(t, 200, "PUT", session, use(false))
			says(halted, `"requestedItems":[]`)
			says(s.asClient(t, 200, "GET", session, ""), `"state":"IDLE"`, `"items":[]`)

			ended := s.asClient(t, 403, "PUT", session, use(false, "nothing of the kind"))
			says(ended, "201")
			says(s.asClient(t, 200, "GET", session, ""), `"state":"TERMINATED"`)
			if version == "farebox" {
				says(ended, `"state":"TERMINATED","reason":"DENIED"`)
			}
			gone := http.StatusConflict
			if version == "v1.0" {
				gone = http.StatusForbidden
			}
			says(s.asClient(t, gone, "PUT", session, use(true, "render")), "TERMINATED", "rollbackOnDeny was denied")
			says(s.asClient(t, gone, "GET", session+"/heartbeat", ""), "TERMINATED")
			says(s.asClient(t, 200, "DELETE", session, ""), "Session closed")
			never(s.must(t, 200, "GET", sessionsOf(version)+"?instanceId="+s.instance, s.client, ""), made.SessionID)
			says(s.must(t, 200, "GET", "/farebox/v1/usage/events?kind=AUTOMATIC_CHARGE", s.client, ""), `"sessionId":"`+made.SessionID+`"`, `"coveredUntil":`)
			says(s.must(t, 200, "GET", "/farebox/v1/usage/events?kind=REFUND", s.client, ""), `"tokens":-`)
		})
	}
}

// TestReasons ends sessions in every way that there is.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		reason, says string
		end          func(*studio, string)
	}{
		{"CLOSED", "it was closed", func(s *studio, session string) { s.asClient(t, 200, "DELETE", session, "") }},
		{"DENIED", "was denied", func(s *studio, session string) { s.asClient(t, 403, "PUT", session, use(false, "huge")) }},
		{"NOT_COVERED", "could not be covered", func(s *studio, session string) {
			s.asClient(t, 200, "PUT", session, strings.Replace(use(false, "render"), `"count":1`, `"count":20`, 1))
			s.advance(t, "PT1H")
		}},
		{"HEARTBEAT_MISSED", "heartbeat", func(s *studio, session string) {
			s.asClient(t, 200, "PUT", session, use(false, "render"))
			s.advance(t, "PT1H30M")
		}},
		{"LAPSED", "idle for 30 days", func(s *studio, session string) { s.advance(t, "P30D") }},
	} {
		t.Run(c.reason, func(t *testing.T) {
			s := openStudio(t)
			s.open(t)
			session := "/farebox/v1/sessions/" + s.session
			c.end(s, session)
			if got := s.asClient(t, 200, "GET", session, ""); !strings.Contains(got.body, `"state":"TERMINATED","reason":"`+c.reason+`"`) {
				t.Errorf("ended as %s", got.body)
			}
			if got := s.asClient(t, 409, "PUT", session, use(true)); !strings.Contains(got.body, c.says) {
				t.Errorf("does not say %s: %s", c.says, got.body)
			}
		})
	}
}

// TestOddSessionRequests is for requests that nobody should send.
func TestOddSessionRequests(t *testing.T) {
	s := openStudio(t)
	s.open(t)
	good := use(true, "render")
	many := func(n int) string {
		return strings.Replace(good, `[{`, `[`+strings.Repeat(`{"item": "gratis", "count": 1},`, n-1)+`{`, 1)
	}
	with := func(old, text string) string { return strings.Replace(good, old, text, 1) }
	mine := []string{instanceHeader, s.instance}
	for _, version := range []string{"v1.0", "v1.1", "farebox"} {
		sessions := sessionsOf(version)
		session := sessions + "/" + s.session
		for _, c := range []struct {
			name, method, path, token, body string
			headers                         []string
			status                          int
			says                            string
		}{
			{"no header", "PUT", session, s.client, good, nil, 400, "x-instance-id"},
			{"an empty header", "PUT", session, s.client, good, []string{instanceHeader, ""}, 400, "x-instance-id"},
			{"the header of another instance", "PUT", session, s.client, good, []string{instanceHeader, s.other}, 403, "not for that instance"},
			{"the header of an instance of its own, and not the session's", "PUT", session, s.stranger, good, []string{instanceHeader, s.other}, 404, "no session"},
			{"such a heartbeat", "GET", session + "/heartbeat", s.stranger, "", []string{instanceHeader, s.other}, 404, "no session"},
			{"such a look", "GET", session, s.stranger, "", []string{instanceHeader, s.other}, 404, "no session"},
			{"such an end", "DELETE", session, s.stranger, "", []string{instanceHeader, s.other}, 404, "no session"},
			{"such a header of an administrator", "DELETE", session, s.admin, "", []string{instanceHeader, s.other}, 404, "no session"},
			{"two headers, the first of which counts", "PUT", session, s.stranger, good, []string{instanceHeader, s.other, instanceHeader, s.instance}, 404, "no session"},
			{"a header of odd bytes", "GET", session, s.admin, "", []string{instanceHeader, "\xff\x80"}, 404, "no session"},
			{"an id of odd bytes", "PUT", sessions + "/%00%27%22%2F..%0A", s.client, good, mine, 404, "no session"},
			{"an id that is not UTF-8", "PUT", sessions + "/%ff", s.client, good, mine, 400, "not UTF-8"},
			{"an endless id", "GET", sessions + "/" + strings.Repeat("x", 20_000), s.client, "", mine, 404, "no session"},
			{"an id in capitals", "GET", sessions + "/" + strings.ToUpper(s.session), s.client, "", mine, 404, "no session"},

			{"no body", "PUT", session, s.client, "", mine, 400, "empty"},
			{"null", "PUT", session, s.client, "null", mine, 400, "null found, object expected"},
			{"a list", "PUT", session, s.client, "[]", mine, 400, "array found, object expected"},
			{"two bodies", "PUT", session, s.client, good + good, mine, 400, "JSON"},
			{"a body that is not text", "PUT", session, s.client, "{\"requester\": \"\xff\"}", mine, 400, "JSON"},
			{"a deep body", "PUT", session, s.client, strings.Repeat(`{"requester":`, 20_000), mine, 400, ""},
			{"allowPartial", "PUT", session, s.client, with(`{`, `{"allowPartial": true, `), mine, 400, "'allowPartial' is not defined"},
			{"allOrNothing", "PUT", session, s.client, with(`{`, `{"allOrNothing": true, `), mine, 400, "'allOrNothing' is not defined"},
			{"no rollbackOnDeny", "PUT", session, s.client, with(`"rollbackOnDeny":true,`, ``), mine, 400, "rollbackOnDeny"},
			{"rollbackOnDeny null", "PUT", session, s.client, with(`"rollbackOnDeny":true`, `"rollbackOnDeny":null`), mine, 400, "rollbackOnDeny"},
			{"rollbackOnDeny as text", "PUT", session, s.client, with(`"rollbackOnDeny":true`, `"rollbackOnDeny":"true"`), mine, 400, "string found, boolean expected"},
			{"rollbackOnDeny twice", "PUT", session, s.client, with(`{`, `{"rollbackOnDeny": false, `), mine, 400, "twice"},
			{"no items", "PUT", session, s.client, `{"requester": {"type": "user", "value": "ann"}, "rollbackOnDeny": true}`, mine, 400, "requestedItems"},
			{"items null", "PUT", session, s.client, `{"requester": {"type": "user", "value": "ann"}, "rollbackOnDeny": true, "requestedItems": null}`, mine, 400, "requestedItems"},
			{"an item null", "PUT", session, s.client, `{"requester": {"type": "user", "value": "ann"}, "rollbackOnDeny": true, "requestedItems": [null]}`, mine, 400, "requestedItems[0].count"},
			{"a halt of nobody", "PUT", session, s.client, `{"rollbackOnDeny": true, "requestedItems": []}`, mine, 400, "requester"},
			{"a count of nothing", "PUT", session, s.client, with(`"count":1`, `"count":0`), mine, 400, "count"},
			{"a count below nothing", "PUT", session, s.client, with(`"count":1`, `"count":-1`), mine, 400, "count"},
			{"a count past its digits", "PUT", session, s.client, with(`"count":1`, `"count":1e19`), mine, 400, "count"},
			{"a count in text", "PUT", session, s.client, with(`"count":1`, `"count":"1"`), mine, 400, "count"},
			{"metaData that is no object", "PUT", session, s.client, with(`"count":1`, `"count":1,"metaData":[1]`), mine, 400, "metaData"},
			{"metaData past its bound", "PUT", session, s.client, with(`"count":1`, `"count":1,"metaData":{"a":"`+strings.Repeat("x", 16<<10)+`"}`), mine, 400, "metaData"},
			{"items past their bound", "PUT", session, s.client, many(1001), mine, 400, "1001 items"},
			{"a body past its bound", "PUT", session, s.client, good + strings.Repeat(" ", bodyMost), mine, 413, "larger than"},
			{"the largest count", "PUT", session, s.client, with(`"count":1`, `"count":9000000000000000000.000000000001`), mine, 403, "306"},
			{"the largest count at the largest rate", "PUT", session, s.client, strings.Replace(use(true, "huge"), `"count":1`, `"count":9000000000000000000.000000000001`, 1), mine, 403, "306"},

			{"the largest count for nothing", "PUT", session, s.client, strings.Replace(use(true, "gratis"), `"count":1`, `"count":9000000000000000000.000000000001`, 1), mine, 200, `"totalTokensCharged":0`},
			{"the largest count for little", "PUT", session, s.client, strings.Replace(use(true, "tiny"), `"count":1`, `"count":99999999999.999999999999`, 1), mine, 200, `"totalTokensCharged":0.1`},
			{"the smallest count for little", "PUT", session, s.client, strings.Replace(use(true, "tiny"), `"count":1`, `"count":0.000000000001`, 1), mine, 200, `"totalTokensCharged":0,`},
			{"as many items as may be", "PUT", session, s.client, many(1000), mine, 200, `"totalTokensCharged":5`},
			{"null for what is left out", "PUT", session, s.client, with(`"version":"","count":1`, `"version":null,"count":1,"metaData":null`), mine, 200, `"totalTokensCharged":5`},
			{"a body without use", "DELETE", sessions + "/nobody", s.client, "{", mine, 404, "no session"},

			{"a session on nothing", "POST", sessions, s.client, `{}`, mine, 400, "instanceId"},
			{"a session on null", "POST", sessions, s.client, `{"instanceId": null}`, mine, 400, "instanceId"},
			{"a session on a number", "POST", sessions, s.client, `{"instanceId": 1}`, mine, 400, "integer found, string expected"},
			{"a session with more", "POST", sessions, s.client, `{"instanceId": "` + s.instance + `", "state": "ACTIVE"}`, mine, 400, "'state' is not defined"},
			{"a session without a header", "POST", sessions, s.client, `{"instanceId": "` + s.instance + `"}`, nil, 400, "x-instance-id"},
			{"a session elsewhere than the header says", "POST", sessions, s.client, `{"instanceId": "` + s.other + `"}`, mine, 400, "instanceId"},
			{"a session on another's instance", "POST", sessions, s.client, `{"instanceId": "` + s.other + `"}`, []string{instanceHeader, s.other}, 403, "not for that instance"},
			{"a session nowhere", "POST", sessions, s.admin, `{"instanceId": "\u0000'\"/.."}`, nil, 404, "no instance"},

			{"sessions of nothing", "GET", sessions, s.client, "", mine, 400, "instanceId"},
			{"sessions of another", "GET", sessions + "?instanceId=" + s.other, s.client, "", []string{instanceHeader, s.other}, 403, "not for that instance"},
			{"sessions of nobody", "GET", sessions + "?instanceId=%00%ff", s.admin, "", nil, 404, "no instance"},
			{"sessions of two, the first of which counts", "GET", sessions + "?instanceId=" + s.instance + "&instanceId=" + s.other, s.client, "", nil, 200, s.session},

			{"a heartbeat of another method", "POST", session + "/heartbeat", s.client, "", mine, 405, "GET"},
			{"a change of another method", "PATCH", session, s.client, good, mine, 405, "DELETE, GET, PUT"},
			{"an end of all", "DELETE", sessions, s.client, "", mine, 405, "GET, POST"},
		} {
			t.Run(version+"/"+c.name, func(t *testing.T) {
				if got := s.must(t, c.status, c.method, c.path, c.token, c.body, c.headers...); !strings.Contains(got.body, c.says) {
					t.Errorf("does not say %s: %.500s", c.says, got.body)
				}
			})
		}
	}
	for _, cursor := range []string{"0", "-1", "x", "1.5", "99999999999999999999", "%00", "MTcuMC4x"} {
		s.must(t, 400, "GET", "/farebox/v1/sessions?instanceId="+s.instance+"&cursor="+cursor, s.client, "")
	}
	for _, limit := range []string{"0", "-1", "x", "99999999999999999999"} {
		s.must(t, 400, "GET", "/farebox/v1/sessions?instanceId="+s.instance+"&limit="+limit, s.client, "")
	}
	// HEAD is GET without its body.
	for _, path := range []string{"", "/heartbeat"} {
		req := httptest.NewRequest("HEAD", "/farebox/v1/sessions/"+s.session+path, nil)
		req.Header.Set("Authorization", "Bearer "+s.client)
		req.Header.Set(instanceHeader, s.instance)
		recorder := httptest.NewRecorder()
		s.server.ServeHTTP(recorder, req)
		if recorder.Code != http.StatusOK {
			t.Errorf("HEAD %s was answered %d", path, recorder.Code)
		}
	}
}

// TestKeysOfSessions shows what an idempotency key belongs to.
func TestKeysOfSessions(t *testing.T) {
	s := openStudio(t)
	sessions := "/dynamicmonetization/api/v1.1/sessions"
	key := []string{"Idempotency-Key", "k"}
	body := `{"instanceId": "` + s.instance + `"}`
	same := func(first, again answer) {
		t.Helper()
		if again.status != first.status || again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("replayed %d %v %s, first it was %d %v %s", again.status, again.header, again.body, first.status, first.header, first.body)
		}
	}
	made := s.asClient(t, 200, "POST", sessions, body, key...)
	same(made, s.asClient(t, 200, "POST", sessions, body, key...))
	s.asClient(t, 422, "POST", sessions, body+" ", key...)
	s.asClient(t, 422, "POST", "/farebox/v1/sessions", body, key...)
	s.asClient(t, 422, "POST", "/dynamicmonetization/elastic/api/v1.1/instances/"+s.instance+"/access-request", strings.Replace(use(true, "render"), `"rollbackOnDeny":true,`, "", 1), key...)
	s.must(t, 200, "POST", sessions, s.stranger, strings.Replace(body, s.instance, s.other, 1), append(key, instanceHeader, s.other)...)

	// An instance's line items and its sessions share its keys.
	lineItems := "/dynamicmonetization/api/v1.1/instances/" + s.instance + "/line-items"
	lineItem := `{"activationId": "K", "state": "DEPLOYED", "quantity": 1, "start": 0, "end": 1, "attributes": {}}`
	s.must(t, 422, "PUT", lineItems, s.admin, lineItem, key...)
	s.must(t, 200, "PUT", lineItems, s.admin, lineItem, "Idempotency-Key", "line item")
	s.asClient(t, 422, "POST", sessions, body, "Idempotency-Key", "line item")

	// What failed is not kept.
	s.must(t, 404, "POST", sessions, s.admin, `{"instanceId": "nobody"}`, key...)
	s.asClient(t, 400, "PUT", sessions+"/"+s.newest(t), "{", key...)
	s.asClient(t, 404, "PUT", sessions+"/nobody", use(true, "render"), key...)

	// Each session has keys of its own.
	first := sessions + "/" + s.newest(t)
	s.open(t)
	second := sessions + "/" + s.newest(t)
	for _, session := range []string{first, second} {
		granted := s.asClient(t, 200, "PUT", session, use(true, "render"), key...)
		same(granted, s.asClient(t, 200, "PUT", session, use(true, "render"), key...))
		s.asClient(t, 422, "PUT", session, use(false, "render"), key...)
		s.asClient(t, 422, "DELETE", session, "", key...)
		closed := s.asClient(t, 200, "DELETE", session, "", "Idempotency-Key", "close")
		same(closed, s.asClient(t, 200, "DELETE", session, "", "Idempotency-Key", "close"))
		same(granted, s.asClient(t, 200, "PUT", session, use(true, "render"), key...)) // although it has ended
		if again := s.asClient(t, 200, "DELETE", session, "", "Idempotency-Key", "again"); again.header.Get("Idempotent-Replayed") != "" {
			t.Error("an end of what has ended is a replay")
		}
		s.asClient(t, 409, "PUT", session, use(true, "render"), "Idempotency-Key", "again") // it was not kept
	}

	// A replay tells nobody about another instance.
	s.must(t, 404, "PUT", first, s.stranger, use(true, "render"), append(key, instanceHeader, s.other)...)
	s.must(t, 404, "DELETE", first, s.stranger, "", "Idempotency-Key", "close", instanceHeader, s.other)
}

// newest returns the id of the newest live session of the instance.
func (s *studio) newest(t *testing.T) string {
	t.Helper()
	all, err := s.engine.LiveSessions(t.Context(), s.instance, 0, 1)
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	return all[0].ID
}

// TestPagesOfSessions pages through sessions, each of which must be there once.
func TestPagesOfSessions(t *testing.T) {
	s := openStudio(t)
	const all = 105
	var newest []string
	for range all {
		s.open(t)
		newest = append([]string{s.session}, newest...)
	}
	var listed []api.ListedSession
	got := s.must(t, 200, "GET", "/dynamicmonetization/api/v1.1/sessions?instanceId="+s.instance, s.client, "")
	if err := json.Unmarshal([]byte(got.body), &listed); err != nil || len(listed) != sessionsMost || listed[0].SessionID != newest[0] {
		t.Errorf("%d are listed, %v", len(listed), err)
	}
	if _, err := s.engine.CloseSession(engine.SessionRef{ID: newest[1]}, nil, nil); err != nil {
		t.Fatal(err)
	}
	newest = append(newest[:1], newest[2:]...)
	var paged []string
	for cursor, more := "", true; more; {
		var page api.Sessions
		got := s.must(t, 200, "GET", "/farebox/v1/sessions?limit=20&instanceId="+s.instance+cursor, s.client, "")
		if err := json.Unmarshal([]byte(got.body), &page); err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Sessions {
			paged = append(paged, one.SessionID)
		}
		cursor, more = "&cursor="+page.Next, page.Next != ""
	}
	if strings.Join(paged, " ") != strings.Join(newest, " ") {
		t.Errorf("%d are paged through, not %d", len(paged), len(newest))
	}
}

// TestTestClock sets the clock forward in all ways, good and bad.
func TestTestClock(t *testing.T) {
	const clock, noon = "/farebox/v1/test-clock", 1772366400000
	s := openStudio(t)
	if got := s.must(t, 200, "GET", clock, s.admin, ""); got.body != `{"now":1772366400000,"time":"2026-03-01T12:00:00Z"}` {
		t.Errorf("begins at %s", got.body)
	}
	for _, c := range []struct{ name, body, field, says string }{
		{"both", `{"advance": "PT1H", "now": 1772370000000}`, "advance", "only one"},
		{"neither", `{}`, "advance", "is required"},
		{"null", `null`, "", "null found, object expected"},
		{"both null", `{"advance": null, "now": null}`, "advance", "is required"},
		{"nothing", ``, "", "empty"},
		{"an empty period", `{"advance": ""}`, "advance", "ISO 8601"},
		{"no time", `{"advance": "PT0S"}`, "advance", "more than 0"},
		{"back by a period", `{"advance": "-PT1H"}`, "advance", "ISO 8601"},
		{"a month", `{"advance": "P1M"}`, "advance", "ISO 8601"},
		{"a part of an hour", `{"advance": "PT0.5H"}`, "advance", "ISO 8601"},
		{"more than a hundred years", `{"advance": "P36526D"}`, "advance", "hundred years"},
		{"more than can be counted", `{"advance": "PT99999999999999999999H"}`, "advance", "hundred years"},
		{"a period of another type", `{"advance": 3600}`, "advance", "integer found, string expected"},
		{"back", `{"now": 1772366399999}`, "now", "does not go back"},
		{"back beyond 1970", `{"now": -1}`, "now", "does not go back"},
		{"past the year 9999", `{"now": 253402300800000}`, "now", "9999"},
		{"past all numbers", `{"now": 9223372036854775807}`, "now", "9999"},
		{"and further", `{"now": 9223372036854775808}`, "now", "is out of range: an integer is from -9223372036854775808 to 9223372036854775807"},
		{"text", `{"now": "2026-03-02T00:00:00Z"}`, "now", "string found, integer expected"},
		{"a point", `{"now": 1772370000000.5}`, "now", "integer expected"},
		{"an unknown field", `{"by": "PT1H"}`, "", "'by' is not defined"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got api.Problem
			if err := json.Unmarshal([]byte(s.must(t, 400, "POST", clock, s.admin, c.body).body), &got); err != nil || got.Field != c.field || !strings.Contains(got.Detail, c.says) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	s.must(t, 403, "GET", clock, s.client, "")
	s.must(t, 403, "POST", clock, s.client, `{"advance": "PT1H"}`)
	if s.engine.Now() != noon {
		t.Fatalf("stands at %d", s.engine.Now())
	}

	key := []string{"Idempotency-Key", "k"}
	s.open(t)
	s.asClient(t, 200, "PUT", "/farebox/v1/sessions/"+s.session, use(false, "render"))
	first := s.must(t, 200, "POST", clock, s.admin, `{"advance": "PT1H30M"}`, key...)
	if first.body != `{"now":1772371800000,"time":"2026-03-01T13:30:00Z","made":2}` {
		t.Errorf("advanced to %s", first.body)
	}
	again := s.must(t, 200, "POST", clock, s.admin, `{"advance": "PT1H30M"}`, key...)
	if again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" || s.engine.Now() != noon+5_400_000 {
		t.Errorf("replayed %v %s", again.header, again.body)
	}
	s.must(t, 422, "POST", clock, s.admin, `{"advance": "PT1H"}`, key...)
	if got := s.must(t, 200, "POST", clock, s.admin, `{"now": 1772371800000}`); !strings.Contains(got.body, `"made":0`) {
		t.Errorf("to where it stands: %s", got.body)
	}
	s.must(t, 200, "POST", clock, s.admin, `{"now": 253402300799998}`)
	for _, by := range []string{"PT1S", "P36525D"} {
		if got := s.must(t, 400, "POST", clock, s.admin, `{"advance": "`+by+`"}`); !strings.Contains(got.body, `"field":"advance"`) {
			t.Errorf("past the end of time: %s", got.body)
		}
	}
}

// TestConfigurationOfOneVersion shows that v1.0 neither takes nor shows what v1.1 alone has.
func TestConfigurationOfOneVersion(t *testing.T) {
	const path, period = "/dynamicmonetization/provisioning/api/v1.1/configuration", "session.charge.period"
	s := openShop(t)
	for value, status := range map[string]int{
		`"PT10M"`: 200, `"PT24H"`: 200, `"PT1H30M"`: 200, `"PT90M"`: 200, `"PT9M"`: 400, `"PT24H1M"`: 400, `"P1D"`: 400, `"PT3600S"`: 400, `"PT"`: 400,
		`""`: 400, `"1h"`: 400, `true`: 400, `3600`: 400, `null`: 400, `"PT99999999999999999999H"`: 400,
	} {
		s.must(t, status, "PATCH", path, s.admin, `{"name": "session.charge.period", "value": `+value+`}`)
	}
	if got := s.must(t, 200, "GET", path, s.admin, ""); !strings.Contains(got.body, period) {
		t.Errorf("v1.1 shows %s", got.body)
	}
	old := strings.Replace(path, "v1.1", "v1.0", 1)
	s.must(t, 400, "PATCH", old, s.admin, `{"name": "session.charge.period", "value": "PT1H"}`)
	if got := s.must(t, 200, "PATCH", old, s.admin, `{"name": "timezone.tolerant", "value": true}`); strings.Contains(got.body, period) {
		t.Errorf("v1.0 answers %s", got.body)
	}
	if got := s.must(t, 200, "GET", old, s.admin, ""); strings.Contains(got.body, period) {
		t.Errorf("v1.0 shows %s", got.body)
	}
}
