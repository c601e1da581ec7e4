package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// sessionSender lives through sessions, one after the other: open, ask, heartbeat, halt, close. Each call of Send is one of these.
type sessionSender struct {
	conn      *httpConn
	traffic   *traffic
	instances []Instance
	path      string
	common    string // headers
	step      int
	session   string
	requester int
	instance  *Instance
	items     [][]byte
	out       []byte
}

func newSessionSender(connection int, base *url.URL, token string, a *asking, instances []Instance) *sessionSender {
	return &sessionSender{
		conn: newHTTPConn(base), traffic: newTraffic(connection, len(instances)), instances: instances,
		items:  a.lists,
		path:   strings.TrimSuffix(base.Path, "/") + "/farebox/v1/sessions",
		common: fmt.Sprintf(" HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", base.Host, token),
	}
}

func (s *sessionSender) Send() (items int, err error) {
	steps := [...]func() (int, error){s.openSession, s.ask, s.heartbeat, s.halt, s.closeSession}
	if items, err = steps[s.step](); err != nil {
		s.step = 0 // what is left open lapses by itself
		return 0, err
	}
	s.step = (s.step + 1) % len(steps)
	return items, nil
}

func (s *sessionSender) openSession() (int, error) {
	s.instance, s.requester = &s.instances[s.traffic.instance()], s.traffic.requester()
	body, err := s.send("POST", "", `{"instanceId":"`+s.instance.ID+`"}`, `"sessionId":"`)
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(body, []byte(`"sessionId":"`))
	id, _, ok := bytes.Cut(rest, []byte(`"`))
	if s.session = string(id); !ok || s.session == "" {
		return 0, errors.New("no sessionId in the answer")
	}
	return 0, nil
}

func (s *sessionSender) ask() (int, error) {
	_, err := s.send("PUT", "/"+s.session, s.body(s.traffic.one(s.items)), `"code":"1101"`)
	return 1, err
}

func (s *sessionSender) heartbeat() (int, error) {
	_, err := s.send("GET", "/"+s.session+"/heartbeat", "", `"state":"ACTIVE"`)
	return 0, err
}

func (s *sessionSender) halt() (int, error) {
	_, err := s.send("PUT", "/"+s.session, s.body(nil), `"state":"IDLE"`)
	return 0, err
}

func (s *sessionSender) closeSession() (int, error) {
	_, err := s.send("DELETE", "/"+s.session, "", `Session closed`)
	return 0, err
}

func (s *sessionSender) body(items []byte) string {
	return fmt.Sprintf(`{"requester":{"type":"user","value":"user-%02d"},"rollbackOnDeny":true,"requestedItems":[%s]}`, s.requester, items)
}

func (s *sessionSender) send(method, path, body, want string) ([]byte, error) {
	out := append(append(append(append(s.out[:0], method...), ' '), s.path...), path...)
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
	case a.status != 200:
		return nil, fmt.Errorf("%s: status %d: %.300s", method, a.status, a.body)
	case !bytes.Contains(a.body, []byte(want)):
		return nil, fmt.Errorf("%s: not %s in the answer: %.300s", method, want, a.body)
	}
	return a.body, nil
}

func (s *sessionSender) Close() error { return s.conn.close() }
