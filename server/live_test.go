package server

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
)

// served is a shop on a real connection, with live streams that last.
func served(t *testing.T, hurried bool) (s *shop, url string, stop func() error) {
	s = openShop(t)
	s.charging = true
	s.furnishPrices(t)
	s.server.liveTime = time.Minute
	if hurried {
		s.server.patience.read, s.server.patience.write = 500*time.Millisecond, 500*time.Millisecond
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(ctx, listener) }()
	stop = func() error { cancel(); return <-ended }
	t.Cleanup(cancel)
	return s, "http://" + listener.Addr().String(), stop
}

// furnishPrices makes charges possible.
func (s *shop) furnishPrices(t *testing.T) {
	t.Helper()
	s.must(t, 201, "POST", "/dynamicmonetization/provisioning/api/v1.1/rate-tables", s.admin,
		`{"series": "2026", "version": "1", "effectiveFrom": 0, "items": [{"name": "render", "rate": 5}]}`)
	s.open(t)
}

// stream is a live stream that a test reads.
type liveStream struct {
	*testing.T
	resp  *http.Response
	lines *bufio.Scanner
	leave context.CancelFunc
}

func watchAt(t *testing.T, url, token string) *liveStream {
	t.Helper()
	ctx, leave := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(leave)
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &liveStream{t, resp, bufio.NewScanner(resp.Body), leave}
}

// next returns the next event; nil when the stream has ended as it should.
func (l *liveStream) next() *api.Live {
	l.Helper()
	for l.lines.Scan() {
		if data, is := strings.CutPrefix(l.lines.Text(), "data: "); is {
			news := new(api.Live)
			if err := json.Unmarshal([]byte(data), news, json.RejectUnknownMembers(true)); err != nil {
				l.Fatal(err)
			}
			return news
		}
	}
	if err := l.lines.Err(); err != nil {
		l.Fatalf("the stream was cut off: %v", err)
	}
	return nil
}

func TestLiveStream(t *testing.T) {
	s, url, stop := served(t, true)
	url += "/farebox/v1/live?by=instance"
	admin, client, stranger := watchAt(t, url, s.admin), watchAt(t, url, s.client), watchAt(t, url, s.stranger)
	if kind := admin.resp.Header.Get("Content-Type"); kind != "text/event-stream" || admin.resp.Header.Get("Trailer") != "" {
		t.Errorf("the answer is %v", admin.resp.Header)
	}
	all := []*liveStream{admin, client, stranger}
	for _, l := range all {
		if first := l.next(); first == nil || first.Seconds != 0 || first.Charges != 0 {
			t.Errorf("the first event is %+v", first)
		}
	}
	s.charge(t)
	for _, l := range all[:2] {
		for news := l.next(); ; news = l.next() {
			if news == nil {
				t.Fatal("the stream ended before it told of the charge")
			}
			if news.Charges == 0 {
				continue
			}
			if want := (api.LiveRow{InstanceID: s.instance, AccountID: "ACME", Charges: 1, Tokens: news.Tokens}); news.Charges != 1 || len(news.Rows) != 1 || news.Rows[0] != want {
				t.Errorf("told %+v, want one charge on %+v", news, want)
			}
			break
		}
	}
	for range 2 { // longer than the server is patient with requests otherwise
		if news := stranger.next(); news == nil || news.Charges != 0 || len(news.Rows) > 0 {
			t.Errorf("a stranger is told %+v", news)
		}
	}
	client.leave()
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for news := admin.next(); news != nil; news = admin.next() {
	}
	for news := stranger.next(); news != nil; news = stranger.next() {
	}
	if err := <-stopped; err != nil {
		t.Errorf("the server did not stop: %v", err)
	}
}

// A stream ends with the token that it was asked for with.
func TestLiveStreamEndsWithItsKey(t *testing.T) {
	s, url, _ := served(t, false)
	l := watchAt(t, url+"/farebox/v1/live", s.client)
	l.next()
	s.change(t, func(tx *engine.Change) error { return tx.DeleteKey(auth.Client, s.pair.ID) })
	for news := l.next(); news != nil; news = l.next() {
	}
	if err := l.lines.Err(); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestLiveStreamsAreBounded(t *testing.T) {
	var o onlookers
	var leave func()
	for i := range liveOfClients {
		var ok bool
		if leave, ok = o.enter(auth.Client); !ok {
			t.Fatalf("there is no room for stream %d of clients", i+1)
		}
	}
	if _, ok := o.enter(auth.Client); ok {
		t.Error("there is room for more streams of clients than documented")
	}
	for i := liveOfClients; i < liveMost; i++ {
		if _, ok := o.enter(auth.Admin); !ok {
			t.Fatalf("there is no room for stream %d", i+1)
		}
	}
	if _, ok := o.enter(auth.Admin); ok {
		t.Error("there is room for more streams than documented")
	}
	leave()
	if _, ok := o.enter(auth.Client); !ok {
		t.Error("who leaves gives back no room")
	}
	s := openShop(t)
	s.server.onlookers.all = liveMost
	if got := s.must(t, 503, "GET", "/farebox/v1/live", s.admin, ""); got.header.Get("Retry-After") == "" {
		t.Errorf("answered %v", got.header)
	}
	s.must(t, 400, "GET", "/farebox/v1/live?by=item", s.admin, "")
	s.must(t, 400, "GET", "/farebox/v1/live?instance=x", s.admin, "")
	s.must(t, 403, "GET", "/farebox/v1/live?instanceId="+s.other, s.client, "")
	if s.server.onlookers.clients != 0 {
		t.Error("a refused stream keeps its place")
	}
}
