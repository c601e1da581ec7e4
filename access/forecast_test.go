package access

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// forecastText writes a forecast such as "5 at 1h, 3 periods, beat by 1h30m".
func forecastText(f *Forecast) string {
	if f == nil {
		return "none"
	}
	tokens := "nothing"
	if f.Tokens != nil {
		tokens = f.Tokens.String()
	}
	return fmt.Sprintf("%s at %s, %d periods, beat by %s", tokens, since(f.NextChargeMS), f.Periods, since(f.HeartbeatMS))
}

func TestForecast(t *testing.T) {
	for _, row := range []struct {
		rule, lineItems string
		tables          []string
		steps           string // separated by ";"
		want            string
	}{
		{"IDLE", "a 10", nil, "0 catch", "none"},
		{"TERMINATED", "a 10", nil, "0 close", "none"},
		{"as many as the balance covers", "a 10", nil, "0 ask x:2", "2 at 1h, 4 periods, beat by 1h30m"},
		{"to the last token", "a 11", nil, "0 ask x:2", "2 at 1h, 4 periods, beat by 1h30m"},
		{"a heartbeat that is owed", "a 10", nil, "0 ask x:2; 1h catch", "2 at 2h, 3 periods, beat by 1h30m"},
		{"the period as it is now", "a 10", nil, "0 ask x:2; 0 period 30m", "2 at 1h, 4 periods, beat by 1h15m"},
		{"none is covered, and it costs the same", "a 2", nil, "0 ask x:2", "2 at 1h, 0 periods, beat by 1h30m"},
		{"overdrafts", "a 4 over 3; b 3", nil, "0 ask x:2", "2 at 1h, 4 periods, beat by 1h30m"},
		{"an unlimited overdraft", "a 4 over all", nil, "0 ask x:2", "2 at 1h, 1000000 periods, beat by 1h30m"},
		{"an unlimited overdraft that can be booked no further", "a 4 over all", nil, "0 ask x:1000000000000000000", "1000000000000000000 at 1h, 8 periods, beat by 1h30m"},
		{"a large balance", "a 9000000000000000000", nil, "0 ask x:0.000001", "0.000001 at 1h, 1000000 periods, beat by 1h30m"},
		{"what costs nothing", "a 1", nil, "0 ask z", "0 at 1h, 1000000 periods, beat by 1h30m"},
		{"until the line item ends", "a 100 until 3h", nil, "0 ask z", "0 at 1h, 2 periods, beat by 1h30m"},
		{"a millisecond before a charge", "a 100 until 2h59m59.999s", nil, "0 ask x", "1 at 1h, 2 periods, beat by 1h30m"},
		{"a millisecond after", "a 100 until 3h0m0.001s", nil, "0 ask x", "1 at 1h, 3 periods, beat by 1h30m"},
		{"no line item is usable then", "a 100 until 1h", nil, "0 ask x", "nothing at 1h, 0 periods, beat by 1h30m"},
		{"one that begins in time", "a 3; b 100 from 3h until 5h", nil, "0 ask x", "1 at 1h, 4 periods, beat by 1h30m"},
		{"one that begins too late", "a 3; b 100 from 3h0m0.001s", nil, "0 ask x", "1 at 1h, 2 periods, beat by 1h30m"},
		{"a line item that is not usable does not count", "a 3; b 100 state INACTIVE", nil, "0 ask x", "1 at 1h, 2 periods, beat by 1h30m"},
		{"several items", "a 20", nil, "0 ask x y:2", "7 at 1h, 1 periods, beat by 1h30m"},
		{"several items share what is left at each price", "a 10 series s; b 10 series t", []string{"s: x 1, y 1", "t: x 1, y 10"}, "0 ask x y", "2 at 1h, 4 periods, beat by 1h30m"},
		{"a rate table to come", "a 10", []string{": x 1", "@3h: x 2"}, "0 ask x", "1 at 1h, 5 periods, beat by 1h30m"},
		{"effective when a charge is due", "a 10", []string{": x 1", "@1h: x 2"}, "0 ask x", "2 at 1h, 4 periods, beat by 1h30m"},
		{"one that does not price the item", "a 10", []string{": x 1", "@3h: y 2"}, "0 ask x", "1 at 1h, 2 periods, beat by 1h30m"},
		{"nothing prices it at the next charge", "a 10", []string{": x 1", "@1h: y 2"}, "0 ask x", "nothing at 1h, 0 periods, beat by 1h30m"},
		{"roundings are those of each charge", "a 1", []string{": x 0.5"}, "0 ask x:0.333333333333", "0.166666666666 at 1h, 5 periods, beat by 1h30m"},
		{"what rounds to nothing lasts", "a 1", []string{": x 0.4"}, "0 ask x:0.000000000001", "0 at 1h, 1000000 periods, beat by 1h30m"},
		{"covered: the next charge costs nothing", "a 20", nil, "0 ask w", "0 at 1h, 5 periods, beat by 1h30m"},
		{"covered, and other items are not", "a 20", nil, "0 ask w x:3", "3 at 1h, 2 periods, beat by 1h30m"},
		{"a window that ends at a charge", "a 20", nil, "0 ask w; 0 period 3h", "0 at 1h, 2 periods, beat by 2h30m"},
		{"another window between", "a 20", nil, "0 ask v", "0 at 1h, 3 periods, beat by 1h30m"},
		{"one window after another", "a 800", nil, "0 ask w", "0 at 1h, 299 periods, beat by 1h30m"},
		{"windows without end, as far as a forecast looks", "a 1 over all", nil, "0 ask w", "0 at 1h, 3000 periods, beat by 1h30m"},
		{"the same item twice in a window", "a 40", nil, "0 ask w:2 w", "0 at 1h, 5 periods, beat by 1h30m"},
		{"a window on its last legs, without tokens for the next", "a 8", nil, "0 ask w", "0 at 1h, 2 periods, beat by 1h30m"},
		{"more than can be charged is no price", "a 1 over all; b 1 over all; c 1", nil, "0 ask x:9000000000000000000; 0 set a over 0; 0 set b over 0", "9000000000000000000 at 1h, 0 periods, beat by 1h30m"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			st := newStage(t, row.lineItems, row.tables...)
			for _, step := range strings.Split(row.steps, "; ") {
				st.do(step)
			}
			before := st.snapshot()
			f := st.s.Forecast(&st.w)
			if got := forecastText(f); got != row.want {
				t.Errorf("the forecast is %q, want %q", got, row.want)
			}
			if diff := cmp.Diff(before, st.snapshot(), cmp.AllowUnexported(snapshot{})); diff != "" {
				t.Errorf("looking ahead changed something (-before +after)\n%s", diff)
			}
			text, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			var back *Forecast
			if err := json.Unmarshal(text, &back); err != nil || forecastText(back) != forecastText(f) {
				t.Errorf("%s is read back as %q, %v", text, forecastText(back), err)
			}
		})
	}
}

// What cannot be read back from the books must not be written there.
func TestForecastOfMoreThanCanBeCharged(t *testing.T) {
	st := newStage(t, "a 1 over all; b 1 over all; c 1 over all")
	st.do("0 ask x:4000000000000000000 x:5000000000000000000")
	for i := range st.s.Items {
		st.s.Items[i].Count = token.MustParse("8000000000000000000")
	}
	if f := st.s.Forecast(&st.w); f.Tokens != nil {
		t.Errorf("the next charge costs %s", f.Tokens)
	}
}

// charged is the future the long way: charge by charge, up to so many.
func (st *stage) charged(most int64) (periods int64, first token.Amount) {
	w := st.w
	w.Book = w.Book.Clone()
	standing := w.Standing(&st.s.Requester).Clone()
	w.Standing = func(*Requester) *ledger.Standing { return standing }
	s := *st.s
	s.Items, s.HeartbeatDueMS = append([]InUse(nil), s.Items...), 0
	for periods < most {
		move := s.Catch(&w)
		if s.State != Active {
			break
		}
		if s.HeartbeatDueMS = 0; periods == 0 {
			for i := range move.Outcomes {
				first = first.Add(move.Outcomes[i].Tokens)
			}
		}
		periods++
	}
	return periods, first
}

// A forecast is what happens if nothing else does.
func TestForecastComesTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := newStage(t, anyLineItems(t), anyTables(t)...)
		st.w.Prices.Tolerant = rapid.Bool().Draw(t, "tolerant")
		st.w.Period = time.Duration(rapid.SampledFrom([]int{10, 60, 90}).Draw(t, "period")) * time.Minute
		for range rapid.IntRange(1, 3).Draw(t, "requests") {
			now := rapid.SampledFrom([]string{"0", "1h1m", "3h", "5h"}).Draw(t, "now")
			st.do(now + " awake " + now)
			st.do(now + " ask" + anyItems(t))
			st.do(now + " period " + rapid.SampledFrom([]string{"10m", "1h", "90m"}).Draw(t, "next period"))
		}
		f := st.s.Forecast(&st.w)
		if st.s.State != Active {
			if f != nil {
				t.Fatalf("the forecast is %q of a session that is %s", forecastText(f), st.s.State)
			}
			return
		}
		const most = 300
		periods, first := st.charged(most)
		switch {
		case periods != min(f.Periods, most):
			t.Fatalf("the forecast is %q; it is charged %d times", forecastText(f), periods)
		case periods > 0 && (f.Tokens == nil || !f.Tokens.Equal(first)):
			t.Fatalf("the forecast is %q; it is charged %s", forecastText(f), first)
		case f.NextChargeMS != st.s.UntilMS:
			t.Fatalf("the forecast is %q; the next charge is at %s", forecastText(f), since(st.s.UntilMS))
		}
	})
}

func BenchmarkForecast(b *testing.B) {
	many := func(n int, line string) string {
		var all []string
		for i := range n {
			all = append(all, strings.ReplaceAll(strings.ReplaceAll(line, "#", fmt.Sprint(i)), "@", fmt.Sprintf("%dh", i)))
		}
		return strings.Join(all, "; ")
	}
	items := strings.Repeat(" x", ItemsMost)
	for _, row := range []struct{ name, lineItems, request string }{
		{"1 item, 1 line item", "a 1000", "x"},
		{"3 items, 20 line items", many(20, "l# 1000"), "x y f"},
		{"3 items, 200 line items that come and go", many(200, "l# 1000 from @ until 9999h"), "x y f"},
		{"a window", "a 900000", "w"},
		{"1000 items, 50 line items", many(50, "l# 100000"), items},
	} {
		b.Run(row.name, func(b *testing.B) {
			st := newStage(b, row.lineItems)
			st.s.Ask(&st.w, of(strings.Fields(row.request)), true, t0)
			b.ReportAllocs()
			for b.Loop() {
				if f := st.s.Forecast(&st.w); f == nil || f.Periods == 0 {
					b.Fatal(forecastText(f))
				}
			}
		})
	}
}
