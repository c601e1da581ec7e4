package export

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/usage"
)

// received are CloudEvents as they arrived, read back by the library.
type received struct {
	mu  gosync.Mutex
	all []event.Event
}

func (r *received) add(data []byte) error {
	var e event.Event
	if err := e.UnmarshalJSON(data); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
	return e.Validate()
}

// check fails unless all events arrived, as they are and in order, leaving out those that came again.
func (r *received) check(t *testing.T, want []usage.Event) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids, wanted []string
	for i := range want {
		wanted = append(wanted, want[i].ID)
	}
	for _, e := range r.all {
		if slices.Contains(ids, e.ID()) {
			continue
		}
		of := &want[len(ids)]
		ids = append(ids, e.ID())
		data, err := json.Marshal(of)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{e.ID(), e.Source(), e.Type(), e.Subject(), e.Time().Format(time.RFC3339Nano), e.DataContentType(), string(e.Data())}
		if diff := cmp.Diff([]string{of.ID, Source, Type(of.Kind), of.InstanceID, time.UnixMilli(of.UsageTimeMS).UTC().Format(time.RFC3339Nano),
			"application/json", string(data)}, got); diff != "" {
			t.Fatal(diff)
		}
		if len(ids) == len(want) {
			break
		}
	}
	if !slices.Equal(ids, wanted) {
		t.Errorf("%q arrived, not %q", ids, wanted)
	}
}

func (r *received) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

func TestTypes(t *testing.T) {
	var got []string
	for _, kind := range usage.Kinds {
		got = append(got, Type(kind))
	}
	if want := "dev.farebox.usage.charge.v1 dev.farebox.usage.automatic-charge.v1 dev.farebox.usage.refund.v1 dev.farebox.usage.settlement.v1 dev.farebox.usage.lease-report.v1 dev.farebox.usage.adjustment.v1 dev.farebox.usage.denial.v1"; strings.Join(got, " ") != want {
		t.Errorf("%q", got)
	}
}

// Amounts keep all their digits on the way.
func TestCloudEventKeepsAmounts(t *testing.T) {
	for _, e := range samples(10) {
		c, err := CloudEvent(&e)
		if err != nil {
			t.Fatal(err)
		}
		text, err := c.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(&e)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, append([]byte(`"data":`), data...)) {
			t.Fatalf("%s does not have %s", text, data)
		}
	}
}

func open(t *testing.T, target string) Sender {
	t.Helper()
	s, err := OpenSender(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// hook is a receiver that answers the way it is told, one answer after the other, and well when it was told no more.
type hook struct {
	received
	telling gosync.Mutex
	answers []string
	asked   http.Header
	asks    int
}

func (h *hook) tell(answers ...string) {
	h.telling.Lock()
	defer h.telling.Unlock()
	h.answers = answers
}

// next returns how a request is to be answered.
func (h *hook) next(r *http.Request) string {
	h.telling.Lock()
	defer h.telling.Unlock()
	h.asks++
	h.asked = r.Header
	if len(h.answers) == 0 {
		return "well"
	}
	how := h.answers[0]
	h.answers = h.answers[1:]
	return how
}

func (h *hook) heard() (asks int, last http.Header) {
	h.telling.Lock()
	defer h.telling.Unlock()
	return h.asks, h.asked
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	switch how := h.next(r); how {
	case "500", "400", "429":
		w.WriteHeader(int(how[0]-'0')*100 + int(how[1]-'0')*10 + int(how[2]-'0'))
	case "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	case "cut":
		panic(http.ErrAbortHandler)
	case "cut after":
		_ = h.add(body) // it arrived, and the sender cannot know
		panic(http.ErrAbortHandler)
	case "hang":
		<-r.Context().Done()
	default:
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/cloudevents+json" || errors.Join(err, h.add(body)) != nil {
			w.WriteHeader(599)
		}
	}
}

func TestFeedOverHTTP(t *testing.T) {
	w := newWorld(t)
	h := new(hook)
	web := httptest.NewServer(h)
	defer web.Close()
	u, err := url.Parse(strings.Replace(web.URL, "http://", "http://user:secret@", 1) + "/usage?key=hidden")
	w.must(err)
	to, err := newHTTP(u, 200*time.Millisecond)
	w.must(err)
	w.charge(4)
	f := Feed("hook", to)
	for _, how := range []string{"500", "400", "429", "redirect", "cut", "hang"} {
		h.tell(how)
		_, err := w.FollowOnce(t.Context(), f)
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s is taken for %v", how, err)
		}
		w.charge(1) // is not held up
	}
	if n := h.count(); n != 0 {
		t.Fatalf("%d events arrived already", n)
	}
	h.tell("well", "cut after", "well", "well", "well", "500") // some arrived and were not answered, in the midst of a receipt
	for range 6 {
		_, _ = w.FollowOnce(t.Context(), f)
	}
	w.must(w.follow(f, 3))
	h.check(t, w.events())
	_, header := h.heard()
	if user, password, ok := (&http.Request{Header: header}).BasicAuth(); !ok || user != "user" || password != "secret" {
		t.Error("the receiver was not told who sends")
	}
}

// A crash between a delivery and its position sends events again; none is lost.
func TestFeedSurvivesACrash(t *testing.T) {
	w := newWorld(t)
	h := new(hook)
	web := httptest.NewServer(h)
	defer web.Close()
	for range 5 {
		w.charge(3)
		w.failing.fail = 1
		if _, err := w.FollowOnce(t.Context(), Feed("hook", open(t, web.URL))); problem.KindOf(err) != problem.Unavailable {
			t.Fatal(err)
		}
		w.charge(1)
		if _, err := w.FollowOnce(t.Context(), Feed("hook", open(t, web.URL))); err != nil {
			t.Fatal(err)
		}
	}
	h.check(t, w.events())
	if doubles := h.count() - len(w.events()); doubles != 5*3*2 {
		t.Errorf("%d events came twice", doubles)
	}
}

// Stopping in the midst of a delivery writes down what was delivered.
func TestFeedStopsWithWhatWasSent(t *testing.T) {
	w := newWorld(t)
	h := new(hook)
	h.tell("well", "well", "hang")
	web := httptest.NewServer(h)
	defer web.Close()
	w.charge(3)
	ctx, stop := context.WithCancel(t.Context())
	f := Feed("hook", open(t, web.URL))
	ended := make(chan struct{})
	go func() {
		w.Follow(ctx, f)
		close(ended)
	}()
	until(t, func() bool { asks, _ := h.heard(); return asks == 3 }) // the third hangs
	stop()
	<-ended
	if n := h.count(); n != 2 {
		t.Fatalf("%d events arrived", n)
	}
	h.tell()
	w.must(w.follow(Feed("hook", open(t, web.URL)), 10))
	if h.count() != 6 {
		t.Errorf("%d events arrived, which is not each once", h.count())
	}
	h.check(t, w.events())
}

func natsServer(t *testing.T, port int, folder string) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: folder, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS does not start")
	}
	return s
}

func TestFeedOverNATS(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	s := natsServer(t, -1, folder)
	address := s.Addr().String()
	to := open(t, "nats://"+address+"/usage.events")
	f := Feed("nats", to)
	w.charge(3)
	if _, err := w.FollowOnce(t.Context(), f); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Fatalf("without a stream: %v", err)
	}
	conn, err := nats.Connect("nats://" + address)
	w.must(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	w.must(err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "USAGE", Subjects: []string{"usage.>"}})
	w.must(err)
	w.failing.fail = 1 // all were sent, and that is not written down
	if _, err := w.FollowOnce(t.Context(), f); problem.KindOf(err) != problem.Unavailable {
		t.Fatal(err)
	}
	w.must(w.follow(f, 2))

	s.Shutdown()
	s.WaitForShutdown()
	w.charge(2) // is not held up
	if _, err := w.FollowOnce(t.Context(), f); err == nil {
		t.Error("a server that is gone has taken events")
	}
	_, port, err := net.SplitHostPort(address)
	w.must(err)
	n, err := net.LookupPort("tcp", port)
	w.must(err)
	s = natsServer(t, n, folder)
	defer s.Shutdown()
	until(t, func() bool { _, err := w.FollowOnce(t.Context(), f); return err == nil })
	w.must(w.follow(f, 2))

	var got received
	until(t, func() bool { return conn.IsConnected() })
	stream, err := js.Stream(t.Context(), "USAGE")
	w.must(err)
	info, err := stream.Info(t.Context())
	w.must(err)
	for i := uint64(1); i <= info.State.LastSeq; i++ {
		m, err := stream.GetMsg(t.Context(), i)
		w.must(err)
		w.must(got.add(m.Data))
	}
	got.check(t, w.events())
	if got.count() != len(w.events()) { // the stream leaves out what came again
		t.Errorf("%d messages of %d events", got.count(), len(w.events()))
	}
}

// until waits for what another process needs time for.
func until(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come about")
		}
	}
}

func TestFeedOverKafka(t *testing.T) {
	w := newWorld(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "usage"))
	w.must(err)
	defer cluster.Close()
	broker := cluster.ListenAddrs()[0]
	f := Feed("kafka", open(t, "kafka://"+broker+"/usage"))
	w.charge(3)
	w.failing.fail = 1
	if _, err := w.FollowOnce(t.Context(), f); problem.KindOf(err) != problem.Unavailable {
		t.Fatal(err)
	}
	w.must(w.follow(f, 100))
	w.charge(2)
	w.must(w.follow(f, 100))
	if _, err := w.FollowOnce(t.Context(), Feed("nowhere", open(t, "kafka://"+broker+"/nowhere"))); err == nil {
		t.Error("a topic that does not exist has taken events")
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics("usage"))
	w.must(err)
	defer client.Close()
	var got received
	partitions := map[int32]bool{}
	for want := len(w.events()) + 6; got.count() < want; {
		fetches := client.PollFetches(t.Context())
		w.must(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			partitions[r.Partition] = true
			if string(r.Key) != w.instance || string(r.Headers[0].Value) != "application/cloudevents+json" {
				t.Errorf("key %q, headers %v", r.Key, r.Headers)
			}
			w.must(got.add(r.Value))
		})
	}
	if len(partitions) != 1 {
		t.Errorf("events of one instance are in %d partitions", len(partitions))
	}
	got.check(t, w.events())
}

// TestTargetsOutOfReachAreNamed holds senders to saying who cannot be reached and why, in place of what the libraries make of it, and to no more.
func TestTargetsOutOfReachAreNamed(t *testing.T) {
	w := newWorld(t)
	w.charge(1)
	for _, target := range []string{"http://user:secret@127.0.0.1:1/usage?key=hidden", "nats://user:secret@127.0.0.1:1/usage", "kafka://user:secret@127.0.0.1:1/usage?tls=false"} {
		u, err := url.Parse(target)
		w.must(err)
		to := open(t, target)
		if u.Scheme == "kafka" {
			to, err = newKafka(u, "usage", time.Second) // the least that the library waits
			w.must(err)
			defer to.Close()
		}
		f := Feed(target, to)
		// The library for NATS tells of its first fault when it has tried for the second time.
		until(t, func() bool {
			_, err = w.FollowOnce(t.Context(), f)
			return err == nil || strings.Contains(err.Error(), "refused")
		})
		if err == nil || !strings.HasPrefix(err.Error(), Name(u)+" cannot be reached: ") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", Name(u), err)
		}
	}
}

func TestSendersThatAreNone(t *testing.T) {
	for target, says := range map[string]string{
		"ftp://user:secret@host/x?key=hid":   `ftp://host/x: events are not sent to "ftp"`,
		"https:///path":                      "the host is missing",
		"nats://host:4222":                   "the subject is missing",
		"nats://host:4222/s?unheard=1":       "unheard is not an option; there is: creds",
		"nats://host:4222/s?creds=/not/here": "nats://host:4222/s",
		"kafka://host":                       "the topic is missing",
		"kafka://host/t?tls=true&tls=false":  "tls is there twice",
		"::secret":                           "not a URL",
	} {
		s, err := OpenSender(target)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", target, err)
		}
		if s != nil {
			t.Errorf("%s: beside the error there is a sender, which whoever closes what was opened would close: %#v", target, s)
		}
	}
	u, err := url.Parse("https://user:secret@host:1/a/b?c=d#e")
	if err != nil || Name(u) != "https://host:1/a/b" {
		t.Error(Name(u), err)
	}
}
