package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/farebox/farebox/client"
	"github.com/farebox/farebox/test/shop"
)

// world is a gateway before a stub of a model, with a Farebox of its own that has 1000 tokens: one for each token of the model.
type world struct {
	testing.TB
	*model
	url      string
	admin    *client.Client
	instance string
	gateway  *gateway
	done     chan struct{} // a request was answered
}

func newWorld(t testing.TB) *world {
	t.Helper()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	books, err := shop.Open(t.TempDir())
	must(t, err)
	farebox := httptest.NewServer(books)
	w := &world{TB: t, model: &model{}, done: make(chan struct{}, 100)}
	upstream := httptest.NewUnstartedServer(w.model)
	upstream.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	upstream.Start()
	adminTokens, err := client.Admin(books.Pair.PrivatePEM, "")
	must(t, err)
	w.admin, err = client.New(farebox.URL, adminTokens, client.Options{})
	must(t, err)
	w.instance = furnish(t, w.admin, 1000)
	tokens, err := client.ForInstances(books.Pair.PrivatePEM, "", w.instance)
	must(t, err)
	c, err := client.New(farebox.URL, tokens, client.Options{})
	must(t, err)
	j, err := openJournal(filepath.Join(t.TempDir(), "journal"))
	must(t, err)
	w.gateway = &gateway{client: c, journal: j, upstream: upstream.URL, customers: map[string]customer{"key": {w.instance, "ann"}}, http: upstream.Client()}
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer func() { w.done <- struct{}{} }()
		w.gateway.ServeHTTP(rw, r)
	}))
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	w.url = front.URL
	t.Cleanup(func() {
		front.Close()
		upstream.Close()
		farebox.Close()
		must(t, j.close())
		must(t, books.Close())
	})
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// furnish has the model m cost a token for each of its tokens.
func furnish(t testing.TB, admin *client.Client, tokens int64) string {
	t.Helper()
	instance, err := shop.Furnish(t.Context(), admin, tokens, map[string]string{"input@m": "1", "output@m": "1"})
	must(t, err)
	return instance
}

// ask sends a chat completion, and returns its status and all that came.
func ask(ctx context.Context, url, id, body string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", url+completions, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer key")
	r.Header.Set("X-Request-Id", id)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func say(n int, more string) string {
	return fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"say %d"}]%s}`, n, more)
}

// stands expects what is used and held.
func (w *world) stands(used, held string) {
	w.Helper()
	b, err := w.admin.Balance(context.Background(), w.instance)
	must(w, err)
	if l := b.LineItems[0]; l.Used.String() != used || l.Held.String() != held {
		w.Errorf("used %s and held %s, want %s and %s", l.Used, l.Held, used, held)
	}
}

func TestGateway(t *testing.T) {
	const streamed = `,"stream":true`
	for _, c := range []struct {
		name   string
		model  func(*model)
		body   string
		status int
		has    string
		lacks  string
		used   string
	}{
		{"an answer", nil, say(7, ""), 200, "tok ", "", "12"}, // a prompt of 5 bytes is 5 tokens to the stub
		{"a stream", nil, say(7, streamed), 200, "data: [DONE]\n\n", "usage", "12"},
		{"a stream with its usage", nil, say(7, streamed+`,"stream_options":{"include_usage":true}`), 200, `"usage"`, "", "12"},
		{"an answer without usage is counted", func(m *model) { m.silent = true }, say(7, ""), 200, "tok ", "", "16"}, // the prompt of 35 bytes by its size
		{"a stream without usage is counted", func(m *model) { m.silent = true }, say(7, streamed), 200, "[DONE]", "", "16"},
		{"an error costs nothing", func(m *model) { m.status = 429 }, say(7, streamed), 429, `"no"`, "", "0"},
		{"a stream that breaks off: what was passed on", func(m *model) { m.cutAt = 3 }, say(7, streamed), 200, "tok ", "[DONE]", "12"},
		{"an answer of nothing", nil, say(0, streamed), 200, "[DONE]", "", "5"},
		{"more than there is", nil, say(7, `,"max_tokens":995`), 402, "insufficient_quota", "", "0"},
		{"a bound of its own", nil, say(7, `,"max_completion_tokens":900,"max_tokens":5000`), 200, "tok ", "", "12"},
		{"no JSON", nil, "{", 400, "invalid_request_error", "", "0"},
		{"no model", nil, `{"messages":[]}`, 400, "required", "", "0"},
		{"a bound that is none", nil, say(7, `,"max_tokens":0`), 400, "max_tokens must be from 1 to", "", "0"},
		{"choices that are too many", nil, say(7, `,"n":129`), 400, "n must be from 1 to 128", "", "0"},
		{"a model that has no price", nil, `{"model":"other","messages":[1]}`, 404, `"model_not_found"`, "", "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.gateway.usualMost = 100
			if c.model != nil {
				c.model(w.model)
			}
			status, text, _ := ask(t.Context(), w.url, "1", c.body)
			<-w.done
			if status != c.status || !strings.Contains(text, c.has) || c.lacks != "" && strings.Contains(text, c.lacks) {
				t.Errorf("%d %s", status, text)
			}
			w.stands(c.used, "0")
			if left := w.gateway.journal.left(); len(left) != 0 || len(w.gateway.journal.ours) != 0 {
				t.Error(left)
			}
		})
	}
}

func TestStrangers(t *testing.T) {
	w := newWorld(t)
	for path, status := range map[string]int{completions: 401, "/v1/files": 401} {
		r, err := http.Post(w.url+path, "application/json", strings.NewReader(say(1, "")))
		must(t, err)
		must(t, r.Body.Close())
		if r.StatusCode != status {
			t.Error(path, r.Status)
		}
	}
	if len(w.works) != 0 {
		t.Error(w.works)
	}
}

func TestCallerWhoGoesAway(t *testing.T) {
	w := newWorld(t)
	w.gateway.usualMost = 100
	seen, goOn := make(chan struct{}), make(chan struct{})
	w.step = func(n int) {
		if n == 4 {
			close(seen)
			<-goOn
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", w.url+completions, strings.NewReader(say(50, `,"stream":true`)))
	must(t, err)
	r.Header.Set("Authorization", "Bearer key")
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	lines := bufio.NewScanner(answer.Body)
	for n := 0; n < 3 && lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data:") {
			n++
		}
	}
	<-seen
	cancel()
	<-w.done // the gateway has ended, though the model has not
	close(goOn)
	must(t, answer.Body.Close())
	w.stands("12", "0") // 3 and the prompt by its size
}

// TestJournal has another process go on where one was killed, at each step.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := openJournal(path)
	must(t, err)
	if _, err := openJournal(path); err == nil {
		t.Error("two have one journal")
	}
	must(t, j.begin("begun", "m"))
	must(t, j.begin("used", "m"))
	must(t, j.used("used", counts{1, 2}, false))
	must(t, j.used("used", counts{1, 3}, true))
	must(t, j.begin("done", "m"))
	must(t, j.used("done", counts{5, 5}, true))
	j.done("done")
	_, err = j.file.WriteString(`{"hold":"used","used":{"inp`) // killed here
	must(t, err)
	if left := j.left(); len(left) != 0 {
		t.Errorf("what is worked on is left: %v", left)
	}
	must(t, j.close())

	j, err = openJournal(path)
	must(t, err)
	must(t, j.begin("new", "m"))
	must(t, j.close())
	j, err = openJournal(path)
	must(t, err)
	defer func() { must(t, j.close()) }()
	left := j.left()
	if len(left) != 3 || left[0].Used != nil || left[1].Hold != "new" || *left[2].Used != (counts{1, 3}) || left[2].Model != "m" {
		t.Errorf("%+v", left)
	}
}
