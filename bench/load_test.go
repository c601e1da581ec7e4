package bench

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stalling takes its time as it is told.
type stalling struct {
	sent   int
	answer func(n int) (time.Duration, error)
}

func (s *stalling) Send() (int, error) {
	took, err := s.answer(s.sent)
	s.sent++
	time.Sleep(took)
	return 2, err
}

func (*stalling) Close() error { return nil }

func firstStalls(n int) (time.Duration, error) {
	if n == 0 {
		return time.Second, nil
	}
	return time.Millisecond, nil
}

type sleeping struct{}

func (sleeping) until(at time.Time) { time.Sleep(time.Until(at)) }
func (sleeping) close()             {}

// loaded runs a load in simulated time.
func loaded(t *testing.T, ctx context.Context, l load, duration time.Duration, answer func(n int) (time.Duration, error)) *tally {
	t.Helper()
	l.dial = func(int) (Sender, error) { return &stalling{answer: answer}, nil }
	l.pause = func() (pause, error) { return sleeping{}, nil }
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	return l.run(ctx, duration, nil)
}

// At a fixed rate a request that had to wait for one that stalled is as late as its users would find it.
func TestLatencyCountsFromWhenARequestWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := loaded(t, t.Context(), load{connections: 1, perSecond: 100}, 2*time.Second, firstStalls).measurement()
		if m.Requests != 200 || m.Items != 400 || m.Errors != 0 || m.Missed != 0 {
			t.Errorf("%+v", m)
		}
		// 99 requests were due within the second; the twentieth longest of all waited for 0.8 s.
		if m.Latency.P90 < 750 || m.Latency.P90 > 850 || m.Latency.Max < 999 || m.Latency.Max > 1002 {
			t.Errorf("latency %+v", m.Latency)
		}
	})
}

// As fast as answers come there is only one that was late: nobody else was sent meanwhile.
func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := loaded(t, t.Context(), load{connections: 1}, 2*time.Second, firstStalls).measurement()
		if m.Requests != 1001 || m.Seconds != 2 || m.Latency.P99 > 1.01 || m.Latency.Max < 999 {
			t.Errorf("%+v", m)
		}
	})
}

func TestRateThatCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := loaded(t, t.Context(), load{connections: 1, perSecond: 100}, time.Second, func(int) (time.Duration, error) { return 100 * time.Millisecond, nil }).measurement()
		if m.Requests < 20 || m.Requests > 22 || m.Requests+m.Missed != 100 {
			t.Errorf("%d requests were sent, %d missed; 100 were due, and in twice the time 20 can be sent", m.Requests, m.Missed)
		}
	})
}

// However late a connection gets its turn, it sends once: a short measurement is one of something.
func TestEveryConnectionSendsAtLeastOnce(t *testing.T) {
	due, wait := new(load).schedule(t.Context(), newTally(), time.Now().Add(-time.Second))
	defer wait()
	if _, more := due(true); !more {
		t.Error("a first request was not due")
	}
	if _, more := due(false); more {
		t.Error("another one was due after the end")
	}
}

func TestErrorsAreCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := loaded(t, t.Context(), load{connections: 1}, time.Second, func(n int) (time.Duration, error) {
			if n%10 == 3 {
				return 50 * time.Millisecond, errors.New("refused")
			}
			return 5 * time.Millisecond, nil
		}).measurement()
		if m.Errors != 11 || m.Requests < 90 || m.Requests > 100 || m.Latency.Max > 5.01 || len(m.ErrorTexts) != errorsKept || m.ErrorTexts[0] != "refused" {
			t.Errorf("%+v", m)
		}
	})
}

func TestWhenNothingWorksTheLoadGivesUp(t *testing.T) {
	for _, perSecond := range []float64{0, 50} {
		synctest.Test(t, func(t *testing.T) {
			all := loaded(t, t.Context(), load{connections: 4, perSecond: perSecond}, time.Hour, func(int) (time.Duration, error) {
				return time.Millisecond, errors.New("down")
			})
			if all.fatal == nil || !strings.Contains(all.fatal.Error(), "down") || all.ended.Sub(all.started) > time.Minute {
				t.Errorf("at %v/s: after %s: %v", perSecond, all.ended.Sub(all.started), all.fatal)
			}
		})
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	for _, perSecond := range []float64{0, 50, 1e6} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			all := loaded(t, ctx, load{connections: 4, perSecond: perSecond}, time.Hour, firstStalls)
			if took := all.ended.Sub(all.started); all.fatal != nil || took > 4*time.Second || all.count.Requests < 100 {
				t.Errorf("at %v/s: %d requests in %s, %v", perSecond, all.count.Requests, took, all.fatal)
			}
		})
	}
}

// hanging never answers, until it is closed.
type hanging struct{ closed chan struct{} }

func (h hanging) Send() (int, error) {
	<-h.closed
	return 0, net.ErrClosed
}

func (h hanging) Close() error {
	select {
	case <-h.closed:
	default:
		close(h.closed)
	}
	return nil
}

func TestAnswersThatNeverComeAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := load{connections: 2, dial: func(int) (Sender, error) { return hanging{make(chan struct{})}, nil }}
		if err := l.open(); err != nil {
			t.Fatal(err)
		}
		defer l.close()
		all := l.run(t.Context(), time.Second, nil)
		if took := all.ended.Sub(all.started); took < patience || took > 2*patience || all.errors() != 2 {
			t.Errorf("after %s, %d errors", took, all.errors())
		}
	})
}
