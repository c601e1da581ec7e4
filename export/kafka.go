package export

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// topic produces records keyed by instance: those of one instance are in one partition, and so in order.
type topic struct {
	client *kgo.Client
	name   string
	fault  *lastFault
}

func newKafka(u *url.URL, name string, patience time.Duration) (Sender, error) {
	q, err := options(u, "tls")
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, fmt.Errorf("%s: the topic is missing; write kafka://HOST/TOPIC", Name(u))
	}
	broker := u.Host
	if u.Port() == "" {
		broker += ":9092"
	}
	fault := new(lastFault)
	with := []kgo.Opt{
		kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(name), kgo.ClientID("farebox"), kgo.RequiredAcks(kgo.AllISRAcks()),
		// An idempotent producer must not give up on what it has begun, and we must, to say that nothing goes on. One request at a
		// time keeps the order; what may have arrived is sent again.
		kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1), kgo.RecordDeliveryTimeout(patience), kgo.WithHooks(fault),
	}
	if u.User != nil {
		password, _ := u.User.Password()
		with = append(with, kgo.SASL(plain.Auth{User: u.User.Username(), Pass: password}.AsMechanism()))
	}
	// A password is not sent in the clear unless that is asked for.
	if secure := q.Get("tls"); secure == "true" || u.User != nil && secure != "false" {
		with = append(with, kgo.DialTLSConfig(&tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}))
	}
	client, err := kgo.NewClient(with...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name(u), err)
	}
	return &topic{client, Name(u), fault}, nil
}

// OnBrokerConnect has a lastFault told by the library how each connection went.
func (f *lastFault) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	f.set(err)
}

func (*topic) Together() int { return feedMost }

func (t *topic) Send(ctx context.Context, events []event.Event) error {
	records := make([]*kgo.Record, len(events))
	for i := range events {
		data, err := events[i].MarshalJSON()
		if err != nil {
			return err
		}
		records[i] = &kgo.Record{
			Key: []byte(events[i].Subject()), Value: data,
			Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte(event.ApplicationCloudEventsJSON)}},
		}
	}
	if err := t.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		if fault := t.fault.get(); fault != nil { // the library says that time is over
			return unreachable(t.name, fault)
		}
		return fmt.Errorf("%s: %w", t.name, err)
	}
	return nil
}

func (t *topic) Close() error {
	t.client.Close()
	return nil
}
