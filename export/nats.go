package export

import (
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
	subject string
}

func newNATS(u *url.URL, subject string) (*stream, error) {
	q, err := options(u, "creds")
	if err != nil {
		return nil, err
	}
	if subject == "" {
		return nil, fmt.Errorf("%s: the subject is missing; write nats://HOST/SUBJECT", Name(u))
	}
	with := []nats.Option{
		nats.Name("farebox"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // what cannot be sent now is sent again by us, not behind our back
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
	return &stream{conn, to, subject}, nil
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
			return fmt.Errorf("%s: %w", s.subject, err)
		}
	}
	return nil
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
