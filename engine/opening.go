package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// opening is what was rebuilt from receipts that were removed, as the books keep it: the state that Verify begins from.
type opening struct {
	Receipts  int64             `json:"receipts"`
	Events    int64             `json:"events"`
	MadeMS    int64             `json:"madeMs"`
	LineItems []openingLine     `json:"lineItems"`
	Actions   []openingAction   `json:"actions,omitzero"`
	Consumed  []openingConsumed `json:"consumed,omitzero"`
	Sessions  []openingSession  `json:"sessions,omitzero"`
	Ended     sessionSum        `json:"ended"`
	Covers    []openingCover    `json:"covers,omitzero"`
	Holds     []openingHold     `json:"holds,omitzero"`
}

type openingLine struct {
	Number  int64        `json:"number"`
	Used    token.Amount `json:"used"`
	ResetMS int64        `json:"resetMs,omitzero"`
}

type openingAction struct {
	Number   int64        `json:"number"`
	ActionID string       `json:"actionId"`
	Used     token.Amount `json:"used"`
}

type openingRequester struct {
	InstanceID string `json:"instanceId"`
	Type       string `json:"type"`
	Value      string `json:"value"`
}

type openingConsumed struct {
	openingRequester
	Number  int64        `json:"number"`
	SinceMS int64        `json:"sinceMs"`
	Tokens  token.Amount `json:"tokens"`
	GoneMS  int64        `json:"goneMs,omitzero"`
}

type openingSession struct {
	ID         string       `json:"id"`
	InstanceID string       `json:"instanceId"`
	State      access.State `json:"state"`
	FromMS     int64        `json:"fromMs"`
	UntilMS    int64        `json:"untilMs"`
	Net        token.Amount `json:"net"`
}

type openingHold struct {
	ID         string `json:"id"`
	InstanceID string `json:"instanceId"`
	CreatedMS  int64  `json:"created"`
	GoneMS     int64  `json:"goneMs,omitzero"`
	access.Holding
}

type openingCover struct {
	openingRequester
	Item    string       `json:"item"`
	Version string       `json:"version"`
	Count   token.Amount `json:"count"`
	UntilMS int64        `json:"untilMs"`
}

// openingOf returns what the receipts came to that were removed: nothing, if none was.
func openingOf(r store.Reader) (*rebuilt, error) {
	b := newRebuilt()
	text, err := r.Opening()
	if err != nil || text == nil {
		return b, err
	}
	var o opening
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("the opening state of the record: %w", err)
	}
	b.receipts, b.events, b.madeMS, b.ended = o.Receipts, o.Events, o.MadeMS, o.Ended
	for _, l := range o.LineItems {
		b.balances[l.Number] = usage.Balance{Used: l.Used, ResetMS: l.ResetMS}
	}
	for _, a := range o.Actions {
		b.actions[usage.ActionKey{Number: a.Number, ActionID: a.ActionID}] = a.Used
	}
	for _, c := range o.Consumed {
		key := usage.ConsumedKey{RequesterKey: ledger.RequesterKey(c.openingRequester), PeriodKey: ledger.PeriodKey{Number: c.Number, SinceMS: c.SinceMS}}
		b.consumed[key] = rebuiltConsumed{c.Tokens, c.GoneMS}
	}
	for _, s := range o.Sessions {
		b.sessions[s.ID] = &rebuiltSession{s.InstanceID, s.State, s.FromMS, s.UntilMS, s.Net, false}
	}
	for _, h := range o.Holds {
		b.holds[h.ID] = &rebuiltHold{h.InstanceID, h.CreatedMS, h.GoneMS, h.Holding, false}
	}
	for _, c := range o.Covers {
		key := ledger.CoverKey{RequesterKey: ledger.RequesterKey(c.openingRequester), ItemKey: ledger.ItemKey{Item: c.Item, Version: c.Version}}
		b.covers[key] = rebuiltCover{c.Count, c.UntilMS}
	}
	return b, nil
}

// opening writes down what was rebuilt. Sessions that have ended go into their sum.
func (b *rebuilt) opening() ([]byte, error) {
	o := opening{Receipts: b.receipts, Events: b.events, MadeMS: b.madeMS, LineItems: make([]openingLine, 0, len(b.balances))}
	for number, l := range b.balances {
		o.LineItems = append(o.LineItems, openingLine{number, l.Used, l.ResetMS})
	}
	for key, used := range b.actions {
		o.Actions = append(o.Actions, openingAction{key.Number, key.ActionID, used})
	}
	for key, c := range b.consumed {
		o.Consumed = append(o.Consumed, openingConsumed{openingRequester(key.RequesterKey), key.Number, key.SinceMS, c.tokens, c.goneMS})
	}
	for id, s := range b.sessions {
		if s.state == access.Terminated {
			b.ended.add(id, s)
			delete(b.sessions, id)
			continue
		}
		o.Sessions = append(o.Sessions, openingSession{id, s.instanceID, s.state, s.fromMS, s.untilMS, s.net})
	}
	o.Ended = b.ended
	for id, h := range b.holds {
		o.Holds = append(o.Holds, openingHold{id, h.instanceID, h.createdMS, h.goneMS, h.Holding})
	}
	for key, c := range b.covers {
		o.Covers = append(o.Covers, openingCover{openingRequester(key.RequesterKey), key.Item, key.Version, c.count, c.untilMS})
	}
	return json.Marshal(&o)
}

// forget drops what no later receipt goes on from and the books have forgotten: covers; and holds and consumption once all receipts are gone, too,
// that were made before they were forgotten.
func (b *rebuilt) forget(r store.Reader, nowMS int64) error {
	covers, consumed := map[ledger.CoverKey]bool{}, map[usage.ConsumedKey]bool{}
	err := r.EachCover(func(c *ledger.Cover) error { covers[c.CoverKey] = true; return nil })
	if err != nil {
		return err
	}
	err = r.EachConsumed(func(c *ledger.Consumed) error {
		consumed[usage.ConsumedKey{RequesterKey: c.RequesterKey, PeriodKey: c.PeriodKey}] = true
		return nil
	})
	if err == nil {
		err = b.forgetHolds(r, nowMS)
	}
	for key := range b.covers {
		if !covers[key] {
			delete(b.covers, key)
		}
	}
	for key, c := range b.consumed {
		if b.unneeded(&c.goneMS, consumed[key], nowMS) {
			delete(b.consumed, key)
			continue
		}
		b.consumed[key] = c
	}
	return err
}

func (b *rebuilt) forgetHolds(r store.Reader, nowMS int64) error {
	there := map[string]bool{}
	err := r.EachHold(func(h *access.Hold) error { there[h.ID] = true; return nil })
	for id, h := range b.holds {
		if err == nil && b.unneeded(&h.goneMS, there[id], nowMS) {
			delete(b.holds, id)
		}
	}
	return err
}

// unneeded reports whether no receipt that is still there can go on from something. Since when the books have forgotten it is noted.
func (b *rebuilt) unneeded(goneMS *int64, there bool, nowMS int64) bool {
	switch {
	case there:
		*goneMS = 0
	case *goneMS == 0:
		*goneMS = nowMS
	}
	return *goneMS != 0 && *goneMS+settle.Milliseconds() < b.madeMS
}

// sessionSum stands for any number of sessions that have ended: the sum of their hashes, in whatever order they are added. There is nothing
// to follow of them any more, and an opening state that named each would grow for ever.
type sessionSum struct {
	Sessions int64     `json:"sessions"`
	Sum      [4]uint64 `json:"sum"`
}

func (s *sessionSum) add(id string, of *rebuiltSession) {
	hash := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d %d %s", id, of.instanceID, of.state, of.fromMS, of.untilMS, of.net))
	s.Sessions++
	var carry uint64
	for i := range s.Sum {
		s.Sum[i], carry = bits.Add64(s.Sum[i], binary.BigEndian.Uint64(hash[8*i:]), carry)
	}
}
