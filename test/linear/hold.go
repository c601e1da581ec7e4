package linear

import (
	"fmt"
	"net/http"
	"slices"
)

// hold is one that keeps tokens, or a lease that does.
type hold struct {
	id       string
	lineItem int
	keeps    int
	lease    string // its text; empty: it is none
	used     int    // of a lease, as it was reported
	moves    int
}

// root is where the Farebox API is.
const root = "/farebox/v1"

// hold keeps tokens back, by a hold or a lease.
func (c *caller) hold(i, amount int) {
	h := &hold{lineItem: i, keeps: amount}
	lease := c.random.IntN(2) == 0
	told := c.record(i, Ask{Verb: Hold, Amount: amount}, func() Told {
		var made struct{ HoldID, LeaseID, Lease string }
		path, body := "/holds", fmt.Sprintf(`{"requester":{"type":"user","value":"mia"},"requestedItems":[{"item":"x","count":%d}],"ttl":3600}`, amount)
		if lease {
			path = "/leases"
			body = fmt.Sprintf(`{"client":"phone","requester":{"type":"user","value":"mia"},"items":[{"item":"x"}],"tokens":%d,"ttl":3600}`, amount)
		}
		switch status, text := c.send("POST", root+"/instances/"+c.instances[i]+path, "", body); status {
		case http.StatusOK, http.StatusCreated:
			c.read(text, &made)
			h.id, h.lease = made.HoldID+made.LeaseID, made.Lease
			return Told{Tokens: amount}
		case http.StatusForbidden:
		default:
			c.Errorf("a hold: %d %s", status, text)
		}
		return Told{}
	})
	if told.Tokens > 0 {
		c.holds = append(c.holds, h)
	}
}

// moveHold settles, reports of or gives back one of the caller's holds, some of them twice in the name of one key.
func (c *caller) moveHold() {
	at := c.random.IntN(len(c.holds))
	h := c.holds[at]
	h.moves++
	ask := Ask{Verb: Part, Amount: c.random.IntN(h.keeps + 3), Held: h.keeps, Key: fmt.Sprint(h.id, "-", h.moves)}
	switch {
	case c.random.IntN(4) == 0:
		c.record(h.lineItem, Ask{Verb: Release, Held: h.keeps}, func() Told { return c.release(h) })
		c.holds = slices.Delete(c.holds, at, at+1)
		return
	case h.lease != "":
		ask.Amount = c.random.IntN(h.keeps + 1) // it is not of more
	}
	if c.random.IntN(2) == 0 {
		ask.Verb = Settle
	}
	if h.lease != "" && ask.Amount == 0 && ask.Verb == Part {
		return // it tells nothing
	}
	h.used += ask.Amount
	for range 1 + c.random.IntN(2) {
		c.record(h.lineItem, ask, func() Told { return c.settle(h, ask) })
	}
	if h.keeps = max(0, h.keeps-ask.Amount); ask.Verb == Settle {
		c.holds = slices.Delete(c.holds, at, at+1)
	}
}

func (c *caller) release(h *hold) Told {
	path := "/holds/"
	if h.lease != "" {
		path = "/leases/"
	}
	c.must("DELETE", root+path+h.id, "", "", nil)
	return Told{}
}

// settle says what was settled by a call, which is what the answer says of its items.
func (c *caller) settle(h *hold, ask Ask) (t Told) {
	var got struct {
		RequestedItems, Charged []struct{ TotalTokensCharged int }
	}
	if h.lease != "" {
		body := fmt.Sprintf(`{"lease":%q,"items":[{"item":"x","count":%d}],"final":%t}`, h.lease, h.used, ask.Verb == Settle)
		c.must("POST", root+"/leases/"+h.id+"/report", ask.Key, body, &got)
	} else {
		body := fmt.Sprintf(`{"requestedItems":[{"item":"x","count":%d}],"final":%t}`, ask.Amount, ask.Verb == Settle)
		c.must("POST", root+"/holds/"+h.id+"/settle", ask.Key, body, &got)
	}
	for _, item := range append(got.RequestedItems, got.Charged...) {
		t.Tokens += item.TotalTokensCharged
	}
	return t
}

// balance asks how a line item stands, with what is held of it.
func (c *caller) balance(i int) (t Told) {
	var b struct {
		LineItems []struct {
			ActivationID         string
			Quantity, Used, Held int
		}
	}
	c.must("GET", root+"/instances/"+c.instances[i]+"/balance", "", "", &b)
	if len(b.LineItems) != 1 {
		c.Errorf("%d line items", len(b.LineItems))
		return t
	}
	return Told{Used: b.LineItems[0].Used, Quantity: b.LineItems[0].Quantity, Held: b.LineItems[0].Held}
}
