package export

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/protocol"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// sendPatience is how long one delivery may take.
const sendPatience = 30 * time.Second

// OpenSender returns who delivers to a URL: http(s)://HOST/PATH, nats://HOST:4222/SUBJECT or kafka://HOST:9092/TOPIC. Nobody is called
// yet. Whoever starts the server says where its events go, so that any address may be told, also one inside.
func OpenSender(target string) (Sender, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, errors.New("this is not a URL") // which err would repeat, with secrets
	}
	place := strings.TrimPrefix(u.Path, "/")
	switch {
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "nats" && u.Scheme != "kafka":
		return nil, fmt.Errorf("%s: events are not sent to %q; write https://HOST/PATH, nats://HOST/SUBJECT or kafka://HOST/TOPIC", Name(u), u.Scheme)
	case u.Host == "":
		return nil, fmt.Errorf("%s: the host is missing", Name(u))
	case u.Scheme == "nats":
		return newNATS(u, place)
	case u.Scheme == "kafka":
		return newKafka(u, place, sendPatience)
	}
	return newHTTP(u, sendPatience)
}

// unreachable says of a target, by its name, that there is no connection to it. What is to be sent waits, and is sent when there is one.
func unreachable(name string, why error) error {
	return fmt.Errorf("%s cannot be reached: %w", name, why)
}

// lastFault is why there was no connection the last time, for libraries that try again behind our back and keep the reason to themselves.
type lastFault struct{ atomic.Pointer[error] }

// set remembers a fault; nil forgets it.
func (f *lastFault) set(err error) {
	f.Store(&err)
}

func (f *lastFault) get() error {
	if err := f.Load(); err != nil {
		return *err
	}
	return nil
}

// options reads the query of a target, in which nothing else may be.
func options(u *url.URL, known ...string) (url.Values, error) {
	q := u.Query()
	for _, name := range known {
		if len(q[name]) > 1 {
			return nil, fmt.Errorf("%s: %s is there twice", Name(u), name)
		}
	}
	for name := range q {
		if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+name+" ") {
			return nil, fmt.Errorf("%s: %s is not an option; there is: %s", Name(u), name, strings.Join(known, ", "))
		}
	}
	return q, nil
}

// webhook sends an event a request, as structured CloudEvents; a status of 2xx takes it over.
type webhook struct {
	to     *cehttp.Protocol
	client *http.Client
	name   string
}

func newHTTP(u *url.URL, patience time.Duration) (Sender, error) {
	client := &http.Client{
		Timeout:   patience,
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		// Following a redirect could turn a delivery into a GET that is answered well.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	to, err := cehttp.New(cehttp.WithTarget(u.String()), cehttp.WithClient(*client))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name(u), err)
	}
	return &webhook{to, client, Name(u)}, nil
}

func (*webhook) Together() int { return 1 }

func (w *webhook) Send(ctx context.Context, events []event.Event) error {
	for i := range events {
		result := w.to.Send(binding.WithForceStructured(ctx), binding.ToMessage(&events[i]))
		if protocol.IsACK(result) {
			continue
		}
		if answer, answered := errors.AsType[*cehttp.Result](result); answered {
			return fmt.Errorf("%s answers %d to event %s", w.name, answer.StatusCode, events[i].ID())
		}
		if of, ok := errors.AsType[*url.Error](result); ok { // which has the URL, with secrets
			result = of.Err
		}
		if dial, ok := errors.AsType[*net.OpError](result); ok && dial.Op == "dial" {
			return unreachable(w.name, result)
		}
		return fmt.Errorf("%s: %w", w.name, result)
	}
	return nil
}

func (w *webhook) Close() error {
	w.client.CloseIdleConnections()
	return nil
}
