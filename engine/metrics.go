package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/usage"
)

// Metrics measure the engine, for Prometheus.
type Metrics struct {
	items      *prometheus.CounterVec
	batchSize  prometheus.Histogram
	commitTime prometheus.Histogram
	lateness   prometheus.Gauge
	alerts     *prometheus.CounterVec
	attempts   *prometheus.CounterVec
	waiting    prometheus.Gauge

	followTime     *prometheus.GaugeVec
	followFailing  *prometheus.GaugeVec
	followFailures *prometheus.CounterVec
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
		lateness: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "farebox_session_late_seconds", Help: "How late the last automatic charges or deadlines of sessions were begun.",
		}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farebox_alerts_total", Help: "Alerts that fired or were resolved, by kind and state.",
		}, []string{"kind", "state"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farebox_webhook_attempts_total", Help: "Attempts to deliver an event: delivered, retried, given_up or gone.",
		}, []string{"outcome"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "farebox_webhook_oldest_due_seconds", Help: "How long the event has been due that waits longest for an attempt.",
		}),
		followTime: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "farebox_follower_reached_seconds", Help: "Up to when the record has been taken by who follows it, as seconds since 1970.",
		}, []string{"follower"}),
		followFailing: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "farebox_follower_failing", Help: "1 while who follows the record is held up.",
		}, []string{"follower"}),
		followFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farebox_follower_failures_total", Help: "How often who follows the record was held up.",
		}, []string{"follower"}),
	}
}

// Register adds the metrics to a registry.
func (m *Metrics) Register(r prometheus.Registerer) {
	r.MustRegister(m.items, m.batchSize, m.commitTime, m.lateness, m.alerts, m.attempts, m.waiting, m.followTime, m.followFailing, m.followFailures)
}

func (m *Metrics) batch(requests int, took time.Duration) {
	m.batchSize.Observe(float64(requests))
	m.commitTime.Observe(took.Seconds())
}

// followed says how a follower got on: upTo is when the last receipt was made that it took, 0 if it took none.
func (m *Metrics) followed(name string, upToMS int64, err error) {
	failing := 0.0
	if err != nil {
		failing = 1
		m.followFailures.WithLabelValues(name).Inc()
	}
	m.followFailing.WithLabelValues(name).Set(failing)
	if upToMS > 0 {
		m.followTime.WithLabelValues(name).Set(float64(upToMS) / 1000)
	}
}

func (m *Metrics) late(ms int64) { m.lateness.Set(float64(ms) / 1000) }

func (m *Metrics) alerted(notices []*notify.Notice) {
	for _, n := range notices {
		m.alerts.WithLabelValues(string(n.Kind), string(n.State)).Inc()
	}
}

func (m *Metrics) attempted(outcome string) { m.attempts.WithLabelValues(outcome).Inc() }

func (m *Metrics) oldestDue(ms int64) { m.waiting.Set(float64(ms) / 1000) }

func (m *Metrics) decided(receipts []*usage.Receipt) {
	for _, r := range receipts {
		for i := range r.Items {
			m.items.WithLabelValues(string(r.Items[i].Status)).Inc()
		}
	}
}
