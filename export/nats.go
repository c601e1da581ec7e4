package export

import (
	"cmp"
	"context"
	"fmt"
	"net/url"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stream publishes to a JetStream stream, which answers when it has stored an event. Without JetStream NATS gives to whoever listens
// just now, which is not at least once; a subject that no stream has is an error.
type stream struct {
	conn    *nats.Conn
	to      jetstream.JetStream
	name    string
	subject string
	fault   *lastFault
}

func newNATS(u *url.URL, subject string) (Sender, error) {
	q, err := options(u, "creds")
	if err != nil {
		return nil, err
	}
	if subject == "" {
		return nil, fmt.Errorf("%s: the subject is missing; write nats://HOST/SUBJECT", Name(u))
	}
	fault := new(lastFault)
	with := []nats.Option{
		nats.Name("farebox"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // what cannot be sent now is sent again by us, not behind our back
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { fault.set(err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { fault.set(err) }),
	}
	if file := q.Get("creds"); file != "" {
		with = append(with, nats.UserCredentials(file))
	}
	server := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}
	conn, err := nats.Connect(server.String(), with...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name(u), err)
	}
	to, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", Name(u), err)
	}
	return &stream{conn, to, Name(u), subject, fault}, nil
}

func (*stream) Together() int { return 1 }

// Send tells the stream each event's id, so that it leaves out what it was sent before, inside its window for duplicates.
func (s *stream) Send(ctx context.Context, events []event.Event) error {
	for i := range events {
		data, err := events[i].MarshalJSON()
		if err != nil {
			return err
		}
		m := &nats.Msg{Subject: s.subject, Data: data, Header: nats.Header{"Content-Type": {event.ApplicationCloudEventsJSON}}}
		if err := s.publish(ctx, m, events[i].ID()); err != nil {
			return s.explain(err)
		}
	}
	return nil
}

// explain says that there is no connection where that is why nothing was published: the library says that its buffer is full, which has no room by our wish.
func (s *stream) explain(err error) error {
	if s.conn.IsConnected() {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return unreachable(s.name, cmp.Or(s.fault.get(), err))
}

func (s *stream) publish(ctx context.Context, m *nats.Msg, id string) error {
	ctx, cancel := context.WithTimeout(ctx, sendPatience)
	defer cancel()
	_, err := s.to.PublishMsg(ctx, m, jetstream.WithMsgID(id))
	return err
}

func (s *stream) Close() error {
	s.conn.Close()
	return nil
}
