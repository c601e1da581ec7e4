package server

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
)

// Bounds of the live stream.
const (
	liveMost        = 64        // streams at a time
	liveOfClients   = 48        // of them with client tokens, so that customers cannot shut the producer out
	liveTimeUsual   = time.Hour // then a stream ends, and who still watches asks again
	liveEveryMost   = 60        // seconds from one event to the next
	liveRowsUsual   = 20
	eventStreamType = "text/event-stream"
)

// onlookers counts the live streams there are.
type onlookers struct {
	mu           sync.Mutex
	all, clients int
}

// enter reports whether there is room for one more, which leave then gives back.
func (o *onlookers) enter(role auth.Role) (leave func(), ok bool) {
	clients := 0
	if role != auth.Admin {
		clients = 1
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all >= liveMost || o.clients+clients > liveOfClients {
		return nil, false
	}
	o.all, o.clients = o.all+1, o.clients+clients
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.all, o.clients = o.all-1, o.clients-clients
	}, true
}

// watchLive streams what is decided, as server-sent events. Client tokens see their own instances.
func watchLive(c *call) (*reply, error) {
	q := c.URL.Query()
	if err := c.knows("instanceId", "by", "top", "every"); err != nil {
		return nil, err
	}
	instances, err := c.reached()
	if err != nil {
		return nil, err
	}
	by, err := engine.ReadLiveBy(q.Get("by"))
	if err != nil {
		return nil, err
	}
	top, err := c.queryInt("top", liveRowsUsual, 1, pageMost)
	if err != nil {
		return nil, err
	}
	every, err := c.queryInt("every", 1, 1, liveEveryMost)
	if err != nil {
		return nil, err
	}
	w := &watching{call: c, top: int(top), every: every}
	if c.Method == http.MethodHead { // nothing would end it
		return w.reply(), nil
	}
	return w.begin(instances, by)
}

// watching is a live stream under way.
type watching struct {
	*call
	watch *engine.Watch
	leave func()
	top   int
	every int64
}

func (w *watching) begin(instances []string, by engine.LiveBy) (*reply, error) {
	leave, ok := w.server.onlookers.enter(w.principal.Role)
	if !ok {
		return nil, problem.New(problem.Unavailable, "there are as many live streams as this server has room for; close one, or try again")
	}
	watch, err := w.server.engine.Watch(instances, by)
	if err != nil {
		leave()
		return nil, err
	}
	w.watch, w.leave = watch, leave
	return w.reply(), nil
}

func (w *watching) reply() *reply {
	return &reply{status: http.StatusOK, contentType: eventStreamType, live: true, stream: w.stream}
}

// stream writes until the caller has gone, the token is no longer good, the server stops, or an hour is over. The first event comes at once, so that the caller
// knows that it is heard.
func (w *watching) stream(to io.Writer) (string, error) {
	defer w.leave()
	defer w.watch.End()
	end := time.NewTimer(w.server.liveTime)
	defer end.Stop()
	if _, err := io.WriteString(to, "retry: 2000\n\n"); err != nil {
		return "", err
	}
	for seconds := w.every; ; seconds++ {
		if seconds >= w.every {
			if err := w.tell(to); err != nil {
				return "", err
			}
			seconds = 0
		}
		select {
		case <-end.C:
			return "", nil
		default:
		}
		select {
		case _, more := <-w.watch.Ready:
			if !more || w.over() {
				return "", nil
			}
		case <-end.C:
			return "", nil
		case <-w.Context().Done():
			return "", nil
		}
	}
}

// over reports whether the server stops, or the token has expired or its key was deleted.
func (w *watching) over() bool {
	_, err := w.server.engine.Authenticate(w.Header.Get("Authorization"))
	return err != nil || w.server.stopping.Load()
}

func (w *watching) tell(to io.Writer) error {
	news := w.watch.Take(w.top)
	out := api.Live{Time: news.NowMS, Seconds: news.Seconds, Charges: news.Total.Charges, Denials: news.Total.Denials, Tokens: news.Total.Tokens}
	for _, row := range news.Rows {
		out.Rows = append(out.Rows, api.LiveRow{
			InstanceID: row.InstanceID, AccountID: row.AccountID, Charges: row.Charges, Denials: row.Denials, Tokens: row.Tokens,
		})
	}
	data, err := json.Marshal(&out)
	if err != nil {
		return err
	}
	_, err = to.Write(slices.Concat([]byte("event: decided\ndata: "), data, []byte("\n\n")))
	return err
}
