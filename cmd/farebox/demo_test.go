package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
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
	"github.com/farebox/farebox/auth"
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
	s.hints[0][0], s.hints[1][0] = "farebox", "TOKEN=$(farebox"
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
	useSessions(s)
	return s
}

// useSessions adds two sessions: one that used a seat and gave most of it back, one that is open and covered by a day token.
func useSessions(s *demoState) {
	at := demoStart.Add(9 * time.Second).UnixMilli()
	move := func(kind usage.Kind, requester, item, id, count, tokens string) {
		e := charged("lumen", "i-2", requester, item, id, at, "LUMEN-WEEK-1", count, tokens, "0")
		e.Kind, e.SessionID = kind, "s-"+requester
		if item == "viewer.day" {
			e.CoveredUntilMS = at + 1
		}
		s.event(e)
	}
	move(usage.Charge, "kofi", "render.seat", "c-1", "1", "4.2")
	move(usage.Refund, "kofi", "render.seat", "c-2", "-0.99", "-4.158")
	move(usage.Charge, "ines", "viewer.day", "c-3", "1", "0")
	s.opened, s.closed, s.beats = 2, 1, 1
	s.account("i-2").sessions = []api.Session{
		{State: "ACTIVE", Requester: &api.Requester{Value: "ines"}, Items: []api.ItemInUse{
			{Item: "viewer.day", Count: token.FromInt(1)}, {Item: "agent.seat", Version: "2", Count: token.FromInt(3), FreeUntil: s.now.UnixMilli() + 1500},
		}, ChargedUntil: s.now.Add(599 * time.Second).UnixMilli(), TokensCharged: token.MustParse("4.2")},
		{State: "IDLE", Items: []api.ItemInUse{}},
	}
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
 2.5/s · 23 charges · 1 denials · 155.99 tokens · 1.00 overdraft · 3 retries
 2 sessions open · 2 opened · 1 closed · 0 free · 4.15 back · 1 heartbeats
 acme: line item ACME-GIFT-1 is used up
 line item      left               used/quantity    overdraft   per s     lasts
 Acme Motors                         154.00 used                 15.5
  ACME-GIFT-1   ░░░░░░░░░░░░░░          60.00/60         none     3.0   used up
  ACME-2026-1   ▒▒▒▒▒▒▒▒▒▒░░░░        225.50/150    75.50/100    15.1      0:01
 Lumen Labs                            1.99 used                  0.2
  LUMEN-WEEK-1  ██████████░░░░      300.12/1,200         none     0.2 ends 0:12
  LUMEN-1       ██████████████       0.00/25,000    unlimited     0.0      idle
 top items          tokens  requester         item                tokens
 render.frame       154.00  lumen/ines        viewer.day ×1       0.00 covered
 ai.output            1.95  lumen/kofi        render.seat         +4.15 back
 render.seat          0.04  lumen/kofi        render.seat ×1      4.20 ahead
 viewer.day           0.00  acme/node-07      crash.run ×1        denied 306
                            acme/maria        render.frame ×2     4.00 over
                            acme/maria        render.frame ×2     15.00
                            lumen/kofi        ai.output ×1.5      0.19
 q or Ctrl-C ends it and removes its database · from another terminal, try
 farebox console --admin --db /tmp/farebox-1/demo.db
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

// A tall screen has room for the sessions that are open.
func TestDemoScreenListsSessions(t *testing.T) {
	lines := stateOfTwo().screen(80, 32, ink{unicode: true})
	for i, want := range []string{
		" session           uses                      state     charged  next in free for",
		" lumen/ines        viewer.day ×1, agent.sea… active       4.20     9:59     0:02",
		" lumen                                       idle         0.00                  ",
	} {
		if got := lines[12+i]; got != want {
			t.Errorf("%q\nnot\n%q", got, want)
		}
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
	if s.granted != 23 || s.denied != 1 || s.split != 1 || s.tokens.String() != "155.992" || s.overdraft.String() != "1" {
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

// What is given back makes the use less, and is no use itself.
func TestDemoCountsARefund(t *testing.T) {
	s := newDemoState(demoStart, "", nil, &demoWorld{customers: []*demoCustomer{{account: "acme", instanceID: "i-1"}}})
	s.lineItems("i-1", []ledger.LineItem{{ActivationID: "A", Quantity: 9, State: ledger.Deployed}, {ActivationID: "B", Quantity: 9, State: ledger.Deployed}})
	at := demoStart.UnixMilli()
	move := func(kind usage.Kind, id, lineItem, count, tokens, overdraft string) {
		e := charged("acme", "i-1", "dana", "seat", id, at, lineItem, count, tokens, overdraft)
		e.Kind, e.SessionID = kind, "s"
		s.event(e)
	}
	move(usage.Charge, "1", "A", "0.75", "3", "0")
	move(usage.Charge, "1", "B", "0.25", "1", "1")
	at += 10_000 // a change: what is unused goes back, then the new use is charged
	move(usage.Refund, "2", "B", "-0.25", "-1", "-1")
	move(usage.Refund, "2", "A", "-0.5", "-2", "0")
	move(usage.Charge, "2", "A", "1", "4", "0")
	at += 10_000
	move(usage.AutomaticCharge, "3", "A", "1", "4", "0")
	move(usage.Refund, "4", "A", "-1", "-4", "0")
	at += 1_000
	move(usage.Refund, "5", "A", "-0.25", "-1", "0")
	a := s.accounts[0]
	got := fmt.Sprintf("granted %d, automatic %d, split %d, used %s, back %s, overdraft %s, account %s, top %s, %d moves, paid %d", s.granted, s.automatic,
		s.split, s.tokens, s.back, s.overdraft, a.tokens, s.topUses()[0].tokens, len(s.moves), s.uses[demoItem{"seat", ""}].times)
	if want := "granted 3, automatic 1, split 1, used 4, back 8, overdraft 0, account 4, top 4, 6 moves, paid 3"; got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
	s.now = demoStart.Add(22 * time.Second)
	if p, l := a.pace.perSecond(s.now), a.lineItem("A"); !p.IsZero() || !l.pace.perSecond(s.now).IsZero() || l.lasts(demoStart) == "" {
		t.Errorf("the pace is %s", p)
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

// demoParts is the demo without its view.
type demoParts struct {
	store  *sqlite.Store
	server *demoServer
	world  *demoWorld
	state  *demoState
}

func startDemoParts(t *testing.T, testClock *time.Time) *demoParts {
	t.Helper()
	db := filepath.Join(t.TempDir(), "demo.db")
	s, err := sqlite.Open(db, sqlite.Options{Create: true, Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	server, err := startDemoServerOn(s, serving{db: db, addr: "127.0.0.1:0", testClock: testClock})
	if err != nil {
		t.Fatal(err)
	}
	world, err := createDemoWorld(server.addr, db)
	if err != nil {
		t.Fatal(err)
	}
	return &demoParts{s, server, world, newDemoState(time.Now(), server.addr, nil, world)}
}

// end compares what was counted from the API with the books.
func (d *demoParts) end(t *testing.T, traffic *demoTraffic) {
	t.Helper()
	traffic.wait()
	d.world.follow(d.state, traffic)
	proof, err := engine.Verify(t.Context(), d.store)
	if err := errors.Join(err, d.server.stop(), d.store.Close()); err != nil {
		t.Fatal(err)
	}
	s, accounts := d.state, token.Amount{}
	for _, a := range s.accounts {
		accounts = accounts.Add(a.tokens)
	}
	if len(proof.Differences) > 0 || !proof.Used.Equal(s.tokens) || !proof.Used.Equal(accounts) || s.failed > 0 || s.granted == 0 || s.warning != "" {
		t.Errorf("verify: %v, %s used; shown: %s, of accounts %s, %d granted, %d failed, %s", proof.Differences, proof.Used, s.tokens, accounts,
			s.granted, s.failed, s.warning)
	}
	if s.opened == 0 || s.closed != s.opened || int(s.opened) != proof.Sessions || s.open() != 0 || s.back.Sign() <= 0 {
		t.Errorf("%d sessions, of which %d opened, %d closed, %d still open, %s tokens back", proof.Sessions, s.opened, s.closed, s.open(), s.back)
	}
}

// The real thing, in small: what the demo counts from the API is what the books say.
func TestDemoWorld(t *testing.T) {
	d := startDemoParts(t, nil)
	for _, c := range d.world.customers {
		for _, p := range c.purchases {
			p.again, p.renew = 3, time.Nanosecond // what runs out is bought again at once, again and again
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	traffic := startDemoTraffic(ctx, d.world)
	watch(ctx, d.server, d.world, traffic, d.state, &demoLines{out: new(bytes.Buffer)})
	d.end(t, traffic)
}

// A demo that is left alone: sessions are charged again, and their applications send the heartbeats that keep them alive.
func TestDemoSessionsGoOn(t *testing.T) {
	t.Parallel()
	clock := time.Now().Add(time.Minute)
	d := startDemoParts(t, &clock)
	traffic := startDemoTraffic(t.Context(), d.world)
	await := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not within a minute: %s", what)
			}
			d.world.follow(d.state, traffic)
		}
	}
	advance := func(by string) {
		t.Helper()
		if _, err := d.world.admin.call("POST", "/farebox/v1/test-clock", "", map[string]string{"advance": by}, nil); err != nil {
			t.Fatal(err)
		}
	}
	agents := func() *api.Session {
		if open := d.state.accounts[2].sessions; len(open) > 0 && open[0].State == "ACTIVE" {
			return &open[0]
		}
		return nil
	}
	await("a session", func() bool { return agents() != nil })
	id := agents().SessionID
	for range 2 {
		before := agents().ChargedFrom
		advance("PT10M")
		await("a heartbeat", func() bool { return agents() != nil && agents().ChargedFrom > before && agents().HeartbeatDue == 0 })
	}
	if agents().SessionID != id || d.state.automatic < 2 || d.state.beats < 2 {
		t.Errorf("%d automatic charges, %d heartbeats, session %s, then %s", d.state.automatic, d.state.beats, id, agents().SessionID)
	}
	d.end(t, traffic)
	if news := strings.Join(d.state.news, "\n"); !strings.Contains(news, "charged for its next period") || !strings.Contains(news, "sent the heartbeat") {
		t.Errorf("not told: %s", news)
	}
}

// An application lives with denials and with a session that has ended; all else is a failure.
func TestDemoRefusals(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   bool
	}{
		{403, `{"correlationId":"x","requestedItems":[{"item":"a","status":{"code":"306"}}]}`, true},
		{403, `{"type":"about:blank","title":"Forbidden","status":403,"detail":"this token is not for that instance"}`, false},
		{403, `{"message":"this token is not for that instance"}`, false},
		{409, `{"message":"the session is TERMINATED"}`, true},
		{500, `{}`, false},
	} {
		if got := isRefused(&demoRefusal{status: c.status, body: []byte(c.body)}); got != c.want {
			t.Errorf("%d %s: %v", c.status, c.body, got)
		}
	}
	if isRefused(nil) || isRefused(errors.New("no answer")) {
		t.Error("what is no answer is taken for a refusal")
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

// In a terminal that knows links a click opens the console; the words are as wide as they look.
func TestDemoScreenLinksToTheConsole(t *testing.T) {
	s := stateOfTwo()
	s.link = "http://127.0.0.1:8080/console/#link=abc"
	lines := s.screen(80, 24, ink{unicode: true, color: true})
	const want = "\x1b]8;;http://127.0.0.1:8080/console/#link=abc\x1b\\"
	all := strings.Join(lines, "\n")
	if before, after, found := strings.Cut(all, want); !found || !strings.Contains(after, "open the console\x1b[0m\x1b]8;;\x1b\\") || strings.Contains(before, "\x1b]8;;") {
		t.Errorf("no link to the console in %q", all)
	}
	if plain := strings.Join(s.screen(80, 24, ink{unicode: true}), "\n"); strings.Contains(plain, "open the console") {
		t.Error("there is a link where nothing can be clicked")
	}
}

// What is shown is fresh: no minute passes without a link that nobody has opened.
func TestDemoLinkIsFresh(t *testing.T) {
	s := stateOfTwo()
	w := &demoWorld{db: filepath.Join(t.TempDir(), "demo.db")}
	pair, err := auth.NewPair()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pemFile(w.db, auth.Admin), pair.PrivatePEM, 0o600); err != nil {
		t.Fatal(err)
	}
	var links []string
	for _, after := range []time.Duration{0, demoLinkFresh - 1, 1} {
		s.now = s.now.Add(after)
		w.freshLink(s)
		links = append(links, s.link)
	}
	if !strings.HasPrefix(links[0], "http://127.0.0.1:8080/console/#link=") || links[1] != links[0] || links[2] == links[1] {
		t.Errorf("the links are %q; %s", links, s.warning)
	}
}
