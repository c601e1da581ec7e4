package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/api"
)

// demoSeat is somebody at an application that works in sessions: it is charged a whole period ahead for what is in use, and
// gets back what was not used of it.
type demoSeat struct {
	who      demoRequester
	sessions string       // the path of the API that the application speaks
	visits   [][]demoStay // one after the other, and again
}

// demoStay is a part of a session.
type demoStay struct {
	uses  demoAsk // nothing is a halt
	lasts time.Duration
}

// The Farebox API also forecasts and says what a session cost; the reference API is what older applications speak.
const (
	fareboxSessions   = "/farebox/v1/sessions"
	referenceSessions = "/dynamicmonetization/api/v1.1/sessions"
)

// demoFreeSeconds is short, so that a few seconds show sessions that cost nothing as well as others.
const demoFreeSeconds = 3

var (
	useRender = demoAsk{need("render.seat", "", "1", 1, 1)}
	useCAD    = demoAsk{need("cad.seat", "", "1", 1, 1)}
	useSolver = demoAsk{need("cad.seat", "", "1", 1, 1), need("solver.core", "", "1", 4, 12)}
	useDay    = demoAsk{need("viewer.day", "", "1", 1, 1)}
	useAgents = demoAsk{need("agent.seat", "", "1", 2, 2)}

	acmeSeats = []demoSeat{{
		who:      demoRequester{name: "dana", kind: "user", department: "design", project: "coupe"},
		sessions: fareboxSessions, visits: [][]demoStay{{{useRender, 1500 * time.Millisecond}}, {{useRender, 4500 * time.Millisecond}}},
	}}
	nordwindSeats = []demoSeat{{
		who:      demoRequester{name: "sven", kind: "user", department: "towers", project: "harbour"},
		sessions: fareboxSessions, visits: [][]demoStay{{
			{useCAD, 2 * time.Second}, {useSolver, 2500 * time.Millisecond}, {nil, 1500 * time.Millisecond}, {useCAD, 1500 * time.Millisecond},
		}},
	}, {
		who:      demoRequester{name: "jana", kind: "user", department: "rotors", project: "offshore-9"},
		sessions: referenceSessions, visits: [][]demoStay{{{useDay, 2 * time.Second}}},
	}}
	lumenSeats = []demoSeat{{ // there as long as the demo: charged again every period, and owes heartbeats
		who:      demoRequester{name: "agents", kind: "service", department: "support", project: "tickets"},
		sessions: fareboxSessions, visits: [][]demoStay{{{useAgents, aYear}}},
	}}
)

// betweenVisits is the mean pause before a session is opened.
const betweenVisits = time.Second

// sit lets a seat open one session after the other until ctx ends; the last one is closed then, too.
func (t *demoTraffic) sit(ctx context.Context, c *demoCustomer, seat *demoSeat) {
	random := newRandom()
	for i := 0; pause(ctx, about(betweenVisits, random)); i++ {
		s := &demoSession{traffic: t, customer: c, seat: seat, random: random}
		if err := s.visit(ctx, seat.visits[i%len(seat.visits)]); err != nil {
			t.fail(err)
		}
	}
}

// about returns something between half and one and a half of a time.
func about(d time.Duration, random *rand.Rand) time.Duration {
	return d/2 + time.Duration(random.Int64N(int64(d)))
}

// demoSession is an application's side of a session.
type demoSession struct {
	traffic  *demoTraffic
	customer *demoCustomer
	seat     *demoSeat
	random   *rand.Rand
	id       string
}

func (s *demoSession) visit(ctx context.Context, stays []demoStay) error {
	if err := s.open(); err != nil {
		return err
	}
	err := s.live(ctx, stays)
	return errors.Join(err, s.close())
}

// live goes from stay to stay, until one is denied or the session or ctx ends.
func (s *demoSession) live(ctx context.Context, stays []demoStay) error {
	for i := range stays {
		granted, err := s.use(stays[i].uses)
		if err != nil || !granted {
			return err
		}
		if goesOn, err := s.stay(ctx, stays[i].lasts); err != nil || !goesOn {
			return err
		}
	}
	return nil
}

// call calls the session's own resource, or a part of it.
func (s *demoSession) call(method, part string, in, out any) error {
	key := ""
	if method != http.MethodGet {
		key = uuid.Must(uuid.NewV7()).String()
	}
	path := s.seat.sessions
	if s.id != "" {
		path += "/" + s.id + part
	}
	_, err := s.customer.client.call(method, path, key, in, out)
	return err
}

func (s *demoSession) open() error {
	var created api.SessionID
	if err := s.call(http.MethodPost, "", api.NewSession{InstanceID: s.customer.instanceID}, &created); err != nil {
		return err
	}
	s.id = created.SessionID
	s.traffic.opened.Add(1)
	return nil
}

// use says all that is in use from now on. It reports whether that was granted; else all stays as it was.
func (s *demoSession) use(uses demoAsk) (granted bool, err error) {
	before, err := s.look()
	if err != nil {
		return false, err
	}
	items, rollback := s.seat.who.items(uses, s.random), true
	request := api.SessionRequest[api.RequestedItemV11]{Requester: s.seat.who.requester(), RollbackOnDeny: &rollback, RequestedItems: &items}
	var answer api.SessionAnswer
	err = s.call(http.MethodPut, "", request, &answer)
	if isRefused(err) {
		return false, nil
	}
	if err == nil {
		err = s.tellUse(before, &answer)
	}
	return err == nil, err
}

// isRefused reports whether an answer is what an application has to live with: its items are denied, in the body that a
// granted request has, too, or its session has ended.
func isRefused(err error) bool {
	refusal, ok := errors.AsType[*demoRefusal](err)
	if !ok || refusal.status != http.StatusForbidden {
		return ok && refusal.status == http.StatusConflict
	}
	var answer api.SessionAnswer
	return json.Unmarshal(refusal.body, &answer) == nil && len(answer.RequestedItems) > 0
}

// lookEvery is how often an application looks after its session.
const lookEvery = time.Second

// stay lets time pass, and sends the heartbeats that are owed. It returns false when ctx or the session has ended.
func (s *demoSession) stay(ctx context.Context, lasts time.Duration) (goesOn bool, err error) {
	for end := time.Now().Add(about(lasts, s.random)); time.Now().Before(end); {
		if !pause(ctx, min(lookEvery, time.Until(end))) {
			return false, nil
		}
		now, err := s.look()
		if err != nil {
			return false, err
		}
		if now.State == string(access.Terminated) {
			s.tell("ended", "a session of %s has ended: %s", s.seat.who.name, now.Reason)
			return false, nil
		}
		if now.HeartbeatDue != 0 {
			if err := s.beat(); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (s *demoSession) look() (now api.Session, err error) {
	err = s.call(http.MethodGet, "", nil, &now)
	return now, err
}

func (s *demoSession) beat() error {
	if err := s.call(http.MethodGet, "/heartbeat", nil, nil); err != nil {
		return err
	}
	s.traffic.beats.Add(1)
	s.tell("heartbeat", "%s sent the heartbeat that is owed after an automatic charge", s.seat.who.name)
	return nil
}

// close may find that the session has ended, which is no error.
func (s *demoSession) close() error {
	before, err := s.look()
	if err != nil {
		return err
	}
	if err := s.call(http.MethodDelete, "", nil, nil); err != nil {
		return err
	}
	s.traffic.closed.Add(1)
	after, err := s.look()
	back := before.TokensCharged.Sub(after.TokensCharged)
	switch name := s.seat.who.name; {
	case back.Sign() <= 0:
	case after.TokensCharged.IsZero():
		s.traffic.free.Add(1)
		s.tell("free", "%s closed a session within %d seconds, for free: %s tokens given back", name, demoFreeSeconds, amount(back, 2))
	default:
		s.tell("closed", "%s closed a session: %s tokens given back, %s were used", name, amount(back, 2), amount(after.TokensCharged, 2))
	}
	return err
}

// tellUse tells what came of a granted request.
func (s *demoSession) tellUse(before api.Session, answer *api.SessionAnswer) error {
	name := s.seat.who.name
	for i := range answer.RequestedItems {
		item := &answer.RequestedItems[i]
		if item.CoveredUntil != 0 && item.TotalTokensCharged.IsZero() {
			s.tell("covered", "%s used %s for 0 tokens, paid for until %s", name, item.Item, time.UnixMilli(item.CoveredUntil).Format("Monday 15:04"))
		}
	}
	switch {
	case len(answer.RequestedItems) == 0:
		now, err := s.look()
		s.tell("halted", "%s halted a session: %s tokens given back", name, amount(before.TokensCharged.Sub(now.TokensCharged), 2))
		return err
	case len(before.Items) > 0:
		s.tell("changed", "%s changed what a session uses: %s", name, usesText(answer.RequestedItems))
	}
	return nil
}

func usesText(items []api.AnsweredItem) string {
	text := ""
	for i := range items {
		if i > 0 {
			text += " and "
		}
		text += items[i].Item + " x " + amountShort(items[i].Count)
	}
	return text
}

func (s *demoSession) tell(kind, format string, args ...any) {
	s.traffic.tell(s.customer, kind, format, args...)
}
