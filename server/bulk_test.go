package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
)

const bulkPath = "/farebox/v1/access-requests"

// inLines goes through what a bulk is answered as a whole, which has no place in what other operations have in common: its lines have
// their own keys and statuses.
func (s *shop) inLines(t *testing.T, p place) {
	t.Helper()
	body := s.body(p)
	s.must(t, http.StatusUnauthorized, p.method, p.path, "", body)
	s.must(t, http.StatusBadRequest, p.method, p.path+"?a=%zz", s.admin, body)
	s.must(t, http.StatusBadRequest, p.method, p.path, s.admin, body, "Idempotency-Key", "of the whole")
	req := httptest.NewRequest(p.method, p.path, strings.NewReader(body))
	req.ContentLength = bulkMost + 1
	if got := s.send(t, s.server, req, s.admin, body); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a bulk that is too large was answered %d", got.status)
	}
	for range bulksMost {
		s.server.bulks <- struct{}{}
	}
	s.must(t, http.StatusServiceUnavailable, p.method, p.path, s.admin, body)
	for range bulksMost {
		<-s.server.bulks
	}
	first := s.must(t, http.StatusOK, p.method, p.path, s.client, body)
	again := s.must(t, http.StatusOK, p.method, p.path, s.admin, body)
	if !strings.Contains(first.body, `"1101"`) || again.body != strings.Replace(first.body, `200,`, `200,"replayed":true,`, 1) {
		t.Errorf("answered %s, and again %s", first.body, again.body)
	}
}

// bulkShop is a shop with 100,000 tokens for an instance, where render costs some.
func bulkShop(t *testing.T) *shop {
	s := openShop(t)
	table := `{"series": "2026", "version": "1", "effectiveFrom": 0, "items": [{"name": "render", "rate": 1}]}`
	s.must(t, 201, "POST", "/dynamicmonetization/provisioning/api/v1.1/rate-tables", s.admin, table)
	s.open(t)
	s.change(t, func(tx *engine.Change) error { return tx.DeleteLimit(s.instance, exampleLineItem) })
	return s
}

func (s *shop) bulkLine(instance, key string) string {
	return fmt.Sprintf(`{"instanceId": %q, "idempotencyKey": %q, "requester": {"type": "user", "value": "ann"}, "requestedItems": [{"item": "render", "count": 1}]}`, instance, key)
}

func (s *shop) bulk(t *testing.T, token, body string) []api.BulkAnswer {
	t.Helper()
	return readBulk(t, s.must(t, 200, "POST", bulkPath, token, body).body)
}

func readBulk(t *testing.T, body string) (all []api.BulkAnswer) {
	t.Helper()
	for text := range strings.Lines(body) {
		var line api.BulkAnswer
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		all = append(all, line)
	}
	return all
}

// used returns what of the examples' line item is used.
func (s *shop) used(t *testing.T) string {
	t.Helper()
	var used string
	err := s.engine.View(t.Context(), func(r store.Reader) error {
		l, err := r.LineItem(exampleLineItem)
		used = l.Used.String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}

// TestBadLinesOfABulk: each is refused alone, with its number, and nothing else is lost.
func TestBadLinesOfABulk(t *testing.T) {
	s := bulkShop(t)
	good := func(key string) string { return s.bulkLine(s.instance, key) }
	for _, c := range []struct {
		name, line string
		status     int64
		says       string
	}{
		{"good", good("a"), 200, ""},
		{"the same again", good("a"), 200, ""},
		{"the same key, another request", strings.Replace(good("a"), "ann", "ben", 1), 422, `idempotencyKey "a" was used before`},
		{"no JSON", `{"instanceId": `, 400, "not valid JSON"},
		{"two objects", good("b") + good("c"), 400, "not valid JSON"},
		{"an unknown field", strings.Replace(good("d"), "{", `{"colour": 1, `, 1), 400, "colour"},
		{"not an object", `[]`, 400, "object expected"},
		{"no instance", strings.Replace(good("e"), `"instanceId": "`+s.instance+`", `, "", 1), 400, "instanceId"},
		{"no key", strings.Replace(good("e"), `"idempotencyKey": "e", `, "", 1), 400, "idempotencyKey"},
		{"a key of the wrong letters", good("é"), 400, "printable ASCII"},
		{"a key that is too long", good(strings.Repeat("k", 256)), 400, "255"},
		{"no items", strings.Replace(good("f"), `{"item": "render", "count": 1}`, "", 1), 400, "requestedItems"},
		{"a count of nothing", strings.Replace(good("g"), `"count": 1`, `"count": 0`, 1), 400, "requestedItems[0].count"},
		{"an instance that there is not", s.bulkLine("nobody", "h"), 404, "nobody"},
		{"a line that is too long", strings.Replace(good("i"), "ann", strings.Repeat("x", bodyMost), 1), 413, "the line is larger than 1048576"},
		{"not UTF-8", strings.Replace(good("j"), "ann", "\xff", 1), 400, "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.used(t)
			got := s.bulk(t, s.admin, good(c.name+" before")+"\n"+c.line+"\r\n"+good(c.name+" after"))
			if len(got) != 3 || got[0].Status != 200 || got[2].Status != 200 || got[2].Line != 3 {
				t.Fatalf("the lines around it were answered %+v", got)
			}
			if got[1].Status != c.status || got[1].Line != 2 {
				t.Errorf("answered %+v", got[1])
			}
			if p := got[1].Problem; c.status != 200 && !strings.Contains(p.Field+" "+p.Detail, c.says) {
				t.Errorf("told %+v, which does not say %q", p, c.says)
			}
			if got[1].Replayed != (c.name == "the same again") {
				t.Errorf("replayed: %t", got[1].Replayed)
			}
			want := map[bool]int{true: 3, false: 2}[c.name == "good"]
			if after := s.used(t); after != fmt.Sprint(atoi(t, before)+want) {
				t.Errorf("%s were used before, and %s after", before, after)
			}
		})
	}
}

func atoi(t *testing.T, text string) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestBulkOfDuplicates: the first is charged, and all others are replays of it, in whatever portion they are.
func TestBulkOfDuplicates(t *testing.T) {
	s := bulkShop(t)
	got := s.bulk(t, s.client, strings.Repeat(s.bulkLine(s.instance, "same")+"\n", 2500))
	if len(got) != 2500 {
		t.Fatalf("%d lines were answered", len(got))
	}
	for i, line := range got {
		if line.Status != 200 || line.Replayed != (i > 0) || line.Line != int64(i+1) || line.Answer.CorrelationID != got[0].Answer.CorrelationID {
			t.Fatalf("answered %+v", line)
		}
	}
	if used := s.used(t); used != "1" {
		t.Errorf("%s tokens are used", used)
	}
}

// TestBulkOfOthers: a client's lines of instances that are not its own are refused, and tell nothing.
func TestBulkOfOthers(t *testing.T) {
	s := bulkShop(t)
	got := s.bulk(t, s.stranger, s.bulkLine(s.instance, "a")+"\n"+s.bulkLine("nobody", "b")+"\n"+s.bulkLine(s.other, "c"))
	if got[0].Status != 403 || got[1].Status != 403 || got[0].Problem.Detail != got[1].Problem.Detail || got[2].Status != 200 {
		t.Errorf("answered %+v %+v %+v", got[0], got[1], got[2])
	}
	if used := s.used(t); used != "0" {
		t.Errorf("a stranger used %s", used)
	}
}

// TestBulkThatIsTooLong: what is within the bounds is done, and a last line tells where it ended. Empty lines are no requests.
func TestBulkThatIsTooLong(t *testing.T) {
	s := bulkShop(t)
	var body strings.Builder
	for i := range bulkLinesMost + 5 {
		body.WriteString(s.bulkLine(s.instance, fmt.Sprint(i)) + "\n")
		if i == 7 {
			body.WriteString("\n  \n")
		}
	}
	got := s.bulk(t, s.client, body.String())
	last := got[len(got)-1]
	if len(got) != bulkLinesMost+1 || last.Status != 413 || last.Line != bulkLinesMost+3 || got[8].Line != 11 {
		t.Errorf("%d lines were answered, the last %+v, the ninth %+v", len(got), last, got[8])
	}
	if used := s.used(t); used != fmt.Sprint(bulkLinesMost) {
		t.Errorf("%s tokens are used", used)
	}
	large := s.bulkLine(s.instance, "first") + "\n" + strings.Repeat(strings.Repeat(" ", 1<<19)+"\n", 65) + s.bulkLine(s.instance, "never")
	req := httptest.NewRequest("POST", bulkPath, strings.NewReader(large))
	req.ContentLength = -1
	got = readBulk(t, s.send(t, s.server, req, s.client, large).body)
	if len(got) != 2 || got[0].Status != 200 || got[1].Status != 413 {
		t.Errorf("answered %+v", got)
	}
}

// TestBulkStreams: a portion is answered while more lines are to come; and when the connection is cut, what came whole is charged, once.
func TestBulkStreams(t *testing.T) {
	s := bulkShop(t)
	ts := httptest.NewServer(s.server)
	defer ts.Close()
	conn, err := net.Dial("tcp", ts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n", bulkPath, s.client)
	chunk := func(text string) { fmt.Fprintf(conn, "%x\r\n%s\r\n", len(text), text) }
	var portion strings.Builder
	for i := range 1000 {
		portion.WriteString(s.bulkLine(s.instance, fmt.Sprint("streamed ", i)) + "\n")
	}
	chunk(portion.String())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(resp.Body)
	for i := range 1000 {
		if !answers.Scan() || !strings.Contains(answers.Text(), `"1101"`) {
			t.Fatalf("line %d was answered %s, %v", i+1, answers.Text(), answers.Err())
		}
	}
	half := s.bulkLine(s.instance, "in half")
	chunk(s.bulkLine(s.instance, "whole") + "\n" + half[:len(half)/2])
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(resp.Body) // until the server has done what came
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Log(err)
	}
	if !bytes.Contains(rest, []byte(`"line":1001,"status":200`)) || !bytes.Contains(rest, []byte(`"line":1002,"status":400`)) {
		t.Errorf("the last lines were answered %s", rest)
	}
	if used := s.used(t); used != "1001" {
		t.Errorf("%s tokens are used", used)
	}
}

// TestBulkThatNobodyReads: a caller that sends all before it reads does not stand still, and one that reads nothing loses nothing.
func TestBulkThatNobodyReads(t *testing.T) {
	s := bulkShop(t)
	var body bytes.Buffer
	for i := range bulkLinesMost {
		line := s.bulkLine(s.instance, fmt.Sprint(i))
		body.WriteString(strings.Replace(line, `"count": 1`, `"count": 1, "metaData": {"note": "`+strings.Repeat("x", 1000)+`"}`, 1) + "\n")
	}
	ts := httptest.NewServer(s.server)
	defer ts.Close()
	conn, err := net.Dial("tcp", ts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", bulkPath, s.client, body.Len())
	if _, err := conn.Write(body.Bytes()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(answer, []byte("\n")); n != bulkLinesMost {
		t.Errorf("%d lines were answered", n)
	}
	if used := s.used(t); used != fmt.Sprint(bulkLinesMost) {
		t.Errorf("%s tokens are used", used)
	}
}
