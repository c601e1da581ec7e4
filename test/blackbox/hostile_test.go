package blackbox

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const mebibyte = 1 << 20

// Whatever comes in over the port, it gets a 4xx, and the process goes on.
func TestHostileHTTP(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "L", 1_000, "")
	h := &hostile{server: s, token: admin.token, path: accessPath("v1.1", instance)}
	conditions, tables := "/dynamicmonetization/api/v1.1/instances/"+instance+"/conditions", provisioning+"/rate-tables"
	for name, c := range map[string]struct {
		request string
		want    []int
	}{
		"a huge header":                 {h.head("GET", "/healthz", "X-Huge: "+strings.Repeat("x", 200_000)), []int{431}},
		"many headers":                  {h.head("GET", "/healthz", strings.Repeat("X-Many: x\r\n", 20_000)+"X: x"), []int{431}},
		"a huge token":                  {h.head("GET", instances, "Authorization: Bearer "+strings.Repeat("x.", 30_000)), []int{401}},
		"a huge path":                   {h.head("GET", "/"+strings.Repeat("x", 30_000), "X: x"), []int{404}},
		"a body over the bound":         {h.sized(mebibyte + 1), []int{413}},
		"a chunked body over the bound": {h.chunked(mebibyte + 1), []int{413}},
		"a body at the bound":           {h.sized(mebibyte), []int{400}},
		"a chunked body at the bound":   {h.chunked(mebibyte), []int{400}},
		"two lengths":                   {h.post("Content-Length: 2\r\nContent-Length: 3", "{}"), []int{400}},
		"a negative length":             {h.post("Content-Length: -2", "{}"), []int{400}},
		"a length and chunks":           {h.post("Content-Length: 2\r\nTransfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n"), []int{400}},
		"a broken chunk":                {h.post("Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n"), []int{400}},
		"another encoding":              {h.post("Transfer-Encoding: gzip", "{}"), []int{501}},
		"no HTTP":                       {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", []int{400}},
		"HTTP of the future":            {"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", []int{505}},
		"a path with control letters":   {"GET /\x01\x02 HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
		"no host":                       {"GET /healthz HTTP/1.1\r\n\r\n", []int{400}},
		"an unknown method":             {h.head("NONSENSE", "/healthz", "X: x"), []int{405}},
		"a star":                        {h.head("OPTIONS", "*", "X: x"), []int{200, 400, 404, 405}},
		"a way out of the folder":       {h.head("GET", "/docs/../../etc/passwd", "X: x"), []int{307, 301, 404}},
		"an encoded way out":            {h.head("GET", "/docs/%2e%2e%2f%2e%2e%2fetc/passwd", "X: x"), []int{307, 301, 404}},
		"a slash in an id":              {h.head("GET", instances+"/%2f%2e%2e", h.auth()), []int{404}},
		"a NUL in an id":                {h.head("GET", instances+"/%00", h.auth()), []int{404}},
		"not UTF-8 in an id":            {h.head("GET", instances+"/%ff%fe", h.auth()), []int{400}},
		"no JSON":                       {h.whole("hello"), []int{400}},
		"nothing":                       {h.whole(""), []int{400}},
		"an array":                      {h.whole("[]"), []int{400}},
		"null":                          {h.whole("null"), []int{400}},
		"deep nesting":                  {h.whole(strings.Repeat("[", 500_000)), []int{400}},
		"deep metadata":                 {h.whole(withMetaData(strings.Repeat(`{"a":`, 7_000) + "1" + strings.Repeat("}", 7_000))), []int{400}},
		"not UTF-8":                     {h.whole("{\"requester\":{\"type\":\"\xff\",\"value\":\"x\"}}"), []int{400}},
		"a huge number":                 {h.whole(ask("unit", "", "1"+strings.Repeat("0", 500_000))), []int{400}},
		"a huge exponent":               {h.whole(ask("unit", "", "1e999999999")), []int{400}},
		"a compressed body":             {h.post("Content-Encoding: gzip\r\nContent-Length: 4", "\x1f\x8b\x08\x00"), []int{400, 415}},
		"a compressed charge":           {h.post(compressed(ask("unit", "", "1"))), []int{400}},
		"a compressed bomb":             {h.post(compressed(strings.Repeat(" ", 100*mebibyte) + ask("unit", "", "1"))), []int{400}},
		"many parameters":               {h.head("GET", "/farebox/v1/usage/events?"+strings.Repeat("x=1&", 15_000), h.auth()), []int{400}},
		"one parameter many times":      {h.head("GET", "/farebox/v1/usage?"+strings.Repeat("groupBy=item&", 4_000), h.auth()), []int{400}},
		"many instances":                {h.head("GET", "/farebox/v1/usage?"+strings.Repeat("instanceId=x&", 4_000), h.auth()), []int{200, 400}},
		"many parameters in one":        {h.head("GET", "/farebox/v1/usage?groupBy="+strings.Repeat("item,", 10_000), h.auth()), []int{400}},
		"deep conditions":               {h.to("POST", conditions, strings.Repeat(`{"conditions":[`, 3_000)+strings.Repeat(`]}`, 3_000)), []int{400}},
		"deep brackets in a formula":    {h.to("POST", tables, withFormula(strings.Repeat("(", 400_000)+"1"+strings.Repeat(")", 400_000))), []int{400}},
		"a formula of towers":           {h.to("POST", tables, withFormula("2"+strings.Repeat("^9", 100_000))), []int{400}},
		"many items of nothing":         {h.to("POST", tables, `{"items":[`+strings.Repeat(`{},`, 300_000)+`{}]}`), []int{400}},
		"deep nesting in prices":        {h.to("POST", tables, `{"items":`+strings.Repeat("[", 500_000)), []int{400}},
		"a body without a length":       {h.post("Connection: close", ask("unit", "", "1")), []int{400}},
		"a body on a GET":               {h.head("GET", "/healthz", "Content-Length: 4") + "\x00\x01\x02\x03", []int{200}},
		"a key that is not printable":   {h.post("Idempotency-Key: a\x80b\r\nContent-Length: 2", "{}"), []int{400}},
		"a form": {h.post("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 11",
			"count=1&x=y"), []int{400}},
	} {
		t.Run(name, func(t *testing.T) {
			status, _ := h.send(t, c.request)
			if !slices.Contains(c.want, status) {
				t.Errorf("answered with %d, not %v", status, c.want)
			}
		})
	}
	if used := admin.used(t, instance, "L"); used.Sign() != 0 {
		t.Errorf("%s tokens were charged", used.RatString())
	}
	h.expectHealth(t)
}

// compressed returns the headers of a compressed body, and it.
func compressed(body string) (headers, packed string) {
	var to bytes.Buffer
	w := gzip.NewWriter(&to)
	_, err := io.WriteString(w, body)
	if err := errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d", to.Len()), to.String()
}

func withFormula(text string) string {
	return `{"series":"bomb","version":"1","items":[{"name":"x","formula":"` + text + `"}]}`
}

func withMetaData(value string) string {
	return `{"requester":{"type":"u","value":"v"},"requestedItems":[{"item":"unit","version":"","count":1,"metaData":` + value + `}]}`
}

type hostile struct {
	*server
	token, path string
}

func (h *hostile) auth() string { return "Authorization: Bearer " + h.token }

func (h *hostile) head(method, path, headers string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", method, path, headers)
}

func (h *hostile) post(headers, body string) string {
	return h.head("POST", h.path, h.auth()+"\r\n"+headers) + body
}

func (h *hostile) whole(body string) string {
	return h.post(fmt.Sprintf("Content-Length: %d", len(body)), body)
}

func (h *hostile) to(method, path, body string) string {
	return h.head(method, path, fmt.Sprintf("%s\r\nContent-Length: %d", h.auth(), len(body))) + body
}

func (h *hostile) sized(bytes int) string { return h.whole(strings.Repeat(" ", bytes)) }

func (h *hostile) chunked(bytes int) string {
	const size = 64 << 10
	var body strings.Builder
	for ; bytes > 0; bytes -= size {
		n := min(size, bytes)
		fmt.Fprintf(&body, "%x\r\n%s\r\n", n, strings.Repeat(" ", n))
	}
	return h.post("Transfer-Encoding: chunked", body.String()+"0\r\n\r\n")
}

// send writes raw bytes and reads one answer. The server may answer, and hang up, before it has read all of them; then the
// answer can get lost on its way, and is asked for again.
func (h *hostile) send(t testing.TB, request string) (status int, header http.Header) {
	t.Helper()
	for try := 1; ; try++ {
		conn := h.dial(t)
		go func() { _, _ = io.Copy(conn, strings.NewReader(request)) }()
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			_ = response.Body.Close()
			return response.StatusCode, response.Header
		}
		if try == 3 {
			t.Fatalf("no answer: %v", err)
		}
	}
}

func (h *hostile) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience / 2)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func (h *hostile) expectHealth(t testing.TB) {
	t.Helper()
	if status, _ := h.send(t, h.head("GET", "/healthz", "Connection: close")); status != 200 {
		t.Errorf("/healthz is answered with %d", status)
	}
}

// The answer to what is wrong with one request of a pipeline does not reach the next.
func TestPipelinedGarbage(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	h := &hostile{server: s}
	conn := h.dial(t)
	healthy := h.head("GET", "/healthz", "X: x")
	if _, err := io.WriteString(conn, healthy+healthy+"\x00garbage\r\n\r\n"+healthy); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for i, want := range []int{200, 200, 400} {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(i, err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != want {
			t.Errorf("answer %d is %d %v, not %d", i, response.StatusCode, err, want)
		}
	}
	if rest, err := io.ReadAll(in); len(rest) > 0 {
		t.Errorf("more is answered: %q %v", rest, err)
	}
	h.expectHealth(t)
}

// A hundred clients that never finish what they have begun keep nobody else from being served.
func TestSlowClients(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "L", 1_000, "")
	h := &hostile{server: s, token: admin.token, path: accessPath("v1.1", instance)}
	for i := range 100 {
		conn := h.dial(t)
		begun := []string{"", "GET /hea", h.post("Content-Length: 1000", `{"requester"`), h.post("Transfer-Encoding: chunked", "fff\r\n{")}[i%4]
		if _, err := io.WriteString(conn, begun); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if code := admin.charge(t, instance, "unit", "", "1"); code != "1101" {
			t.Fatalf("a charge is answered with %s", code)
		}
	}
	h.expectHealth(t)
}

func TestWrongMethods(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	h := &hostile{server: s}
	for path, want := range map[string]string{
		"/healthz":                                    "GET",
		"/farebox/v1/usage/events":                    "GET",
		accessPath("v1.0", "x"):                       "POST",
		instances:                                     "GET, POST",
		instances + "/x/line-items":                   "GET, PUT",
		instances + "/x/line-items/y":                 "DELETE, GET",
		provisioning + "/rate-tables":                 "DELETE, GET, POST",
		provisioning + "/configuration":               "GET, PATCH",
		"/dynamicmonetization/api/v1.0/client-keys/k": "DELETE",
	} {
		for _, method := range []string{"TRACE", "NONSENSE"} {
			status, header := h.send(t, h.head(method, path, "X: x"))
			if status != 405 || header.Get("Allow") != want {
				t.Errorf("%s %s: %d, Allow: %q, not %q", method, path, status, header.Get("Allow"), want)
			}
		}
	}
}
