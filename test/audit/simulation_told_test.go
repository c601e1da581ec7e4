package audit

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

// watch has alerts fire, and webhooks sent.
func (s *simulated) watch() {
	s.alerts = NewAlerts()
	for _, r := range []notify.Rule{
		{Name: "low", Kind: notify.BalanceBelow, Tokens: token.FromInt(5)},
		{Name: "half", Kind: notify.BalanceBelow, Percent: token.FromInt(50)},
		{Name: "out", Kind: notify.Exhausted},
		{Name: "over", Kind: notify.Overdraft},
		{Name: "ending", Kind: notify.Ending, Within: "P14D"},
		{Name: "soon", Kind: notify.RunningOut, Within: "P7D"},
		{Name: "denied", Kind: notify.Denials, Percent: token.FromInt(60), Requests: 3, Window: "PT6H"},
		{Name: "fast", Kind: notify.Pace, Factor: token.FromInt(2), Tokens: token.FromInt(10), Window: "PT6H"},
	} {
		if err := r.Complete(); err != nil {
			s.t.Fatal(err)
		}
		s.must("an alert", s.make(func(c *engine.Change) error { return c.CreateAlert(&r) }))
		w := Watch{Name: r.Name, Kind: string(r.Kind), Within: map[string]int64{"P14D": 14 * day, "P7D": 7 * day, "": 6 * hour}[r.Within]}
		if !r.Tokens.IsZero() {
			w.Tokens = rat(r.Tokens)
		}
		if !r.Percent.IsZero() {
			w.Percent = rat(r.Percent)
		}
		s.alerts.watches = append(s.alerts.watches, w)
	}
	wants := map[string]func(bool) bool{}
	for _, w := range []*engine.Webhook{{URL: "http://all.example"}, {URL: "http://fired.example", Types: []string{notify.AlertFired}}} {
		s.must("a webhook", s.make(func(c *engine.Change) error { return c.CreateWebhook(w) }))
		wants[w.ID] = func(fired bool) bool { return fired || w.Types == nil }
		s.hooks = append(s.hooks, w)
	}
	s.deliveries = NewDeliveries(wants)
}

// tellOfAlerts has alerts fire, and holds them to the record.
func (s *simulated) tellOfAlerts() {
	err := s.engine.LookAtAlerts(ctx)
	s.must("alerts", err)
	if err != nil || s.ground.off() {
		return
	}
	s.news(false)
	s.notices()
	if s.ground.off() {
		return
	}
	for _, wrong := range s.alerts.Complaints(s.clock.Load()) {
		s.t.Error(wrong)
	}
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// notices tells the auditors what is new in the log of alerts.
func (s *simulated) notices() {
	var fresh []*notify.Notice
	last := s.noticed
	s.read(func(r store.Reader) error {
		all, err := r.AlertsFired("", "", 0, 100_000)
		for i := range all {
			if all[i].Number <= s.noticed {
				break
			}
			n := new(notify.Notice)
			if err := json.Unmarshal(all[i].Body, n); err != nil {
				return err
			}
			fresh, last = append(fresh, n), max(last, all[i].Number)
		}
		return err
	})
	s.noticed = last
	for i := range fresh {
		n := fresh[len(fresh)-1-i]
		s.note("told %s %s of %s at %d", n.ID, n.Message, n.ActivationID, n.TimeMS)
		told := &Told{
			Watch: n.Alert, Instance: n.InstanceID, LineItem: n.ActivationID, Fired: n.State == notify.Fired, Time: n.TimeMS,
			Value: rat(n.After), Threshold: rat(n.Threshold), Quantity: n.Quantity, End: n.EndMS,
		}
		if n.Used != nil {
			told.Used = rat(*n.Used)
		}
		if n.Requester != nil {
			told.Requester = n.Requester.Type + " " + n.Requester.Value
		}
		s.alerts.Told(told)
		s.deliveries.Noticed(n.ID, told.Fired)
	}
}

// read looks at the books, whatever the script says.
func (s *simulated) read(fn func(store.Reader) error) {
	if err := s.store.View(ctx, fn); err != nil && !s.ground.off() {
		s.must("looking", err)
	}
}

// deliver has what is due sent, and looks at what has become of all. A webhook that was disabled, since nobody took anything for days, is enabled
// again, before anything else is told.
func (s *simulated) deliver() {
	_, err := s.engine.Deliver(ctx)
	s.must("deliveries", err)
	s.revive()
	for _, w := range s.hooks {
		var is *engine.Webhook
		for is == nil {
			s.read(func(r store.Reader) (err error) { is, err = engine.WebhookOf(r, w.ID); return err })
			s.revive()
		}
		if is.Disabled {
			s.saw("webhook disabled")
			again := &engine.Webhook{ID: w.ID, URL: w.URL, Types: w.Types}
			s.must("a webhook", s.make(func(c *engine.Change) error { return c.ReplaceWebhook(again) }))
		}
	}
	s.asked()
	s.notices()
	s.shown()
}

// shown tells the auditor how all deliveries stand.
func (s *simulated) shown() {
	var all []*Delivery
	for _, w := range s.hooks {
		s.read(func(r store.Reader) error {
			some, _, err := engine.Deliveries(r, w.ID, 0, 100_000)
			if err != nil {
				return err
			}
			for _, d := range some {
				_, attempts, err := engine.DeliveryOf(r, w.ID, d.ID)
				if err != nil {
					return err
				}
				var payload struct {
					Data struct {
						ID        string `json:"id"`
						RequestID string `json:"requestId"`
					} `json:"data"`
				}
				if err := json.Unmarshal(d.Payload, &payload); err != nil {
					return err
				}
				is := &Delivery{
					ID: d.ID, Webhook: d.WebhookID, Message: d.MessageID(), Notice: cmp.Or(payload.Data.ID, payload.Data.RequestID), State: string(d.State), Payload: string(d.Payload), Status: d.Status,
				}
				for _, a := range attempts {
					is.Attempts = append(is.Attempts, a.TimeMS)
				}
				all = append(all, is)
			}
			return nil
		})
		if s.ground.off() {
			return
		}
	}
	for _, is := range all {
		s.deliveries.Shown(is)
	}
}

// finishTelling tells of what is left, to receivers that have come to their senses.
func (s *simulated) finishTelling() {
	s.receivers.well = true
	for round := range 10 { // more than three days, in which all is sent again or given up
		s.tellOfAlerts()
		s.deliver()
		if round < 5 {
			s.reconfigure(s.sellMore)
		}
		s.clock.Add(9 * hour)
		s.catchUp()
		s.news(false)
	}
	s.tellOfAlerts()
	s.deliver()
	for _, wrong := range s.deliveries.Complaints(true) {
		s.t.Error(wrong)
	}
	for _, of := range []map[string]int{s.alerts.Seen, s.deliveries.Seen, s.topUps.Seen} {
		for what, n := range of {
			s.seen[what] += n
		}
	}
}

// receivers are those whom webhooks are sent to, over a network that loses their answers. What becomes of a message hangs on the seed, the message
// and how often it came.
type receivers struct {
	of    *simulated
	tries map[string]int // by message
	well  bool
}

// order remembers what is asked for, if a message asks for more tokens.
func (r *receivers) order(body []byte) {
	if p, is := purchaseOf(body); is {
		r.of.purchases = append(r.of.purchases, p)
	}
}

func (r *receivers) RoundTrip(req *http.Request) (*http.Response, error) {
	s := r.of
	id := req.Header.Get("webhook-id")
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, id)
	s.ground.pass(time.Duration(h.Sum64() % 5_000_000_000)) // no two come at the same time
	s.writing.Lock()
	defer s.writing.Unlock()
	r.tries[id]++
	random := rand.New(rand.NewPCG(s.seed, h.Sum64()+uint64(r.tries[id])))
	status, header := http.StatusNoContent, http.Header{}
	switch n := random.IntN(10); {
	case r.well || n < 5:
	case n < 6:
		s.seen["receiver cannot be reached"]++
		return nil, errors.New("nobody is there")
	case n < 7:
		s.seen["receiver's answer is lost"]++
		r.order(body)
		s.deliveries.Received(id, string(body), true)
		return nil, errors.New("the answer is lost")
	case n < 8:
		s.seen["receiver asks for time"]++
		status = http.StatusTooManyRequests
		header.Set("Retry-After", fmt.Sprint(1+random.IntN(20_000)))
	default:
		s.seen["receiver fails"]++
		status = http.StatusInternalServerError
	}
	if status/100 == 2 {
		r.order(body)
	}
	s.deliveries.Received(id, string(body), status/100 == 2)
	fmt.Fprintf(s.trace, "%s is answered %d\n", id, status)
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("so it is")), Request: req}, nil
}
