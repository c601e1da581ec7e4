package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var demoStart = time.UnixMilli(1_790_000_000_000)

// stateOfTwo is a state with two customers after ten seconds: one deep in its overdraft, one with plenty.
func stateOfTwo() *demoState {
	w := &demoWorld{customers: []*demoCustomer{
		{account: "acme", name: "Acme Motors", instanceID: "i-1"}, {account: "lumen", name: "Lumen Labs", instanceID: "i-2"},
	}}
	s := newDemoState(demoStart, "127.0.0.1:8080", demoHints("127.0.0.1:8080", "/tmp/farebox-1/demo.db", w), w)
	s.hints[0][0] = "TOKEN=$(farebox"
	later := demoStart.Add(365 * 24 * time.Hour).UnixMilli()
	acme := []ledger.LineItem{
		{ActivationID: "ACME-GIFT-1", Quantity: 60, EndMS: later, Priority: -1, Kind: ledger.Free, State: ledger.Deployed},
		{ActivationID: "ACME-2026-1", Quantity: 150, EndMS: later, Overdraft: ledger.NumberOverdraft, OverdraftLimit: 100, State: ledger.Deployed},
	}
	lumen := []ledger.LineItem{
		{ActivationID: "LUMEN-WEEK-1", Quantity: 1_200, EndMS: demoStart.Add(22 * time.Second).UnixMilli(), State: ledger.Deployed},
		{ActivationID: "LUMEN-1", Quantity: 25_000, EndMS: later, Overdraft: ledger.UnlimitedOverdraft, State: ledger.Deployed},
	}
	s.lineItems("i-1", acme)
	s.lineItems("i-2", lumen)
	for i := range 10 {
		at := demoStart.Add(time.Duration(i) * time.Second).UnixMilli()
		s.event(charged("lumen", "i-2", "kofi", "ai.output", fmt.Sprint(i), at, "LUMEN-WEEK-1", "1.5", "0.195", "0"))
		s.event(charged("acme", "i-1", "maria", "render.frame", fmt.Sprint("a", i), at, "ACME-2026-1", "2", "15", "0"))
	}
	at := demoStart.Add(9 * time.Second).UnixMilli()
	s.event(charged("acme", "i-1", "maria", "render.frame", "split", at, "ACME-GIFT-1", "1.5", "3", "0"))
	s.event(charged("acme", "i-1", "maria", "render.frame", "split", at, "ACME-2026-1", "0.5", "1", "1"))
	s.event(&usage.Event{
		CorrelationID: "no", Kind: usage.Denial, Status: ledger.Insufficient, UsageTimeMS: at, AccountID: "acme", InstanceID: "i-1",
		Requester: access.Requester{Value: "node-07"}, Item: "crash.run", Count: token.FromInt(1),
	})
	acme[0].Used, acme[1].Used = token.MustParse("60"), token.MustParse("225.5")
	lumen[0].Used = token.MustParse("300.123456789")
	s.now = demoStart.Add(10 * time.Second)
	s.lineItems("i-1", acme)
	s.lineItems("i-2", lumen)
	s.replayed = 3
	return s
}

func charged(account, instance, requester, item, id string, atMS int64, lineItem, count, tokens, overdraft string) *usage.Event {
	return &usage.Event{
		CorrelationID: id, Kind: usage.Charge, Status: ledger.Granted, UsageTimeMS: atMS, AccountID: account, InstanceID: instance,
		ActivationID: lineItem, Requester: access.Requester{Type: "user", Value: requester}, Item: item,
		Count: token.MustParse(count), Tokens: token.MustParse(tokens), Overdraft: token.MustParse(overdraft),
	}
}

const screenOfTwo = `
 farebox demo  http://127.0.0.1:8080  docs http://127.0.0.1:8080/docs/  0:10
 2.2/s · 21 charges · 1 denials · 155.95 tokens · 1.00 overdraft · 3 retries
 acme: line item ACME-GIFT-1 is used up
 line item      left               used/quantity    overdraft   per s     lasts
 Acme Motors                         154.00 used                 15.5
  ACME-GIFT-1   ░░░░░░░░░░░░░░          60.00/60         none     3.0   used up
  ACME-2026-1   ▒▒▒▒▒▒▒▒▒▒░░░░        225.50/150    75.50/100    15.1      0:01
 Lumen Labs                            1.95 used                  0.1
  LUMEN-WEEK-1  ██████████░░░░      300.12/1,200         none     0.1 ends 0:12
  LUMEN-1       ██████████████       0.00/25,000    unlimited     0.0      idle
 top items          tokens  requester         item                tokens
 render.frame       154.00  acme/node-07      crash.run ×1        denied 306
 ai.output            1.95  acme/maria        render.frame ×2     4.00 over
                            acme/maria        render.frame ×2     15.00
                            lumen/kofi        ai.output ×1.5      0.19
                            acme/maria        render.frame ×2     15.00
                            lumen/kofi        ai.output ×1.5      0.19
                            acme/maria        render.frame ×2     15.00
                            lumen/kofi        ai.output ×1.5      0.19
                            acme/maria        render.frame ×2     15.00
 q or Ctrl-C ends it and removes its database · from another terminal, try
 TOKEN=$(farebox token --admin --db /tmp/farebox-1/demo.db)
 curl -s -H "Authorization: Bearer $TOKEN" \
  'http://127.0.0.1:8080/farebox/v1/usage/events?kind=DENIAL&limit=1'
`

func TestDemoScreen(t *testing.T) {
	var got strings.Builder
	for _, line := range stateOfTwo().screen(80, 24, ink{unicode: true}) {
		got.WriteString("\n" + strings.TrimRight(line, " "))
	}
	if got.String()+"\n" != screenOfTwo {
		t.Errorf("the screen is\n%s\nnot\n%s", got.String(), screenOfTwo)
	}
}

var control = regexp.MustCompile("\x1b\\[[0-9;]*m")

// A frame is exactly as large as the screen, whatever its size: a longer line would wrap, a further one would scroll.
func TestDemoScreenFits(t *testing.T) {
	s := stateOfTwo()
	s.tell("%s", strings.Repeat("long ", 100))
	for width := 1; width < 200; width += 7 {
		for height := 1; height < 60; height += 1 + height/6 {
			for _, in := range []ink{{}, {color: true, unicode: true}} {
				lines := s.screen(width, height, in)
				if len(lines) != height {
					t.Fatalf("%d lines on a screen of %d", len(lines), height)
				}
				for _, line := range lines {
					shown := control.ReplaceAllString(line, "")
					if utf8.RuneCountInString(shown) != width || strings.ContainsRune(shown, '\x1b') {
						t.Fatalf("%q is not %d columns wide", shown, width)
					}
				}
			}
		}
	}
}

func TestDemoScreenWithoutUnicodeIsASCII(t *testing.T) {
	for _, line := range stateOfTwo().screen(140, 40, ink{}) {
		for _, r := range line {
			if r < ' ' || r > '~' {
				t.Fatalf("%q has %q", line, r)
			}
		}
	}
}

// What callers put into names reaches the terminal of whoever watches.
func TestDemoShowsNoControlsOfOthers(t *testing.T) {
	s := stateOfTwo()
	e := charged("acme\x1b[2J", "i-1", "ma\rria\u202e日\u0301", "\x07bell", "x", demoStart.UnixMilli(), "ACME\x1b]0;-1", "1", "1", "1")
	s.event(e)
	var lines bytes.Buffer
	view := demoLines{out: &lines}
	if err := view.show(s); err != nil {
		t.Fatal(err)
	}
	everything := strings.Join(s.screen(140, 40, ink{unicode: true}), "") + strings.ReplaceAll(lines.String(), "\n", "")
	for _, r := range everything {
		if r < ' ' || r == 0x7f || r == 0x202e || r == '日' || r == 0x301 {
			t.Fatalf("%q is shown in %q", r, everything)
		}
	}
	if !strings.Contains(everything, "acme?[2J/ma?ria???") {
		t.Errorf("the charge is not shown: %q", everything)
	}
}

func TestDemoCountsACharge(t *testing.T) {
	s := stateOfTwo()
	if s.granted != 21 || s.denied != 1 || s.split != 1 || s.tokens.String() != "155.95" || s.overdraft.String() != "1" {
		t.Errorf("granted %d, denied %d, split %d, tokens %s, overdraft %s", s.granted, s.denied, s.split, s.tokens, s.overdraft)
	}
	want := []string{
		"acme: render.frame x 2 was split over ACME-GIFT-1 and ACME-2026-1",
		"acme: line item ACME-2026-1 is in overdraft",
		"acme: node-07 was denied crash.run x 1: Insufficient elastic tokens available",
		"acme: line item ACME-GIFT-1 is used up",
	}
	for _, news := range want {
		if strings.Count(strings.Join(s.news, "\n"), news) != 1 {
			t.Errorf("%q is not told once: %q", news, s.news)
		}
	}
}

// The last page of events has no cursor, so the tail reads it again as it grows, and sees each event once.
func TestDemoTailSeesEveryEventOnce(t *testing.T) {
	var events []usage.Event
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		page := api.Events{Events: events[from:min(from+limit, len(events))]}
		if from+limit < len(events) {
			page.Next = strconv.Itoa(from + limit)
		}
		if err := json.MarshalWrite(w, page); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	w := &demoWorld{admin: demoClient{base: server.URL}}
	s := newDemoState(demoStart, "", nil, w)
	for _, more := range []int{0, 1, 0, eventPage - 1, 0, 1, 3*eventPage + 7, 0} {
		for range more {
			events = append(events, *charged("acme", "i-1", "maria", "x", fmt.Sprint(len(events)), 1, "A", "1", "1", "0"))
		}
		if err := w.followEvents(s); err != nil {
			t.Fatal(err)
		}
		if s.granted != int64(len(events)) {
			t.Fatalf("%d of %d events were seen", s.granted, len(events))
		}
	}
}

// The real thing, in small: what the demo counts from the API is what the books say.
func TestDemoWorld(t *testing.T) {
	db := filepath.Join(t.TempDir(), "demo.db")
	s, err := sqlite.Open(db, sqlite.Options{Create: true, Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	server, err := startDemoServer(s, db, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	world, err := createDemoWorld(server.addr, db)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range world.customers {
		for _, p := range c.purchases {
			p.again, p.renew = 3, time.Nanosecond // what runs out is bought again at once, again and again
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	traffic := startDemoTraffic(ctx, world)
	state := newDemoState(time.Now(), server.addr, nil, world)
	watch(ctx, server, world, traffic, state, &demoLines{out: new(bytes.Buffer)})
	traffic.wait()
	world.follow(state, traffic)
	proof, err := engine.Verify(t.Context(), s)
	if err := errors.Join(err, server.stop(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if len(proof.Differences) > 0 || !proof.Used.Equal(state.tokens) || state.failed > 0 || state.granted == 0 || state.warning != "" {
		t.Errorf("verify: %v, %s used; shown: %s, %d granted, %d failed, %s", proof.Differences, proof.Used, state.tokens, state.granted,
			state.failed, state.warning)
	}
}

func TestAmountText(t *testing.T) {
	for _, c := range []struct {
		in     string
		digits int
		want   string
	}{
		{"0", 2, "0.00"}, {"1234.5", 2, "1,234.50"}, {"999.999", 2, "999.99"}, {"1000000", 0, "1,000,000"}, {"-1234.5", 1, "-1,234.5"}, {"100", 0, "100"},
		{"0.019", 2, "0.01"},
	} {
		if got := amount(token.MustParse(c.in), c.digits); got != c.want {
			t.Errorf("amount(%s, %d) = %q, not %q", c.in, c.digits, got, c.want)
		}
	}
}

func TestDurationText(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0:00": 0, "0:59": 59 * time.Second, "59:59": time.Hour - 1, "1h00m": time.Hour, "47h59m": 48*time.Hour - 1, "365d": aYear,
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%s) = %q, not %q", d, got, want)
		}
	}
}
