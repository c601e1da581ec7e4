package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
)

// demoRequester is a person or a machine that uses items.
type demoRequester struct {
	name, kind, department string
	project                string
	asks                   []demoAsk // each equally often
}

// demoAsk is one kind of request: items with counts that vary.
type demoAsk []demoNeed

// demoNeed is an item of a request; its count is a random number of steps.
type demoNeed struct {
	item, version string
	step          token.Amount
	least, most   int64
}

func need(item, version, step string, least, most int64) demoNeed {
	return demoNeed{item, version, token.MustParse(step), least, most}
}

func (n *demoNeed) count(random *rand.Rand) token.Amount {
	steps := n.least + random.Int64N(n.most-n.least+1)
	return token.MulHalfEven(n.step, token.FromInt(steps))
}

var (
	askFrame4K = demoAsk{need("render.frame", "4k", "1", 1, 3)}
	askFrameHD = demoAsk{need("render.frame", "hd", "1", 2, 9)}
	askFrame8K = demoAsk{need("render.frame", "8k", "1", 1, 1)} // not in the price list yet
	askCrash   = demoAsk{need("crash.run", "", "1", 1, 1)}
	askFlow    = demoAsk{need("cfd.hour", "", "0.25", 2, 16)}
	askMesh    = demoAsk{need("mesh.repair", "", "1", 1, 4), need("step.export", "", "1", 1, 1)}
	askChat    = demoAsk{need("ai.input", "", "0.001", 150, 4_000), need("ai.output", "", "0.001", 80, 1_800)}
	askScan    = demoAsk{need("page.scan", "", "1", 1, 3)}
	askSpeech  = demoAsk{need("speech.minute", "", "0.1", 5, 90)}

	acmeRequesters = []demoRequester{
		{name: "maria", kind: "user", department: "design", project: "coupe", asks: []demoAsk{askFrame4K, askFrame4K, askFrameHD, askMesh}},
		{name: "tomasz", kind: "user", department: "safety", project: "coupe", asks: []demoAsk{askCrash, askMesh, askFrameHD, askMesh, askFrameHD}},
		{name: "node-07", kind: "host", department: "design", project: "film", asks: []demoAsk{
			askFrame4K, askFrameHD, askFrame4K, askFrameHD, askFrame4K, askFrameHD, askFrame4K, askFrameHD, askFrame8K}},
	}
	nordwindRequesters = []demoRequester{
		{name: "olga", kind: "user", department: "rotors", project: "offshore-9", asks: []demoAsk{askFlow, askFlow, askMesh}},
		{name: "hpc-a", kind: "host", department: "rotors", project: "offshore-9", asks: []demoAsk{askFlow}},
		{name: "piet", kind: "user", department: "towers", project: "harbour", asks: []demoAsk{askMesh, askFrameHD, askFlow}},
	}
	lumenRequesters = []demoRequester{
		{name: "helpdesk", kind: "service", department: "support", project: "tickets", asks: []demoAsk{askChat, askChat, askChat, askScan}},
		{name: "ines", kind: "user", department: "legal", project: "contracts", asks: []demoAsk{askChat, askScan, askScan}},
		{name: "kofi", kind: "user", department: "sales", project: "calls", asks: []demoAsk{askSpeech, askChat, askSpeech}},
	}
)

// demoTraffic is the requesters at work. What it counts and tells is what the callers saw.
type demoTraffic struct {
	stop     func()
	running  sync.WaitGroup
	replayed atomic.Int64 // retries that were answered from the books, and charged nothing
	failed   atomic.Int64
	failure  atomic.Pointer[string] // the latest

	opened, closed, free, beats atomic.Int64 // sessions, those that cost nothing of them, and heartbeats
	mu                          sync.Mutex
	told                        []demoNews
}

// demoNews is something worth telling, though not every time that its kind happens.
type demoNews struct{ account, kind, text string }

func (t *demoTraffic) tell(c *demoCustomer, kind, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = append(t.told, demoNews{c.account, kind, fmt.Sprintf(format, args...)})
}

// news returns what was told since it was last called.
func (t *demoTraffic) news() (all []demoNews) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, t.told = t.told, nil
	return all
}

func (t *demoTraffic) fail(err error) {
	text := err.Error()
	t.failed.Add(1)
	t.failure.Store(&text)
}

// requestEvery is the mean pause between two requests of one requester; nine of them make a few dozen a second.
const requestEvery = 220 * time.Millisecond

// oneRetryIn is how seldom a requester sends its request twice, as one does that lost the answer.
const oneRetryIn = 40

// startDemoTraffic lets every requester work until ctx ends.
func startDemoTraffic(ctx context.Context, w *demoWorld) *demoTraffic {
	t := new(demoTraffic)
	ctx, t.stop = context.WithCancel(ctx)
	for _, c := range w.customers {
		for i := range c.requesters {
			t.running.Go(func() { t.work(ctx, c, &c.requesters[i]) })
		}
		for i := range c.seats {
			t.running.Go(func() { t.sit(ctx, c, &c.seats[i]) })
		}
	}
	return t
}

// wait returns when every request that was sent is answered, and every session is closed.
func (t *demoTraffic) wait() {
	t.stop()
	t.running.Wait()
}

func (t *demoTraffic) work(ctx context.Context, c *demoCustomer, r *demoRequester) {
	random := newRandom()
	for pause(ctx, time.Duration(random.ExpFloat64()*float64(requestEvery))) {
		request, key := r.request(random), uuid.Must(uuid.NewV7()).String()
		t.send(c, request, key)
		if random.IntN(oneRetryIn) == 0 {
			t.send(c, request, key)
		}
	}
}

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }

// pause returns false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

type demoRequest = api.AccessRequest[api.RequestedItemV11]

func (t *demoTraffic) send(c *demoCustomer, request *demoRequest, key string) {
	path := "/dynamicmonetization/elastic/api/v1.1/instances/" + url.PathEscape(c.instanceID) + "/access-request"
	replayed, err := c.client.call("POST", path, key, request, nil)
	switch {
	case err != nil:
		t.fail(err)
	case replayed:
		t.replayed.Add(1)
	}
}

func (r *demoRequester) request(random *rand.Rand) *demoRequest {
	return &demoRequest{Requester: r.requester(), RequestedItems: r.items(r.asks[random.IntN(len(r.asks))], random)}
}

func (r *demoRequester) requester() *api.Requester {
	return &api.Requester{Type: r.kind, Value: r.name, Dictionary: object("department", r.department)}
}

func (r *demoRequester) items(ask demoAsk, random *rand.Rand) []api.RequestedItemV11 {
	items := make([]api.RequestedItemV11, len(ask))
	for i := range ask {
		count := ask[i].count(random)
		items[i] = api.RequestedItemV11{Item: ask[i].item, Version: ask[i].version, Count: &count, MetaData: object("project", r.project)}
	}
	return items
}

// object returns a JSON object with one member.
func object(name, value string) jsontext.Value {
	text, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		panic(err) // only text that is not UTF-8 could do this
	}
	return text
}
