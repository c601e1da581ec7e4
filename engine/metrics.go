package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/farebox/farebox/usage"
)

// Metrics measure the engine, for Prometheus.
type Metrics struct {
	items      *prometheus.CounterVec
	batchSize  prometheus.Histogram
	commitTime prometheus.Histogram
}

// NewMetrics returns metrics that no registry has yet.
func NewMetrics() *Metrics {
	return &Metrics{
		items: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farebox_charges_total", Help: "Items decided, by their status code (101 is a charge).",
		}, []string{"outcome"}),
		batchSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "farebox_batch_requests", Help: "Requests that shared one commit.", Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		commitTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "farebox_commit_seconds", Help: "Time from the start of a batch until it is durable.",
			Buckets: prometheus.ExponentialBuckets(0.000125, 2, 16),
		}),
	}
}

// Register adds the metrics to a registry.
func (m *Metrics) Register(r prometheus.Registerer) {
	r.MustRegister(m.items, m.batchSize, m.commitTime)
}

func (m *Metrics) batch(requests int, took time.Duration) {
	m.batchSize.Observe(float64(requests))
	m.commitTime.Observe(took.Seconds())
}

func (m *Metrics) decided(r *usage.Receipt) {
	for i := range r.Items {
		m.items.WithLabelValues(string(r.Items[i].Status)).Inc()
	}
}
