package main

import (
	"errors"
	"net/url"
	"strconv"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/ledger"
)

// eventTail is how far the usage events were read: a page, and the events on it that were seen. The last page has no cursor
// of the next, so it is read again until it is full.
type eventTail struct {
	cursor string
	seen   int
}

const eventPage = 200

// follow asks the server for what has happened since the last time.
func (w *demoWorld) follow(s *demoState, t *demoTraffic) {
	s.look()
	s.replayed, s.failed = t.replayed.Load(), t.failed.Load()
	s.opened, s.closed, s.free, s.beats = t.opened.Load(), t.closed.Load(), t.free.Load(), t.beats.Load()
	for _, news := range t.news() {
		s.hear(news)
	}
	if failure := t.failure.Swap(nil); failure != nil {
		s.warning = *failure
	}
	if err := w.followEvents(s); err != nil {
		s.warn(err)
		return
	}
	for _, c := range w.customers {
		if err := errors.Join(w.followLineItems(s, c), w.followSessions(s, c)); err != nil {
			s.warn(err)
		}
	}
}

func (w *demoWorld) followEvents(s *demoState) error {
	for {
		var page api.Events
		path := "/farebox/v1/usage/events?limit=" + strconv.Itoa(eventPage) + "&cursor=" + url.QueryEscape(w.read.cursor)
		if _, err := w.admin.call("GET", path, "", nil, &page); err != nil {
			return err
		}
		for i := w.read.seen; i < len(page.Events); i++ {
			if e := &page.Events[i]; e.UsageTimeMS >= w.sinceMS {
				s.event(e)
			}
		}
		if page.Next == "" {
			w.read.seen = len(page.Events)
			return nil
		}
		w.read = eventTail{cursor: page.Next}
	}
}

func (w *demoWorld) followLineItems(s *demoState, c *demoCustomer) error {
	var all []demoWireLineItem
	if _, err := w.admin.call("GET", c.lineItems(), "", nil, &all); err != nil {
		return err
	}
	current := make([]ledger.LineItem, 0, len(all))
	for i := range all {
		if l := bookedLineItem(&all[i]); l.State != ledger.Obsolete {
			current = append(current, l)
		}
	}
	s.lineItems(c.instanceID, current)
	return nil
}

// followSessions asks for the sessions that are open, newest first.
func (w *demoWorld) followSessions(s *demoState, c *demoCustomer) error {
	var open []api.Session
	path := fareboxSessions + "?instanceId=" + url.QueryEscape(c.instanceID)
	for cursor := ""; ; {
		var page api.Sessions
		if _, err := w.admin.call("GET", path+cursor, "", nil, &page); err != nil {
			return err
		}
		open = append(open, page.Sessions...)
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + url.QueryEscape(page.Next)
	}
	s.account(c.instanceID).sessions = open
	return nil
}

// bookedLineItem reads what the API says of a line item.
func bookedLineItem(in *demoWireLineItem) ledger.LineItem {
	a := in.Attributes
	l := ledger.LineItem{
		ActivationID: in.ActivationID, InstanceID: in.InstanceID, State: ledger.State(in.State), Quantity: *in.Quantity,
		StartMS: *in.Start, EndMS: *in.End, Used: *in.Used, Elastic: *a.Elastic, Series: a.RateTableSeries,
		Overdraft: ledger.OverdraftType(a.OverdraftType), Priority: a.Priority, Kind: ledger.Kind(a.Kind),
	}
	if a.OverdraftLimit != nil {
		l.OverdraftLimit = *a.OverdraftLimit
	}
	return l
}
