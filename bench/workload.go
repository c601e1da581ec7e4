package bench

import (
	"bytes"
	crand "crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"
)

// Workload is what is asked for.
type Workload struct {
	Name   string
	Help   string
	items  int    // of a request
	random bool   // keys are in no order of time
	hot    bool   // all is asked of the first instance
	dear   bool   // more than anybody has
	steps  []step // in place of single requests
	ruled  bool   // of instances with rules of access and a limit
}

// ItemsMost is how many items a request may have.
const ItemsMost = 1000

// Workloads are all there are.
func Workloads() []Workload {
	return []Workload{
		{Name: "ordered", items: 1, Help: "one item a request, idempotency keys in the order of time"},
		{Name: "random", items: 1, random: true, Help: "the same with random keys"},
		{Name: "hot", items: 1, hot: true, Help: "the same, all of one line item"},
		{Name: "many", items: ItemsMost, Help: "1,000 items a request"},
		{Name: "sessions", items: 1, steps: sessionSteps, Help: "open a session, ask for an item, heartbeat, halt, close; each is a request"},
		{Name: "holds", items: 1, steps: holdSteps, Help: "hold tokens for an item, settle it for half; each is a request"},
		{Name: "leases", items: 1, steps: leaseSteps, Help: "take a lease, report what was spent, return the rest; each is a request"},
		{Name: "denials", items: 1, dear: true, Help: "one item a request, and never enough tokens"},
		{Name: "rules", items: 1, ruled: true, Help: "one item a request; a condition, an action with an allocation and a consumption limit on every line item"},
	}
}

// NeedsRules reports whether a world must have rules of access and limits for it.
func (w Workload) NeedsRules() bool { return w.ruled }

// requesters is how many ask on each instance.
const requesters = 100

// metaData is what an item carries: about 300 bytes, or 30 if there are many. All are as long, and differ as in life: what is the same in every
// request would be compressed to nothing.
func metaData(r *rand.Rand, items int) string {
	if items > 1 {
		return fmt.Sprintf(`{"job":"%016x"}`, r.Uint64())
	}
	return fmt.Sprintf(`{"project":"titles-%02d","job":"%016x%016x","host":"render-%03d.farm.example","region":"eu-west-%d","application":"Renderer 12.4.%03d (linux)",`+
		`"file":"/projects/titles/scenes/%04d/shot-%04d/frame-%06d.exr","ticket":"FX-%05d","queue":"overnight","priority":%d,"attempt":%d}`,
		r.IntN(40), r.Uint64(), r.Uint64(), r.IntN(200), 1+r.IntN(3), r.IntN(20), r.IntN(300), r.IntN(900), r.IntN(100_000), r.IntN(2000), r.IntN(9), 1+r.IntN(3))
}

// someItems are lists of items to choose from, each as JSON without its brackets.
func someItems(name string, items int) [][]byte {
	r := rand.New(rand.NewPCG(1, uint64(items)))
	lists := make([][]byte, max(1024/items, 16))
	for i := range lists {
		for j := range items {
			if j > 0 {
				lists[i] = append(lists[i], ',')
			}
			lists[i] = fmt.Appendf(lists[i], `{"item":%q,"count":1,"metaData":%s}`, name, metaData(r, items))
		}
	}
	return lists
}

// asking is a workload with the texts that its requests choose from.
type asking struct {
	Workload
	lists [][]byte // of items
}

func newAsking(w Workload) *asking { return &asking{w, someItems(w.item(), w.items)} }

func (w *Workload) item() string {
	if w.dear {
		return dearItem
	}
	return cheapItem
}

// dial makes a sender; it connects when it sends.
func (a *asking) dial(connection int, base *url.URL, token string, world *World) Sender {
	instances := world.Instances
	if a.ruled {
		instances = world.Ruled
	}
	if a.steps != nil {
		return newSequence(connection, base, token, a, instances)
	}
	return newRequestSender(connection, base, token, a, instances)
}

// traffic says which instance is next, who asks, and by which key.
type traffic struct {
	random *rand.Rand
	zipf   *rand.Zipf
	sure   *rand.ChaCha8 // for keys, which must not come again

	countedMS int64  // the millisecond of the last ordered key
	count     uint64 // of those before it in the same
}

// newTraffic is that of one connection. Instances and requesters are the same in every run, keys never.
func newTraffic(connection, instances int) *traffic {
	r := rand.New(rand.NewPCG(uint64(connection), 1))
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	return &traffic{random: r, zipf: rand.NewZipf(r, 1.1, 1, uint64(instances-1)), sure: rand.NewChaCha8(seed)}
}

func (t *traffic) instance() int  { return int(t.zipf.Uint64()) }
func (t *traffic) requester() int { return t.random.IntN(requesters) }

func (t *traffic) one(of [][]byte) []byte { return of[t.random.IntN(len(of))] }

// appendRandomKey writes 32 random hexadecimal digits.
func (t *traffic) appendRandomKey(out []byte) []byte {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], t.sure.Uint64())
	binary.BigEndian.PutUint64(id[8:], t.sure.Uint64())
	return hex.AppendEncode(out, id[:])
}

// appendOrderedKey writes a UUID of version 7.
func (t *traffic) appendOrderedKey(out []byte) []byte {
	t.count++
	if now := time.Now().UnixMilli(); now > t.countedMS {
		t.countedMS, t.count = now, 0
	}
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], uint64(t.countedMS)<<16|0x7000|t.count&0xfff)
	binary.BigEndian.PutUint64(id[8:], t.sure.Uint64()>>2|1<<63)
	out = hex.AppendEncode(out, id[:4])
	for _, part := range [...][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		out = hex.AppendEncode(append(out, '-'), part)
	}
	return out
}

// requestSender sends access requests. What does not change is written once.
type requestSender struct {
	conn      *httpConn
	traffic   *traffic
	asking    *asking
	instances []Instance
	head      []byte // up to the instance's id
	tail      []byte // from there to the idempotency key
	bodyUntil []byte // up to the requester's number
	bodyFrom  []byte // from there to the items
	want      []byte // is in the answer once for each item
	out       []byte
}

const bodyEnd = "]}"

func newRequestSender(connection int, base *url.URL, token string, a *asking, instances []Instance) *requestSender {
	s := &requestSender{
		conn: newHTTPConn(base), traffic: newTraffic(connection, len(instances)), asking: a, instances: instances,
		head: []byte("POST " + strings.TrimSuffix(base.Path, "/") + "/dynamicmonetization/elastic/api/v1.1/instances/"),
		want: []byte(`"code":"1101"`),
	}
	if a.dear {
		s.want = []byte(`"code":"1306"`)
	}
	s.bodyUntil = []byte(`{"requester":{"type":"user","value":"user-`)
	s.bodyFrom = []byte(`","dictionary":{"department":"CAD"}},"requestedItems":[`)
	s.tail = fmt.Appendf(nil, "/access-request HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nIdempotency-Key: ",
		base.Host, token, len(s.bodyUntil)+2+len(s.bodyFrom)+len(a.lists[0])+len(bodyEnd))
	return s
}

func (s *requestSender) Send() (int, error) {
	instance := &s.instances[0]
	if n := s.traffic.instance(); !s.asking.hot {
		instance = &s.instances[n]
	}
	out := append(append(append(s.out[:0], s.head...), instance.ID...), s.tail...)
	if s.asking.random {
		out = s.traffic.appendRandomKey(out)
	} else {
		out = s.traffic.appendOrderedKey(out)
	}
	n := s.traffic.requester()
	out = append(append(out, "\r\n\r\n"...), s.bodyUntil...)
	out = append(append(out, byte('0'+n/10), byte('0'+n%10)), s.bodyFrom...)
	out = append(append(out, s.traffic.one(s.asking.lists)...), bodyEnd...)
	s.out = out
	a, err := s.conn.roundTrip(out)
	switch {
	case err != nil:
		return 0, err
	case a.status != 200:
		return 0, fmt.Errorf("status %d: %.300s", a.status, a.body)
	case bytes.Count(a.body, s.want) != s.asking.items:
		return 0, fmt.Errorf("not %d times %s in the answer: %.300s", s.asking.items, s.want, a.body)
	case !s.asking.dear && !bytes.Contains(a.body, instance.paidBy):
		return 0, fmt.Errorf("not %s in the answer: %.300s", instance.paidBy, a.body)
	}
	return s.asking.items, nil
}

func (s *requestSender) Close() error { return s.conn.close() }
