package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// demoState is all that the demo shows. It changes by what the API and its callers say, and by nothing else.
type demoState struct {
	now, started time.Time
	addr         string
	hints        [][]string // commands to paste, as words
	link         string     // opens the console, once
	linkMade     time.Time
	accounts     []*demoAccount

	uses              map[demoItem]*demoUse
	recent, moves     demoFeed     // one-off requests, and what sessions did
	granted, denied   int64        // items
	split, automatic  int64        // items that more than one line item paid; those of automatic charges
	tokens, overdraft token.Amount // used: what was charged less what was given back
	back              token.Amount
	requests          pace

	replayed, failed            int64 // requests, as their callers saw it
	opened, closed, free, beats int64 // sessions, likewise

	news    []string // what happened that is worth a line, the latest last
	told    int      // how many there were in all
	warning string
}

// demoAccount is a customer and its line items, in the order in which they are drawn.
type demoAccount struct {
	id, name, instanceID string
	lineItems            []*demoLineItem
	sessions             []api.Session // that are open, newest first
	tokens               token.Amount
	pace                 pace
	silent               map[string]time.Time // until when a kind of news is not told again
}

type demoLineItem struct {
	ledger.LineItem
	pace            pace
	overdrawn, done bool // told already
}

type demoItem struct{ name, version string }

func (i demoItem) String() string {
	return strings.TrimSpace(plainText(i.name) + " " + plainText(i.version))
}

// demoUse is how much of an item was used.
type demoUse struct {
	item          demoItem
	tokens        token.Amount
	times, denied int64
}

func newDemoState(started time.Time, addr string, hints [][]string, w *demoWorld) *demoState {
	s := &demoState{now: started, started: started, addr: addr, hints: hints, uses: map[demoItem]*demoUse{}}
	for _, c := range w.customers {
		s.accounts = append(s.accounts, &demoAccount{id: c.account, name: c.name, instanceID: c.instanceID})
	}
	return s
}

// look takes the time for all that follows.
func (s *demoState) look() { s.now, s.warning = time.Now(), "" }

func (s *demoState) warn(err error) { s.warning = err.Error() }

const newsKept = 100

// tell adds a piece of news.
func (s *demoState) tell(format string, args ...any) {
	s.news = append(s.news, fmt.Sprintf(format, args...))
	s.told++
	if len(s.news) > newsKept {
		s.news = s.news[1:]
	}
}

// open is how many sessions are open.
func (s *demoState) open() (n int64) {
	for _, a := range s.accounts {
		n += int64(len(a.sessions))
	}
	return n
}

func (s *demoState) account(instanceID string) *demoAccount {
	for _, a := range s.accounts {
		if a.instanceID == instanceID {
			return a
		}
	}
	return nil
}

func (s *demoState) lineItem(instanceID, activationID string) *demoLineItem {
	if a := s.account(instanceID); a != nil {
		return a.lineItem(activationID)
	}
	return nil
}

func (a *demoAccount) lineItem(activationID string) *demoLineItem {
	for _, l := range a.lineItems {
		if l.ActivationID == activationID {
			return l
		}
	}
	return nil
}

// event books a usage event.
func (s *demoState) event(e *usage.Event) {
	feed := &s.recent
	if e.SessionID != "" {
		feed = &s.moves
	}
	c, more := feed.add(e)
	s.count(e, more)
	if e.Kind == usage.Denial {
		s.tellDenial(c)
		return
	}
	before := len(c.lineItems)
	c.pay(e)
	s.tokens, s.overdraft = s.tokens.Add(e.Tokens), s.overdraft.Add(e.Overdraft)
	s.spend(e)
	switch {
	case e.Kind == usage.Refund:
		s.back = s.back.Sub(e.Tokens)
	case before == 1 && len(c.lineItems) == 2:
		s.split++
		s.tellSplit(c)
	}
	if e.Kind == usage.AutomaticCharge && !more {
		s.automatic++
		s.tellAutomatic(c)
	}
}

// count counts the item of an event, once however many line items paid it. What is given back is no use, but less of one.
func (s *demoState) count(e *usage.Event, more bool) {
	item := demoItem{e.Item, e.ItemVersion}
	u := s.uses[item]
	if u == nil {
		u = &demoUse{item: item}
		s.uses[item] = u
	}
	if !more && e.Kind != usage.Refund {
		s.requests.add(time.UnixMilli(e.UsageTimeMS), token.FromInt(1))
	}
	switch {
	case e.Kind == usage.Denial:
		s.denied++
		u.denied++
		return
	case !more && e.Kind != usage.Refund:
		s.granted++
		u.times++
	}
	u.tokens = u.tokens.Add(e.Tokens)
}

// spend books an event on its account and line item. A line item that is not known yet comes with the next look.
func (s *demoState) spend(e *usage.Event) {
	a, at := s.account(e.InstanceID), time.UnixMilli(e.UsageTimeMS)
	if a == nil {
		return
	}
	a.tokens = a.tokens.Add(e.Tokens)
	a.pace.add(at, e.Tokens)
	l := a.lineItem(e.ActivationID)
	if l == nil {
		return
	}
	l.pace.add(at, e.Tokens)
	if e.Overdraft.Sign() > 0 && !l.overdrawn {
		l.overdrawn = true
		s.tell("%s: line item %s is in overdraft", a.id, plainText(l.ActivationID))
	}
}

// lineItems takes over what the API says of an instance's line items.
func (s *demoState) lineItems(instanceID string, current []ledger.LineItem) {
	a := s.account(instanceID)
	book := ledger.Book{}
	for i := range current {
		book.LineItems = append(book.LineItems, &current[i])
	}
	book.Sort()
	next := make([]*demoLineItem, len(book.LineItems))
	for i, l := range book.LineItems {
		if next[i] = a.lineItem(l.ActivationID); next[i] == nil {
			next[i] = new(demoLineItem)
		}
		if next[i].Quantity != l.Quantity {
			next[i].done = false // it was topped up
		}
		next[i].LineItem = *l
	}
	a.lineItems = next
	for _, l := range a.lineItems {
		s.tellEnd(a, l)
	}
}

func (s *demoState) tellEnd(a *demoAccount, l *demoLineItem) {
	left := l.Balance()
	end := ""
	switch {
	case l.ended(s.now) && left.Sign() > 0:
		end = "has ended with " + amount(left, 2) + " tokens left"
	case left.Sign() > 0:
		return
	case l.Overdraft == ledger.NoOverdraft:
		end = "is used up"
	case l.Overdraft == ledger.NumberOverdraft && l.overdraftLeft(s.now).Sign() <= 0:
		end = "has used all of its overdraft"
	default:
		return
	}
	if !l.done {
		l.done = true
		s.tell("%s: line item %s %s", a.id, plainText(l.ActivationID), end)
	}
}

func (s *demoState) tellDenial(c *demoCharge) {
	if a := s.accountOf(c); a != nil && a.mayTell("denied "+string(c.status), c.at) {
		s.tell("%s: %s was denied %s x %s: %s", a.id, c.requester, c.item, amountShort(c.count), c.status.Description())
	}
}

func (s *demoState) tellSplit(c *demoCharge) {
	if a := s.accountOf(c); a != nil && a.mayTell("split", c.at) {
		s.tell("%s: %s x %s was split over %s", a.id, c.item, amountShort(c.count), strings.Join(c.lineItems, " and "))
	}
}

func (s *demoState) tellAutomatic(c *demoCharge) {
	if a := s.accountOf(c); a != nil && a.mayTell("automatic", c.at) {
		s.tell("%s: a session of %s was charged for its next period of %s", a.id, c.requester, c.item)
	}
}

// hear passes on what a caller tells.
func (s *demoState) hear(n demoNews) {
	for _, a := range s.accounts {
		if a.id == n.account && a.mayTell(n.kind, s.now) {
			s.tell("%s: %s", a.id, n.text)
		}
	}
}

func (s *demoState) accountOf(c *demoCharge) *demoAccount {
	for _, a := range s.accounts {
		if a.id == c.account {
			return a
		}
	}
	return nil
}

// silence keeps news that come in bursts apart.
const silence = 10 * time.Second

func (a *demoAccount) mayTell(kind string, at time.Time) bool {
	if a.silent == nil {
		a.silent = map[string]time.Time{}
	}
	if at.Before(a.silent[kind]) {
		return false
	}
	a.silent[kind] = at.Add(silence)
	return true
}

func (l *demoLineItem) ended(now time.Time) bool { return now.UnixMilli() >= l.EndMS }

// balance is what is left of the quantity and may still be used.
func (l *demoLineItem) balance(now time.Time) token.Amount {
	if l.ended(now) {
		return token.Amount{}
	}
	return l.Balance()
}

// overdraftLeft is what is left of a Number overdraft.
func (l *demoLineItem) overdraftLeft(now time.Time) token.Amount {
	if l.ended(now) || l.Overdraft != ledger.NumberOverdraft {
		return token.Amount{}
	}
	return token.FromInt(l.OverdraftLimit).Sub(l.OverdraftUsed())
}

// nearlyNothing reports whether an amount is so little of the quantity that hardly anything can be paid with it.
func (l *demoLineItem) nearlyNothing(a token.Amount) bool {
	return token.MulHalfEven(a, token.FromInt(100)).Less(token.FromInt(l.Quantity))
}

// topUses returns the items that took the most tokens.
func (s *demoState) topUses() []*demoUse {
	all := make([]*demoUse, 0, len(s.uses))
	for _, u := range s.uses {
		if u.times > 0 {
			all = append(all, u)
		}
	}
	slices.SortFunc(all, func(x, y *demoUse) int {
		return cmp.Or(y.tokens.Cmp(x.tokens), cmp.Compare(x.item.String(), y.item.String()))
	})
	return all
}

// pace is what was used in the last seconds. What is given back may be of charges before them, and then outweigh the others.
type pace struct {
	first  int64 // second in which it began
	second [paceSeconds]int64
	amount [paceSeconds]token.Amount
}

const paceSeconds = 8

func (p *pace) add(at time.Time, a token.Amount) {
	second := at.Unix()
	if p.first == 0 {
		p.first = second
	}
	i := second % paceSeconds
	if p.second[i] != second {
		p.second[i], p.amount[i] = second, token.Amount{}
	}
	p.amount[i] = p.amount[i].Add(a)
}

// perSecond is the mean of the last seconds, without the one that has not passed yet; it is never less than nothing.
func (p *pace) perSecond(now time.Time) token.Amount {
	second := now.Unix()
	seconds := min(paceSeconds-1, second-p.first)
	if p.first == 0 || seconds <= 0 {
		return token.Amount{}
	}
	var sum token.Amount
	for i := range p.second {
		if p.second[i] < second && p.second[i] >= second-seconds {
			sum = sum.Add(p.amount[i])
		}
	}
	if sum.Sign() < 0 {
		return token.Amount{}
	}
	return token.DivDown(sum, token.FromInt(seconds))
}
