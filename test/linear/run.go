package linear

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/server"
	"github.com/farebox/farebox/store"
)

// Histories are of so many callers and calls of each, on so many line items.
const (
	histories = 3
	callers   = 8
	calls     = 30
	lineItems = 3
)

// Run has histories of concurrent calls over HTTP checked, on new stores that open returns: each has a server, and all of them the same books.
func Run(t *testing.T, open func(testing.TB) []store.Store) {
	for range histories {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			history := Record(t, open(t), seed, nil)
			if got := Check(history); got != porcupine.Ok {
				t.Errorf("the history of %d calls is %s:\n%s", len(history), got, text(history))
			}
		})
	}
}

func text(history []porcupine.Operation) string {
	var b bytes.Buffer
	for _, op := range history {
		fmt.Fprintf(&b, "%d by %d until %d: %+v %+v\n", op.Call, op.ClientId, op.Return, op.Input, op.Output)
	}
	return b.String()
}

// world is servers whose time stands still, so that a session that ends gives back all.
type world struct {
	testing.TB
	urls      []string
	token     string
	began     time.Time
	instances []string

	mu      sync.Mutex
	history []porcupine.Operation
}

// Record lets callers call at the same time, each at a server of theirs, and returns what each asked, when, and was told. Every store has a
// server. Around may stand in for the servers' handlers.
func Record(t testing.TB, books []store.Store, seed uint64, around func(http.Handler) http.Handler) []porcupine.Operation {
	w := &world{TB: t, began: time.Now()}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, s := range books {
		if err := s.Refresh(t.Context()); err != nil { // the key that was made through the first
			t.Fatal(err)
		}
		e := engine.New(s, engine.Options{Now: func() time.Time { return now }})
		defer e.Stop()
		if i == 0 {
			w.token = adminToken(t, e, now)
		}
		var handler http.Handler = server.New(e, server.Options{})
		if around != nil {
			handler = around(handler)
		}
		s := httptest.NewServer(handler)
		defer s.Close()
		w.urls = append(w.urls, s.URL)
	}
	first := &caller{world: w}
	first.setUp()
	var all sync.WaitGroup
	for id := range callers {
		c := &caller{world: w, id: id, random: rand.New(rand.NewPCG(seed, uint64(id)))}
		all.Go(func() {
			for range calls {
				c.call()
			}
		})
	}
	all.Wait()
	return w.history
}

func adminToken(t testing.TB, e *engine.Engine, now time.Time) string {
	pair, err := auth.NewPair()
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = e.Change(t.Context(), "", nil, func(c *engine.Change) (*store.Answer, error) {
		return nil, c.SaveKeys([]auth.Key{{Role: auth.Admin, ID: pair.ID, PublicPEM: pair.PublicPEM}})
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := auth.Sign(pair, auth.Admin, pair.ID, nil, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Paths.
const (
	provisioning = "/dynamicmonetization/provisioning/api/v1.1"
	elastic      = "/dynamicmonetization/elastic/api/v1.1"
	sessions     = "/farebox/v1/sessions"
)

func (c *caller) setUp() {
	c.must("POST", provisioning+"/rate-tables", "", `{"version":"1","effectiveFrom":0,"items":[{"name":"x","rate":1}]}`, nil)
	for i := range lineItems {
		var made struct{ ID string }
		c.must("POST", provisioning+"/instances", "", fmt.Sprintf(`{"shortName":"main","accountId":"a%d"}`, i), &made)
		c.instances = append(c.instances, made.ID)
		c.must("PUT", provisioning+"/instances/"+made.ID+"/line-items", "", lineItem(i, Quantity), nil)
	}
}

func name(i int) string { return fmt.Sprint("l", i) }

func lineItem(i, quantity int) string {
	return fmt.Sprintf(`{"activationId":%q,"state":"DEPLOYED","quantity":%d,"start":0,"end":253402300799999,
		"attributes":{"elastic":true,"overdraftType":"Number","overdraftLimit":%d}}`, name(i), quantity, Overdraft)
}

// send sends a request; an answer that is none of those expected ends the test.
func (c *caller) send(method, path, key, body string) (status int, text []byte) {
	r, err := http.NewRequest(method, c.urls[c.id%len(c.urls)]+path, bytes.NewBufferString(body))
	if err != nil {
		c.Error(err)
		return 0, nil
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Error(err)
		return 0, nil
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	if err != nil {
		c.Error(err)
	}
	return answer.StatusCode, text
}

func (c *caller) must(method, path, key, body string, out any) {
	status, text := c.send(method, path, key, body)
	if status/100 != 2 {
		c.Errorf("%s %s: %d %s", method, path, status, text)
	}
	if out != nil {
		c.read(text, out)
	}
}

func (c *caller) read(text []byte, out any) {
	if err := json.Unmarshal(text, out); err != nil {
		c.Errorf("%v in %s", err, text)
	}
}

// caller is one who calls, one call after the other.
type caller struct {
	*world
	id     int
	random *rand.Rand
	open   []session
	holds  []*hold
}

// session is one that was charged and is not over.
type session struct {
	id       string
	lineItem int
	tokens   int
}

// call makes a call.
func (c *caller) call() {
	i := c.random.IntN(lineItems)
	amount := 1 + c.random.IntN(6)
	switch n := c.random.IntN(26); {
	case n >= 23 && len(c.holds) > 0:
		c.moveHold()
	case n >= 22:
		c.record(i, Ask{Verb: Balance}, func() Told { return c.balance(i) })
	case n >= 20:
		c.hold(i, amount)
	case n < 6:
		c.charge(i, Ask{Verb: Charge, Amount: amount, Partial: c.random.IntN(3) == 0})
	case n < 9: // a key is always of the same request, by whomever it is made
		key := c.random.IntN(4)
		c.charge(i, Ask{Verb: Charge, Amount: 1 + key, Partial: key%2 == 0, Key: fmt.Sprint("key-", key)})
	case n < 12:
		c.begin(i, amount)
	case n < 14 && len(c.open) > 0:
		last := c.open[len(c.open)-1]
		c.open = c.open[:len(c.open)-1]
		c.record(last.lineItem, Ask{Verb: Refund, Amount: last.tokens}, func() Told {
			c.must("DELETE", sessions+"/"+last.id, "", "", nil)
			return Told{}
		})
	case n < 16:
		quantity := Quantity + c.random.IntN(40)
		c.record(i, Ask{Verb: TopUp, Amount: quantity}, func() Told {
			return c.stands("PUT", "", lineItem(i, quantity), i)
		})
	default:
		c.record(i, Ask{Verb: Read}, func() Told { return c.stands("GET", "/"+name(i), "", i) })
	}
}

func (c *caller) record(i int, a Ask, call func() Told) Told {
	a.LineItem = name(i)
	began := time.Since(c.began).Nanoseconds()
	told := call()
	ended := time.Since(c.began).Nanoseconds()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, porcupine.Operation{ClientId: c.id, Input: a, Call: began, Output: told, Return: ended})
	return told
}

// answered is an answer to an access request.
type answered struct {
	RequestedItems []struct {
		TotalTokensCharged int
		Status             struct{ Code string }
	}
}

func (c *caller) charge(i int, a Ask) {
	c.record(i, a, func() Told {
		var got answered
		c.must("POST", elastic+"/instances/"+c.instances[i]+"/access-request", a.Key, request(a.Amount, a.Partial), &got)
		if len(got.RequestedItems) != 1 {
			c.Errorf("an answer of %d items", len(got.RequestedItems))
			return Told{}
		}
		return Told{Tokens: got.RequestedItems[0].TotalTokensCharged}
	})
}

func request(amount int, partial bool) string {
	return fmt.Sprintf(`{"requester":{"type":"user","value":"mia"},"requestedItems":[{"item":"x","count":%d}],"allowPartial":%t}`, amount, partial)
}

// begin charges by a session, which a request that is denied leaves idle.
func (c *caller) begin(i, amount int) {
	var made struct{ SessionID string }
	c.must("POST", sessions, "", fmt.Sprintf(`{"instanceId":%q}`, c.instances[i]), &made)
	told := c.record(i, Ask{Verb: Session, Amount: amount}, func() (t Told) {
		status, text := c.send("PUT", sessions+"/"+made.SessionID, "", fmt.Sprintf(
			`{"requester":{"type":"user","value":"mia"},"requestedItems":[{"item":"x","count":%d}],"rollbackOnDeny":true}`, amount))
		switch status {
		case http.StatusOK:
			t.Tokens = amount
		case http.StatusForbidden:
		default:
			c.Errorf("a session's request: %d %s", status, text)
		}
		return t
	})
	if told.Tokens > 0 {
		c.open = append(c.open, session{made.SessionID, i, amount})
	}
}

// stands asks how a line item stands, or changes it and is told.
func (c *caller) stands(method, path, body string, i int) Told {
	var l struct{ Used, Quantity int }
	c.must(method, provisioning+"/instances/"+c.instances[i]+"/line-items"+path, "", body, &l)
	return Told{Used: l.Used, Quantity: l.Quantity}
}
