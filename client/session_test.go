package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/client"
)

func use(w *world, n int64) *client.UseRequest {
	return &client.UseRequest{InstanceID: w.instance, Requester: ann, Items: []client.Item{work(n)}}
}

// state tells how the one session of the test stands.
func state(w *world, r client.SessionRef) string {
	w.Helper()
	s, err := w.admin().Session(context.Background(), r)
	w.must(err)
	return s.State + " " + s.Reason
}

func TestSessionSendsHeartbeats(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var ref client.SessionRef
		w.must(w.app().Use(t.Context(), use(w, 4), func(s *client.InUse) error {
			ref = s.Ref()
			w.losing(nil)
			pass(5*time.Hour + 30*time.Minute)
			if state(w, ref) != "ACTIVE " || s.Context().Err() != nil {
				t.Error(state(w, ref), context.Cause(s.Context()))
			}
			beats := 0
			for _, operation := range w.operations() {
				if strings.HasSuffix(operation, "/heartbeat") {
					beats++
				}
			}
			if beats != 5 {
				t.Errorf("%d heartbeats in 5 periods after the first", beats)
			}
			return nil
		}))
		if state(w, ref) != "TERMINATED CLOSED" {
			t.Error(state(w, ref))
		}
		w.stands("22", "0") // 5.5 hours of 4
	})
}

func TestSessionSurvivesLostAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		app := w.app()
		w.losing(func(n int) bool { return n%3 != 2 })
		w.must(app.Use(t.Context(), use(w, 4), func(s *client.InUse) error {
			pass(3 * time.Hour)
			_, err := s.Ask(t.Context(), []client.Item{work(2)})
			pass(3 * time.Hour)
			return err
		}))
		w.losing(nil)
		b, err := w.admin().Balance(t.Context(), w.instance)
		w.must(err)
		// 18, and what the seconds until a retry came to.
		if used := b.LineItems[0].Used.String(); !strings.HasPrefix(used, "18.0") {
			t.Errorf("used %s", used)
		}
	})
}

func TestSessionThatEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var ref client.SessionRef
		begun := time.Now()
		err := w.app().Use(t.Context(), use(w, 40), func(s *client.InUse) error {
			ref = s.Ref()
			<-s.Context().Done()
			return context.Cause(s.Context())
		})
		if client.StatusOf(err) != 409 || time.Since(begun) > 3*time.Hour {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if state(w, ref) != "TERMINATED NOT_COVERED" {
			t.Error(state(w, ref))
		}
		w.stands("80", "0")
	})
}

func TestSessionHaltsAndIsDenied(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.must(w.app().Use(t.Context(), use(w, 10), func(s *client.InUse) error {
			_, err := s.Ask(t.Context(), []client.Item{work(200)})
			denied, is := errors.AsType[*client.Denied](err)
			if !is || denied.Session == nil || denied.Session.State != "ACTIVE" {
				t.Errorf("got %v", err)
			}
			_, err = s.Ask(t.Context(), nil)
			pass(10 * time.Hour)
			if state(w, s.Ref()) != "IDLE " {
				t.Error(state(w, s.Ref()))
			}
			return err
		}))
		w.stands("0", "0")
		err := w.app().Use(t.Context(), use(w, 101), func(*client.InUse) error { t.Error("the work was done"); return nil })
		if _, is := errors.AsType[*client.Denied](err); !is {
			t.Error(err)
		}
		for s, err := range w.admin().Sessions(t.Context(), w.instance) {
			t.Error("a session was left open", s, err)
		}
	})
}
