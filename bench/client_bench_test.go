package bench

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
)

// What a request costs the one who sends it, by what it is sent with: everything of a round trip over loopback but the server's own
// work, which is next to nothing and in the same process, so that differences are the client's.
func BenchmarkClient(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	served := make(chan error)
	go func() { served <- ServeBare(ctx, l) }()
	b.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	base := &url.URL{Scheme: "http", Host: l.Addr().String()}
	world := &World{Instances: []Instance{{ID: "x", paidBy: []byte(bareLineItem)}, {ID: "y", paidBy: []byte(bareLineItem)}}}
	a := newAsking(Workload{items: 1})
	run := func(name string, send func(s *requestSender) error) {
		b.Run(name, func(b *testing.B) {
			before := ownProcessor()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				s := newRequestSender(0, base, "token", a, world.Instances)
				for pb.Next() {
					if err := send(s); err != nil {
						b.Error(err)
						return
					}
				}
				_ = s.Close()
			})
			b.ReportMetric(float64((ownProcessor()-before).Microseconds())/float64(b.N), "µs-processor/op")
		})
	}
	run("prepared", func(s *requestSender) error {
		_, err := s.Send()
		return err
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}}
	defer client.CloseIdleConnections()
	run("net-http", func(s *requestSender) error {
		body := append(append(append(bytes.Clone(s.bodyUntil), "00"...), s.bodyFrom...), append(bytes.Clone(s.traffic.one(a.lists)), bodyEnd...)...)
		request, err := http.NewRequest("POST", base.String()+"/x", bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer token")
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", string(s.traffic.appendOrderedKey(nil)))
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.ReadAll(response.Body)
		return err
	})
}
