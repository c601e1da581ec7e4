package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/farebox/farebox/api"
)

// HoldRequest asks for tokens to be kept back while work runs: an estimate of what it will come to.
type HoldRequest struct {
	InstanceID string
	Requester  Requester
	Items      []Item
	// TTL is how long the hold outlives a caller that dies: 1 s to 24 h in whole seconds; 0: a minute. While work runs it is extended every third of it.
	TTL time.Duration
}

const usualTTL = time.Minute

// endPatience is how long the end of a hold or a session is tried, also when the caller's context is over by then.
const endPatience = 30 * time.Second

// Errors that end the context of a Held.
var (
	// ErrLapsed: the hold could not be extended in time. What it comes to is booked all the same, from what the line items have then.
	ErrLapsed = errors.New("the hold has lapsed, since Farebox could not be reached to extend it")
	errDone   = errors.New("the work is done")
)

// Unsettled is the error of Hold when the work was done and its settlement was not answered. It may have been booked: send it again, with
//
//	c.SettleHold(ctx, u.HoldID, u.Settlement, client.SettlementKey(u.HoldID))
//
// which counts once, for 7 days after the hold would have lapsed. In between nobody else can use what is held, until it lapses.
type Unsettled struct {
	HoldID     string
	Settlement api.HoldSettlement
	Cause      error
}

func (u *Unsettled) Error() string {
	return fmt.Sprintf("hold %s: its settlement was not answered; send it again: %v", u.HoldID, u.Cause)
}

// Unwrap returns why.
func (u *Unsettled) Unwrap() error { return u.Cause }

// SettlementKey is the idempotency key under which Hold settles for good; so somebody else can settle after it, and it counts once.
func SettlementKey(holdID string) With { return Key("settle-" + holdID) }

// Held is a hold while its work runs. Its methods are safe for concurrent use.
type Held struct {
	client  *Client
	request *HoldRequest
	made    *api.HoldAnswer
	ctx     context.Context
	ttl     time.Duration

	mu   sync.Mutex
	told *[]Item
}

// ID names the hold.
func (h *Held) ID() string { return h.made.HoldID }

// Made is what the hold was answered with.
func (h *Held) Made() *api.HoldAnswer { return h.made }

// Context ends with the caller's, with the work, and when the hold can be kept no more: its cause is ErrLapsed then, or the refusal of an extension since somebody
// has released the hold.
func (h *Held) Context() context.Context { return h.ctx }

// Used tells what the work has come to so far, in place of what was told before. The last that was told is what is settled, also when the work fails after.
// Nothing at all means that it came to nothing.
func (h *Held) Used(items ...Item) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = &items
}

func (h *Held) used() *[]Item {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told
}

// Settle books a part of the work now, for good; the rest stays held. It is apart from what is told by Used.
func (h *Held) Settle(ctx context.Context, items []Item, with ...With) (*api.HoldAnswer, error) {
	settlement, err := settlementOf(items, false)
	if err != nil {
		return nil, err
	}
	return h.client.SettleHold(ctx, h.ID(), settlement, with...)
}

// Hold keeps tokens back, does the work, and settles for what that says it came to. If the tokens do not suffice, the work is not done and the error is a *Denied.
//
//   - The work tells what it used with Used: that is settled, whether it returns an error, panics, or its caller goes away.
//   - If it told nothing and fails or panics, the hold is released: nothing is charged.
//   - If it told nothing and succeeds, the estimate is settled.
//
// The answer is that of the settlement or release. The end is tried for half a minute, also when ctx is over. A *Unsettled says that it was not answered even
// so. If the process dies, the hold lapses. A caller who goes away while the hold is made leaves none, unless with a Key, by which it can be asked for again. Under the Key of a hold
// that was released, or has lapsed, the work is not done: it is refused (409).
func (c *Client) Hold(ctx context.Context, r *HoldRequest, work func(*Held) error, with ...With) (answer *api.HoldAnswer, err error) {
	h := &Held{client: c, request: r, ttl: r.TTL}
	if h.ttl == 0 {
		h.ttl = usualTTL
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	theirs := (&call{}).with(with)
	replayed := cmp.Or(theirs.replayed, new(bool))
	with = []With{Key(cmp.Or(theirs.key, c.newKey())), Replayed(replayed)}
	begun := time.Now()
	if h.made, err = c.makeHold(ctx, r, h.ttl, with); err != nil {
		if theirs.key == "" && ctx.Err() != nil && !isAnswer(err) {
			c.forgo(ctx, r, h.ttl, with)
		}
		return nil, err
	}
	if *replayed && theirs.key != "" {
		begun = time.Now()
		if err := h.goesOn(ctx); err != nil {
			return nil, err
		}
	}
	held, cancel := context.WithCancelCause(ctx)
	h.ctx = held
	var keeping sync.WaitGroup
	keeping.Go(func() { h.keep(begun, cancel) })
	worked := false
	defer func() {
		cancel(errDone)
		keeping.Wait()
		var ended error
		answer, ended = h.end(ctx, worked && err == nil)
		if err == nil || ended != nil {
			err = errors.Join(err, ended)
		}
	}()
	err = work(h)
	worked = true
	return nil, err
}

// goesOn extends the hold of an earlier call with the same key. It fails when that is over, so that work could not be paid for from it; but what was settled
// is paid for, and counts once.
func (h *Held) goesOn(ctx context.Context) error {
	if _, err := h.client.ExtendHold(ctx, h.ID(), h.ttl); StatusOf(err) != http.StatusConflict {
		return err
	}
	is, err := h.client.HoldByID(ctx, h.ID())
	if err != nil {
		return err
	}
	what, over := map[string]string{"RELEASED": "was released before", "LAPSED": "has lapsed"}[is.State]
	if !over {
		return nil
	}
	operation := http.MethodPost + " " + path(fareboxRoot+"/instances", h.request.InstanceID, "holds")
	return &Refusal{Operation: operation, Status: http.StatusConflict, Detail: "the hold of this key " + what + ": use another key to try again"}
}

// isAnswer reports whether the server said so.
func isAnswer(err error) bool {
	_, denied := errors.AsType[*Denied](err)
	return denied || StatusOf(err) != 0
}

// forgo releases a hold of whose making the caller did not await the answer: nobody else knows its key.
func (c *Client) forgo(ctx context.Context, r *HoldRequest, ttl time.Duration, with []With) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
	defer cancel()
	if made, err := c.makeHold(ctx, r, ttl, with); err == nil {
		_, _ = c.ReleaseHold(ctx, made.HoldID) // else it lapses
	}
}

func (c *Client) makeHold(ctx context.Context, r *HoldRequest, ttl time.Duration, with []With) (*api.HoldAnswer, error) {
	requester, items, err := wire(&r.Requester, r.Items)
	if err != nil {
		return nil, err
	}
	seconds := int64(ttl / time.Second)
	return c.MakeHold(ctx, r.InstanceID, api.NewHold{Requester: requester, RequestedItems: items, TTL: &seconds}, with...)
}

// keep extends the hold while work runs, and ends its context when it cannot.
func (h *Held) keep(since time.Time, lost context.CancelCauseFunc) {
	pause := h.ttl / 3
	for {
		if wait(h.ctx, pause) != nil {
			return
		}
		// The hold lives until since+ttl at least: that long after the request for it was sent.
		asked := time.Now()
		ctx, cancel := context.WithDeadline(h.ctx, since.Add(h.ttl))
		_, err := h.client.ExtendHold(ctx, h.ID(), h.ttl)
		cancel()
		refusal, refused := errors.AsType[*Refusal](err)
		switch {
		case err == nil:
			since, pause = asked, h.ttl/3
		case refused && !refusal.temporary():
			lost(err)
			return
		case time.Since(since) >= h.ttl:
			lost(ErrLapsed)
			return
		default:
			pause = h.ttl / 12
		}
	}
}

// end settles or releases, whatever has become of the caller's context.
func (h *Held) end(ctx context.Context, succeeded bool) (*api.HoldAnswer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
	defer cancel()
	told := h.used()
	if told == nil && !succeeded {
		answer, err := h.client.ReleaseHold(ctx, h.ID())
		if err != nil {
			return nil, fmt.Errorf("hold %s could not be released, and lapses: %w", h.ID(), err)
		}
		return answer, nil
	}
	if told == nil {
		told = &h.request.Items
	}
	settlement, err := settlementOf(*told, true)
	if err != nil {
		return nil, err
	}
	answer, err := h.client.SettleHold(ctx, h.ID(), settlement, SettlementKey(h.ID()))
	if refusal, refused := errors.AsType[*Refusal](err); err != nil && (!refused || refusal.temporary()) {
		return nil, &Unsettled{HoldID: h.ID(), Settlement: settlement, Cause: err}
	}
	return answer, err
}

func settlementOf(items []Item, final bool) (api.HoldSettlement, error) {
	wired, err := wireItems(items)
	settled := make([]api.SettledItem, len(wired))
	for i := range wired {
		settled[i] = api.SettledItem(wired[i])
	}
	return api.HoldSettlement{RequestedItems: &settled, Final: &final}, err
}

// MakeHold keeps tokens back for some seconds. If they do not suffice the error is a *Denied.
func (c *Client) MakeHold(ctx context.Context, instanceID string, n api.NewHold, with ...With) (*api.HoldAnswer, error) {
	made, err := read[*api.HoldAnswer](ctx, c, send(http.MethodPost, path(fareboxRoot+"/instances", instanceID, "holds"), n, with))
	if err != nil {
		return nil, orDenied(err)
	}
	return made, nil
}

const holdsPath = fareboxRoot + "/holds"

// Holds are the live holds of an instance, newest first.
func (c *Client) Holds(ctx context.Context, instanceID string) iter.Seq2[api.Hold, error] {
	first := get(holdsPath, query("instanceId", instanceID))
	return pages(ctx, c, first, func(p *api.Holds) ([]api.Hold, *call) { return p.Holds, first.turned("cursor", p.Next) })
}

// HoldByID returns a hold as it stands, also one that is over.
func (c *Client) HoldByID(ctx context.Context, holdID string) (*api.Hold, error) {
	return read[*api.Hold](ctx, c, get(path(holdsPath, holdID), nil))
}

// ExtendHold has a live hold lapse so long from now (1 s to 24 h, in whole seconds), if that is later than it would.
func (c *Client) ExtendHold(ctx context.Context, holdID string, ttl time.Duration, with ...With) (*api.HoldAnswer, error) {
	seconds := int64(ttl / time.Second)
	return read[*api.HoldAnswer](ctx, c, send(http.MethodPost, path(holdsPath, holdID, "extend"), api.HoldExtension{TTL: &seconds}, with))
}

// SettleHold books what finished work came to, in full; what nothing covered is told as Overdrawn.
func (c *Client) SettleHold(ctx context.Context, holdID string, s api.HoldSettlement, with ...With) (*api.HoldAnswer, error) {
	return read[*api.HoldAnswer](ctx, c, send(http.MethodPost, path(holdsPath, holdID, "settle"), s, with))
}

// ReleaseHold gives back all that a hold still keeps. To release one again does nothing.
func (c *Client) ReleaseHold(ctx context.Context, holdID string, with ...With) (*api.HoldAnswer, error) {
	return read[*api.HoldAnswer](ctx, c, send(http.MethodDelete, path(holdsPath, holdID), nil, with))
}
