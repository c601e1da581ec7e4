package bench

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
)

// A sequence is what takes several requests, one after the other, and then begins anew. Each call of Send is one of them.
type sequence struct {
	conn      *httpConn
	traffic   *traffic
	instances []Instance
	base      string // of paths
	common    string // headers
	items     [][]byte
	steps     []step
	next      int
	out       []byte

	instance  *Instance // of this time
	requester int
	id        string // of what the first request made
	lease     string // as it was signed
}

// step sends a request and returns how many items it was asked for.
type step func(*sequence) (items int, err error)

func newSequence(connection int, base *url.URL, token string, a *asking, instances []Instance) *sequence {
	return &sequence{
		conn: newHTTPConn(base), traffic: newTraffic(connection, len(instances)), instances: instances, items: a.lists, steps: a.steps,
		base:   strings.TrimSuffix(base.Path, "/") + "/farebox/v1",
		common: fmt.Sprintf(" HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", base.Host, token),
	}
}

func (s *sequence) Send() (items int, err error) {
	if s.next == 0 {
		s.instance, s.requester = &s.instances[s.traffic.instance()], s.traffic.requester()
	}
	if items, err = s.steps[s.next](s); err != nil {
		s.next = 0 // what is left open lapses by itself
		return 0, err
	}
	s.next = (s.next + 1) % len(s.steps)
	return items, nil
}

func (s *sequence) Close() error { return s.conn.close() }

// call sends a request and returns the answer, which has status 200 or 201, and what is wanted in it.
func (s *sequence) call(method, path, body, want string) ([]byte, error) {
	out := append(append(append(append(s.out[:0], method...), ' '), s.base...), path...)
	out = append(out, s.common...)
	if method != "GET" {
		out = append(s.traffic.appendOrderedKey(append(out, "Idempotency-Key: "...)), "\r\n"...)
	}
	if body != "" {
		out = fmt.Appendf(out, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	out = append(append(out, "\r\n"...), body...)
	s.out = out
	a, err := s.conn.roundTrip(out)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", method, err)
	case a.status != 200 && a.status != 201:
		return nil, fmt.Errorf("%s: status %d: %.300s", method, a.status, a.body)
	case !bytes.Contains(a.body, []byte(want)):
		return nil, fmt.Errorf("%s: not %s in the answer: %.300s", method, want, a.body)
	}
	return a.body, nil
}

// member returns a string of an answer.
func member(answer []byte, name string) (string, error) {
	_, rest, _ := bytes.Cut(answer, []byte(`"`+name+`":"`))
	text, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok || len(text) == 0 {
		return "", fmt.Errorf("no %s in the answer: %.300s", name, answer)
	}
	return string(text), nil
}
