package bench

import (
	"bufio"
	"strings"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		in, body string
		status   int
		close    bool
		wrong    string
	}{
		{in: ok + "Content-Length: 5\r\n\r\nhello", status: 200, body: "hello"},
		{in: ok + "content-length:5\r\nX: y\r\n\r\nhello", status: 200, body: "hello"},
		{in: ok + "Content-Length: 0\r\n\r\n", status: 200},
		{in: ok + "Content-Length: 5\n\nhello", status: 200, body: "hello"},
		{in: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n", status: 200, body: "hello"},
		{in: ok + "Content-Length: 99\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", status: 200, body: "hello"},
		{in: ok + "Transfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n5\r\nhello\r\n0\r\n\r\n", status: 200, body: "hello"},
		{in: ok + "Connection: close\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", close: true},
		{in: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", close: true},
		{in: "HTTP/1.1 204 No Content\r\n\r\n", status: 204},
		{in: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", status: 403, body: "no"},
		{in: "HTTP/1.1 502\r\nContent-Length: 2\r\n\r\nno", status: 502, body: "no"},
		{in: "", wrong: "closed without an answer"},
		{in: "HTTP/1.1 200 OK", wrong: "whole"},
		{in: "SSH-2.0-OpenSSH_9.2p1\r\n", wrong: "not an answer of HTTP/1.1"},
		{in: "HTTP/1.1 abc OK\r\n\r\n", wrong: "not an answer of HTTP/1.1"},
		{in: ok + "nonsense\r\n\r\n", wrong: "not a header"},
		{in: ok + "Content-Length: 5\r\n\r\nhel", wrong: "whole"},
		{in: ok + "Content-Length: -5\r\n\r\nhello", wrong: "Content-Length"},
		{in: ok + "Content-Length: 5 5\r\n\r\nhello", wrong: "Content-Length"},
		{in: ok + "Content-Length: 99999999999\r\n\r\nhello", wrong: "Content-Length"},
		{in: ok + "Transfer-Encoding: chunked\r\n\r\nfffffff\r\nhello\r\n0\r\n\r\n", wrong: "chunk"},
		{in: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", wrong: "chunk"},
		{in: ok + "Transfer-Encoding: chunked\r\n\r\nx\r\n", wrong: "chunk"},
		{in: ok + "X: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", wrong: "too long"},
	} {
		rest := "HTTP/1.1 299 next"
		if c.wrong != "" {
			rest = ""
		}
		in := bufio.NewReaderSize(strings.NewReader(c.in+rest), 16<<10)
		a, err := readAnswer(in, make([]byte, 0, 3))
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%.80q: error %v, not %q", c.in, err, c.wrong)
			}
			continue
		}
		if err != nil || a.status != c.status || string(a.body) != c.body || a.close != c.close {
			t.Errorf("%.80q: %d %q close %v, error %v", c.in, a.status, a.body, a.close, err)
		}
		if left, _ := in.Peek(len(rest)); string(left) != rest {
			t.Errorf("%.80q: %q is left of what follows", c.in, left)
		}
	}
}

// An answer of no known length ends with its connection.
func TestReadAnswerUntilTheEnd(t *testing.T) {
	a, err := readAnswer(bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\n\r\nhello")), nil)
	if err != nil || !a.close || string(a.body) != "hello" {
		t.Errorf("%q close %v, error %v", a.body, a.close, err)
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n")
	f.Add("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		a, err := readAnswer(bufio.NewReader(strings.NewReader(in)), nil)
		if err == nil && (a.status < 200 || a.status > 999 || len(a.body) > len(in)) {
			t.Errorf("%d with %d bytes out of %q", a.status, len(a.body), in)
		}
	})
}
