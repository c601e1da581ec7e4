package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/client"
)

// script answers calls in turn, the last answer again and again.
type script struct {
	answers []func() (*http.Response, error)
	asked   []asked
}

type asked struct {
	at                     time.Time
	key, body, bearer, all string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	s.asked = append(s.asked, asked{time.Now(), r.Header.Get("Idempotency-Key"), string(body), r.Header.Get("Authorization"), r.Method + r.URL.String() + string(body)})
	return s.answers[min(len(s.asked), len(s.answers))-1]()
}

func answer(status int, body string, header ...string) func() (*http.Response, error) {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return func() (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func fails() (*http.Response, error) { return nil, errors.New("connection reset") }

// breaks is an answer whose body does not come to its end.
func breaks() (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader(`{"corr`), &broken{}))}, nil
}

type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// scripted runs a call against a script, in simulated time.
func scripted(t *testing.T, tokens client.TokenSource, do func(*client.Client) error, answers ...func() (*http.Response, error)) (s *script, err error) {
	synctest.Test(t, func(t *testing.T) {
		s = &script{answers: answers}
		c, wrong := client.New("http://farebox/", tokens, client.Options{HTTP: &http.Client{Transport: s}})
		if wrong != nil {
			t.Fatal(wrong)
		}
		err = do(c)
	})
	return s, err
}

const charged = `{"correlationId":"c","requestedItems":[{"item":"work","status":{"code":"1101"}}]}`

func charge(c *client.Client) error {
	_, err := c.Charge(context.Background(), "i", ann, []client.Item{{Name: "work", Variables: nil, MetaData: map[string]any{"a": 1, "b": 2, "c": 3}}})
	return err
}

func TestRetriesAreTheSameRequest(t *testing.T) {
	s, err := scripted(t, nil, charge, fails, breaks, answer(503, ""), answer(429, ""), answer(500, `{"message":"oh"}`), answer(200, charged))
	if err != nil || len(s.asked) != 6 {
		t.Fatal(err, s.asked)
	}
	for i, a := range s.asked {
		if a.key == "" || a.key != s.asked[0].key || a.all != s.asked[0].all {
			t.Errorf("try %d was another request: %v", i, a)
		}
		if i == 0 {
			continue
		}
		if pause := a.at.Sub(s.asked[i-1].at); pause < 50*time.Millisecond<<(i-1) || pause > 100*time.Millisecond<<(i-1) {
			t.Errorf("try %d came after %v", i, pause)
		}
	}
}

func TestRetriesEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(*client.Client) error
		with  func() (*http.Response, error)
		tries int
	}{
		{"an error that stays", charge, fails, 6},
		{"what the caller has to change", charge, answer(400, `{"message":"requestedItems[0].count: must be more than 0"}`), 1},
		{"a key that was used", charge, answer(422, `{"message":"used"}`), 1},
		{"who stands between", charge, answer(502, `<html>`), 6},
		{"a redirect is no answer", charge, answer(302, ``, "Location", "http://elsewhere/"), 1},
		{"what cannot be repeated", func(c *client.Client) error { _, err := c.TestWebhook(context.Background(), "w"); return err }, fails, 1},
		{"reading can", func(c *client.Client) error { _, err := c.Balance(context.Background(), "i"); return err }, fails, 6},
		{"bulks can: lines have keys", func(c *client.Client) error {
			_, err := c.ChargeInBulk(context.Background(), []api.BulkCharge{{InstanceID: "i"}})
			return err
		}, fails, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := scripted(t, nil, c.do, c.with)
			if err == nil || len(s.asked) != c.tries {
				t.Errorf("%d tries, then %v", len(s.asked), err)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	s, err := scripted(t, nil, charge, answer(503, "", "Retry-After", "4"), answer(503, "", "Retry-After", "100000"), answer(200, charged))
	if err != nil {
		t.Fatal(err)
	}
	if first, second := s.asked[1].at.Sub(s.asked[0].at), s.asked[2].at.Sub(s.asked[1].at); first < 4*time.Second || first > 5*time.Second || second != 10*time.Second {
		t.Errorf("waited %v and %v", first, second)
	}
}

func TestRetriesEndWithTheCaller(t *testing.T) {
	_, err := scripted(t, nil, func(c *client.Client) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := c.Balance(ctx, "i")
		return err
	}, answer(503, `{"message":"busy"}`, "Retry-After", "8"))
	if !errors.Is(err, context.DeadlineExceeded) || client.StatusOf(err) != 503 {
		t.Error(err)
	}
}

func TestTokens(t *testing.T) {
	t.Run("one is kept until a minute before it expires", func(t *testing.T) {
		got := 0
		s, err := scripted(t, client.Refreshing(func(context.Context) (string, time.Time, error) {
			got++
			return strings.Repeat("t", got), time.Now().Add(10 * time.Minute), nil
		}), func(c *client.Client) error {
			for range 4 {
				if err := charge(c); err != nil {
					return err
				}
				time.Sleep(4 * time.Minute)
			}
			return nil
		}, answer(200, charged))
		if err != nil || got != 2 || s.asked[2].bearer != "Bearer t" || s.asked[3].bearer != "Bearer tt" {
			t.Error(err, got, s.asked)
		}
	})
	t.Run("one that is refused is got anew, once", func(t *testing.T) {
		got := 0
		source := client.Refreshing(func(context.Context) (string, time.Time, error) {
			got++
			return "t", time.Now().Add(time.Hour), nil
		})
		s, err := scripted(t, source, charge, answer(401, `{"message":"expired"}`), answer(200, charged))
		if err != nil || got != 2 || s.asked[0].key != s.asked[1].key {
			t.Error(err, got)
		}
		s, err = scripted(t, source, charge, answer(401, `{"message":"expired"}`))
		if client.StatusOf(err) != 401 || len(s.asked) != 2 {
			t.Error(err, len(s.asked))
		}
		s, err = scripted(t, client.Static("t"), charge, answer(401, ``))
		if client.StatusOf(err) != 401 || len(s.asked) != 1 {
			t.Error(err, len(s.asked))
		}
	})
	t.Run("without one nothing is asked", func(t *testing.T) {
		down := errors.New("down")
		s, err := scripted(t, client.Refreshing(func(context.Context) (string, time.Time, error) { return "", time.Time{}, down }), charge, fails)
		if !errors.Is(err, down) || len(s.asked) != 0 {
			t.Error(err, len(s.asked))
		}
	})
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status              int
		body, field, detail string
	}{
		{400, `{"message":"requestedItems[0].count: must be more than 0"}`, "requestedItems[0].count", "must be more than 0"},
		{400, `{"message":["quantity is required","end is required"]}`, "", "quantity is required; end is required"},
		{409, `{"error":"there is one: it was saved"}`, "", "there is one: it was saved"},
		{400, `{"type":"about:blank","title":"Bad Request","status":400,"detail":"is required","field":"ttl"}`, "ttl", "is required"},
		{404, "<h1>Not here</h1>", "", "<h1>Not here</h1>"},
		{404, "", "", ""},
	} {
		_, err := scripted(t, nil, charge, answer(c.status, c.body))
		r, is := errors.AsType[*client.Refusal](err)
		if !is || r.Status != c.status || r.Field != c.field || r.Detail != c.detail {
			t.Errorf("%s: got %#v", c.body, err)
		}
	}
}

func TestDenials(t *testing.T) {
	_, err := scripted(t, nil, charge, answer(200,
		`{"correlationId":"c","requestedItems":[{"item":"a","status":{"code":"1102"}},{"item":"b","status":{"code":"1306","description":"Insufficient"}}]}`))
	d, is := errors.AsType[*client.Denied](err)
	if !is || d.Code != client.Insufficient || d.Item != "b" || len(d.Items) != 2 || d.CorrelationID != "c" || client.StatusOf(err) != 0 {
		t.Errorf("got %#v", err)
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	for _, address := range []string{"", "farebox:8080", "localhost", "ftp://x", "http://x?y", "http://x#y", "http://\x00"} {
		if _, err := client.New(address, nil, client.Options{}); err == nil {
			t.Errorf("%q was taken for an address", address)
		}
	}
}

func TestExportThatBreaksOff(t *testing.T) {
	_, err := scripted(t, nil, func(c *client.Client) error {
		_, err := c.ExportEvents(context.Background(), new(bytes.Buffer), "csv", client.EventFilter{})
		return err
	}, answer(200, "a,b\n"))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}
