package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/farebox/farebox/client"
)

// bubble runs a history in simulated time.
func bubble(t *testing.T, history func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { history(t, newWorld(t)) })
}

func estimate(w *world, n int64) *client.HoldRequest {
	return &client.HoldRequest{InstanceID: w.instance, Requester: ann, Items: []client.Item{work(n)}}
}

var errWork = errors.New("the work failed")

func TestHoldEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		work func(*client.Held) error
		used string
		err  error
	}{
		{"it settles what it was told", func(h *client.Held) error { h.Used(work(7)); return nil }, "7", nil},
		{"the last that was told counts", func(h *client.Held) error { h.Used(work(7)); h.Used(work(9)); return nil }, "9", nil},
		{"more than was held is booked", func(h *client.Held) error { h.Used(work(70)); return nil }, "70", nil},
		{"nothing told and done: the estimate", func(*client.Held) error { return nil }, "20", nil},
		{"nothing told and failed: nothing", func(*client.Held) error { return errWork }, "0", errWork},
		{"told and failed: what was told", func(h *client.Held) error { h.Used(work(3)); return errWork }, "3", errWork},
		{"told that it came to nothing", func(h *client.Held) error { h.Used(); return nil }, "0", nil},
		{"parts are apart from what is told", func(h *client.Held) error {
			_, err := h.Settle(h.Context(), []client.Item{work(2)})
			h.Used(work(3))
			return err
		}, "5", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, err := w.app().Hold(t.Context(), estimate(w, 20), func(h *client.Held) error {
					w.stands("0", "20")
					return c.work(h)
				})
				if !errors.Is(err, c.err) {
					t.Errorf("got %v, want %v", err, c.err)
				}
				w.stands(c.used, "0")
			})
		})
	}
}

func TestHoldIsKeptWhileWorkRuns(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := estimate(w, 20)
		r.TTL = 30 * time.Second
		answer, err := w.app().Hold(t.Context(), r, func(h *client.Held) error {
			for range 60 {
				pass(29 * time.Second)
				w.stands("0", "20")
			}
			h.Used(work(4))
			return h.Context().Err()
		})
		w.must(err)
		if answer.Late {
			t.Error("it was settled late: the hold had lapsed")
		}
		w.stands("4", "0")
	})
}

func TestHoldIsReleasedByAPanic(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		func() {
			defer func() {
				if recover() != "oh" {
					t.Error("the panic was kept back")
				}
			}()
			_, _ = w.app().Hold(t.Context(), estimate(w, 20), func(*client.Held) error { panic("oh") })
		}()
		w.stands("0", "0")
	})
}

// A caller who goes away before the hold was answered cannot know that it is there.
func TestHoldOfACallerWhoIsGoneIsReleased(t *testing.T) {
	for name, c := range map[string]struct {
		with []client.With
		held string
	}{
		"nobody else knows it":                     {nil, "0"},
		"who has its key can still ask for it":     {[]client.With{client.Key("job-17")}, "20"},
		"that its answer is a replay is told, too": {[]client.With{client.Replayed(new(bool))}, "0"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				ctx, cancel := context.WithCancel(t.Context())
				app := w.app()
				w.losing(func(n int) bool {
					if n == 0 {
						cancel()
					}
					return n == 0
				})
				never := func(*client.Held) error { t.Error("the work was done"); return nil }
				if _, err := app.Hold(ctx, estimate(w, 20), never, c.with...); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				w.stands("0", c.held)
				if _, err := app.Hold(ctx, estimate(w, 20), never); !errors.Is(err, context.Canceled) || len(w.operations()) > 1 { // stands asks once
					t.Errorf("who was gone before has %v, and called %q", err, w.operations())
				}
				if c.with == nil || c.held == "0" {
					return
				}
				_, err := app.Hold(t.Context(), estimate(w, 20), func(h *client.Held) error { h.Used(work(3)); return nil }, c.with...)
				w.must(err)
				w.stands("3", "0")
			})
		})
	}
}

func TestHoldIsTakenOverByItsKey(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		key := client.Key("job-17")
		w.losing(func(int) bool { cancel(); return true })
		if _, err := w.app().Hold(ctx, estimate(w, 20), func(*client.Held) error { return errWork }, key); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		w.losing(nil)
		pass(50 * time.Second)
		answer, err := w.app().Hold(t.Context(), estimate(w, 20), func(h *client.Held) error {
			pass(5 * time.Minute)
			w.stands("0", "20")
			return context.Cause(h.Context())
		}, key)
		w.must(err)
		if answer.Late {
			t.Error("it had lapsed")
		}
		w.stands("20", "0")
	})
}

// Under the key of a hold that keeps nothing any more no work is done: it could not be settled, or not from what was held.
func TestHoldOfAKeyThatIsOver(t *testing.T) {
	fails := func(*client.Held) error { return errWork }
	for name, c := range map[string]struct {
		first func(*world, *client.Client, client.With) error
		err   string
		used  string
	}{
		"released": {func(w *world, app *client.Client, key client.With) error {
			_, err := app.Hold(w.Context(), estimate(w, 20), fails, key)
			return err
		}, "409 Conflict: the hold of this key was released before: use another key", "0"},
		"lapsed": {func(w *world, app *client.Client, key client.With) error {
			ctx, cancel := context.WithCancel(w.Context())
			w.losing(func(int) bool { cancel(); return true })
			_, err := app.Hold(ctx, estimate(w, 20), fails, key)
			w.losing(nil)
			pass(2 * time.Minute)
			return err
		}, "409 Conflict: the hold of this key has lapsed: use another key", "0"},
		"settled, which counts once": {func(w *world, app *client.Client, key client.With) error {
			_, err := app.Hold(w.Context(), estimate(w, 20), func(h *client.Held) error { h.Used(work(4)); return errWork }, key)
			return err
		}, "", "4"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				app, key, replayed, worked := w.app(), client.Key("job-17"), false, false
				if err := c.first(w, app, key); err == nil {
					t.Error("the first did not fail")
				}
				_, err := app.Hold(t.Context(), estimate(w, 20), func(h *client.Held) error { worked = true; h.Used(work(4)); return nil }, client.Replayed(&replayed), key)
				if !replayed || worked != (c.err == "") {
					t.Errorf("replayed: %v, worked: %v", replayed, worked)
				}
				if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
					t.Error(err)
				}
				w.stands(c.used, "0")
			})
		})
	}
}

func TestHoldSettlesThoughItsCallerIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := w.app().Hold(ctx, estimate(w, 20), func(h *client.Held) error {
			h.Used(work(3))
			cancel()
			<-h.Context().Done()
			return context.Cause(h.Context())
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		w.stands("3", "0")
	})
}

// TestHoldSurvivesLostAnswers loses each answer in turn, and every second one.
func TestHoldSurvivesLostAnswers(t *testing.T) {
	for n := range 6 {
		bubble(t, func(t *testing.T, w *world) {
			app := w.app()
			w.losing(func(i int) bool { return i == n || n == 5 && i%2 == 0 })
			r := estimate(w, 20)
			r.TTL = 30 * time.Second
			answer, err := app.Hold(t.Context(), r, func(h *client.Held) error {
				pass(25 * time.Second) // two extensions
				h.Used(work(7))
				return nil
			})
			w.must(err)
			if answer.TokensSettled.String() != "7" {
				t.Errorf("settled %s", answer.TokensSettled)
			}
			w.stands("7", "0")
		})
	}
}

func TestHoldThatCannotBeReached(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		app := w.app()
		r := estimate(w, 20)
		r.TTL = 30 * time.Second
		var cause error
		_, err := app.Hold(t.Context(), r, func(h *client.Held) error {
			w.reachable(false)
			<-h.Context().Done()
			cause = context.Cause(h.Context())
			h.Used(work(7))
			return nil
		})
		if !errors.Is(cause, client.ErrLapsed) {
			t.Errorf("the context ended by %v", cause)
		}
		unsettled, is := errors.AsType[*client.Unsettled](err)
		if !is {
			t.Fatal(err)
		}
		w.reachable(true)
		w.stands("0", "0") // it has lapsed
		for range 2 {
			answer, err := app.SettleHold(t.Context(), unsettled.HoldID, unsettled.Settlement, client.SettlementKey(unsettled.HoldID))
			w.must(err)
			if !answer.Late {
				t.Error("it is not late")
			}
		}
		w.stands("7", "0")
	})
}

func TestHoldThatSomebodyReleases(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		app := w.app()
		_, err := app.Hold(t.Context(), estimate(w, 20), func(h *client.Held) error {
			_, err := w.admin().ReleaseHold(t.Context(), h.ID())
			w.must(err)
			<-h.Context().Done()
			if client.StatusOf(context.Cause(h.Context())) != 409 {
				t.Error(context.Cause(h.Context()))
			}
			h.Used(work(7))
			return nil
		})
		if client.StatusOf(err) != 409 || !strings.Contains(err.Error(), "409 Conflict") {
			t.Errorf("got %v", err)
		}
		w.stands("0", "0")
	})
}

func TestHoldThatIsDenied(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, err := w.app().Hold(t.Context(), estimate(w, 101), func(*client.Held) error {
			t.Error("the work was done")
			return nil
		})
		denied, is := errors.AsType[*client.Denied](err)
		if !is || denied.Code != client.Insufficient || denied.Item != "work" || denied.CorrelationID == "" {
			t.Errorf("got %#v", err)
		}
		w.stands("0", "0")
	})
}
