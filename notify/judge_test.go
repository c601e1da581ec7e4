package notify

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/token"
)

const (
	dawnMS = 1767225600000 // 2026-01-01
	hourMS = 60 * 60 * 1000
	dayMS  = 24 * hourMS
)

// line plays steps on a line item of 100 tokens from 2026-01-01 on for 100 days, and returns what a rule said to each: F it fires, R and
// why it was resolved, or -. A step is what becomes of the line item (used 90, quantity 200, end 10 days from the dawn, state, deleted,
// recurs) and the time, in days from the dawn.
func line(t *testing.T, r Rule, steps string) string {
	t.Helper()
	r.Name = "rule"
	if err := r.Complete(); err != nil {
		t.Fatal(err)
	}
	l := ledger.LineItem{ActivationID: "a", State: ledger.Deployed, Quantity: 100, StartMS: dawnMS, EndMS: dawnMS + 100*dayMS, Elastic: true}
	var s State
	var said []string
	nowMS := int64(dawnMS)
	for step := range strings.SplitSeq(steps, ";") {
		words := strings.Fields(step)
		for i := 0; i < len(words); i += 2 {
			value := words[i+1]
			switch words[i] {
			case "used":
				l.Used = token.MustParse(value)
			case "spend":
				l.Used = l.Used.Add(token.MustParse(value))
			case "lasts":
				l.At(nowMS)
				said = append(said, letter(r.Lasts(&s, &l, number(t, value)*dayMS, nowMS)))
				continue
			case "quantity":
				l.Quantity = number(t, value)
			case "end":
				l.EndMS = dawnMS + number(t, value)*dayMS
			case "day":
				nowMS = dawnMS + number(t, value)*dayMS
			case "ms":
				nowMS += number(t, value)
			case "state":
				l.State = ledger.State(value)
			case "deleted":
				l.Deleted = value == "yes"
			case "recurs":
				l.Recurs = period.Frequency(value)
			default:
				t.Fatalf("what is %s?", words[i])
			}
		}
		l.At(nowMS)
		v := r.Line(&s, &l, nowMS)
		said = append(said, letter(v))
	}
	return strings.Join(said, " ")
}

func number(t *testing.T, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func letter(v Verdict) string {
	switch v.Step {
	case Fired:
		return "F"
	case Resolved:
		return "R:" + v.Reason
	}
	return "-"
}

func TestCrossings(t *testing.T) {
	below := Rule{Kind: BalanceBelow, Tokens: token.FromInt(10)}
	percent := Rule{Kind: BalanceBelow, Percent: token.MustParse("12.5")}
	exhausted, overdraft := Rule{Kind: Exhausted}, Rule{Kind: Overdraft}
	ending := Rule{Kind: Ending, Within: "P14D"}
	out := Rule{Kind: RunningOut, Within: "P7D"}
	for _, row := range []struct {
		name, steps, want string
		rule              Rule
	}{
		{"once a crossing", "used 80; used 91; used 95; used 100", "- F - -", below},
		{"as much as the threshold is not below", "used 90; used 90.000000000001; used 90", "- F R:BACK", below},
		{"again after it was back", "used 91; used 90; used 91", "F R:BACK F", below},
		{"a top-up", "used 91; quantity 101; quantity 100", "F R:BACK F", below},
		{"a quantity below the use", "used 50; quantity 40; quantity 59; quantity 60", "- F - R:BACK", below},
		{"a new allowance", "recurs MONTH; used 95; day 30; day 31; used 95 day 32", "- F - R:BACK F", below},
		{"of a quantity of nothing but overdraft", "used 150; used 100; used 91", "F - -", below},
		{"a share of the quantity", "used 87.5; used 87.6; quantity 200; used 175; used 175.1", "- F R:BACK - F", percent},
		{"the last token", "used 99.999999999999; used 100; used 150; used 99.9", "- F - R:BACK", exhausted},
		{"past the quantity", "used 100; used 100.000000000001; used 5000000000; used 100", "- F - R:BACK", overdraft},
		{"refunded past the quantity", "used 130; used 110; used 100; used 101", "F - R:BACK F", overdraft},
		{"deleted", "used 91; deleted yes; used 99; deleted no", "F R:DELETED - F", below},
		{"deleted before", "deleted yes used 100", "-", exhausted},
		{"obsolete", "used 91; state OBSOLETE; used 100", "F R:OBSOLETE -", below},
		{"inactive is only for a while", "used 91; state INACTIVE; used 90", "F - R:BACK", below},
		{"after its end", "used 91; day 99; day 100; used 100", "F - R:ENDED -", below},
		{"ends soon", "day 85; day 86; day 99; day 100", "- F - R:ENDED", ending},
		{"to the millisecond", "day 86 ms -1; ms 1", "- F", ending},
		{"and is renewed", "day 90; end 365; day 351", "F R:BACK F", ending},
		{"told to end sooner", "day 10; end 20; end 24; end 25", "- F - R:BACK", ending},
		{"likely, and a tenth later not", "lasts 30 used 1; lasts 8 used 2; lasts 7 used 3; lasts 7 used 4; lasts 8 used 5", "- - - - F - - - R:BACK -", out},
		{"not without a forecast", "used 100; day 99", "- -", out},
		{"gone in between", "lasts 3 used 1; day 100; lasts 3 used 2", "F - R:ENDED - -", out},
		{"deleted in between", "lasts 3 deleted yes; lasts 3 used 2", "F R:DELETED - -", out},
	} {
		t.Run(string(row.rule.Kind)+" "+row.name, func(t *testing.T) {
			if got := line(t, row.rule, row.steps); got != row.want {
				t.Errorf("%s\ngot  %s\nwant %s", row.steps, got, row.want)
			}
		})
	}
}

// Between the bounds of Quiet nothing changes, whatever the use.
func TestQuietIsQuiet(t *testing.T) {
	for _, r := range []Rule{
		{Kind: BalanceBelow, Tokens: token.FromInt(10)}, {Kind: BalanceBelow, Percent: token.MustParse("33.3")}, {Kind: Exhausted}, {Kind: Overdraft},
	} {
		r.Name = "r"
		if err := r.Complete(); err != nil {
			t.Fatal(err)
		}
		l := ledger.LineItem{State: ledger.Deployed, Quantity: 100, EndMS: dayMS}
		for from := range 130 {
			var s State
			l.Used = token.FromInt(int64(from))
			r.Line(&s, &l, 1)
			above, below, _ := r.Quiet(&s, &l)
			for to := range 130 {
				was := s
				l.Used = token.FromInt(int64(to))
				quiet := (above == nil || above.Less(l.Used)) && (below == nil || l.Used.Less(*below))
				if v := r.Line(&was, &l, 1); quiet && v.Step != None {
					t.Errorf("%s: from %d to %d it is %s", r.Kind, from, to, v.Step)
				}
			}
		}
	}
}

func TestPaces(t *testing.T) {
	rule := Rule{Name: "r", Kind: Pace, Window: "PT1H", Factor: token.FromInt(3), Tokens: token.FromInt(50)}
	if err := rule.Complete(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, steps, want string }{ // hour and tokens
		{"unknown yet", "0 1000; 5 1000", "- -"},
		{"little, then at once the floor", "0 10; 10 10; 20 10; 30 10; 40 10; 50 39; 50 10; 50 1; 50 500", "- - - - - - - F -"},
		{"three times the usual is far", "0 40; 1 40; 2 40; 3 40; 24 800; 48 0; 49 119; 49 1", "- - - - - - F -"},
		{"back after the window, and again", "0 10; 30 10; 60 60; 62 1; 64 60", "- - F R:BACK F"},
		{"the floor", "0 1; 30 1; 60 49; 60 1", "- - - F"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s State
			var said []string
			for step := range strings.SplitSeq(row.steps, ";") {
				var hour, tokens int64
				if _, err := fmt.Sscan(step, &hour, &tokens); err != nil {
					t.Fatal(err)
				}
				said = append(said, letter(rule.Charged(&s, dawnMS+hour*hourMS, token.FromInt(tokens))))
			}
			if got := strings.Join(said, " "); got != row.want {
				t.Errorf("%s\ngot  %s\nwant %s", row.steps, got, row.want)
			}
		})
	}
}

func TestDenials(t *testing.T) {
	rule := Rule{Name: "r", Kind: Denials, Window: "PT1H", Percent: token.FromInt(20), Requests: 10}
	if err := rule.Complete(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, steps, want string }{ // minute, requests, denials; no requests: only looked at
		{"too few prove nothing", "0 9 9; 0 1 0", "- F"},
		{"the share itself counts", "0 8 1; 0 1 0; 0 1 1; 0 1 1", "- - F -"},
		{"back by a tenth of it", "0 10 2; 1 1 0; 2 1 0", "F - R:BACK"},
		{"and not before", "0 100 20; 1 10 0; 2 2 0", "F - R:BACK"},
		{"what is long ago does not count", "0 10 2; 61 10 1", "F R:BACK"},
		{"too few leave it as it is", "0 10 9; 65 1 0; 66 0 0", "F - -"},
		{"and none end it", "0 10 9; 65 0 0", "F R:BACK"},
		{"anew", "0 10 9; 65 0 0; 66 10 2", "F R:BACK F"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s State
			var said []string
			for step := range strings.SplitSeq(row.steps, ";") {
				var minute, requests, denials int64
				if _, err := fmt.Sscan(step, &minute, &requests, &denials); err != nil {
					t.Fatal(err)
				}
				at := dawnMS + minute*time.Minute.Milliseconds()
				if requests == 0 {
					said = append(said, letter(rule.Instance(&s, at)))
					continue
				}
				said = append(said, letter(rule.Decided(&s, at, requests, denials)))
			}
			if got := strings.Join(said, " "); got != row.want {
				t.Errorf("%s\ngot  %s\nwant %s", row.steps, got, row.want)
			}
		})
	}
}

func TestRulesNameTheirField(t *testing.T) {
	ten, over := token.FromInt(10), token.FromInt(101)
	for _, row := range []struct {
		want string
		rule Rule
	}{
		{"kind: must be", Rule{}},
		{"name: must be another", Rule{Name: "fired", Kind: Exhausted}},
		{"name: is longer than 256 bytes", Rule{Name: strings.Repeat("x", 257), Kind: Exhausted}},
		{"instanceId: is one too many", Rule{Kind: Exhausted, AccountID: "a", InstanceID: "i"}},
		{"activationId: is one too many", Rule{Kind: Exhausted, AccountID: "a", ActivationID: "i"}},
		{"activationId: is not for PACE", Rule{Kind: Pace, ActivationID: "i"}},
		{"tokens: or percent is required", Rule{Kind: BalanceBelow}},
		{"tokens: or percent is required", Rule{Kind: BalanceBelow, Tokens: ten, Percent: ten}},
		{"tokens: must be more than 0", Rule{Kind: BalanceBelow, Tokens: ten.Neg()}},
		{"percent: must be more than 0 and at most 100", Rule{Kind: BalanceBelow, Percent: over}},
		{"percent: must be more than 0 and at most 100", Rule{Kind: BalanceBelow, Percent: ten.Neg()}},
		{"tokens: is not for EXHAUSTED", Rule{Kind: Exhausted, Tokens: ten}},
		{"percent: is not for OVERDRAFT", Rule{Kind: Overdraft, Percent: ten}},
		{"within: is not for EXHAUSTED", Rule{Kind: Exhausted, Within: "P1D"}},
		{"window: is not for ENDING", Rule{Kind: Ending, Window: "P1D"}},
		{"factor: is not for DENIALS", Rule{Kind: Denials, Factor: ten}},
		{"requests: is not for PACE", Rule{Kind: Pace, Requests: 1}},
		{"within: is required", Rule{Kind: Ending}},
		{"within: must be an ISO 8601 duration", Rule{Kind: RunningOut, Within: "14 days"}},
		{"within: must be from", Rule{Kind: RunningOut, Within: "P3661D"}},
		{"factor: must be more than 1", Rule{Kind: Pace, Factor: one}},
		{"tokens: must be more than 0 with PACE", Rule{Kind: Pace, Factor: ten}},
		{"window: is required", Rule{Kind: Pace, Factor: ten, Tokens: ten}},
		{"window: must be from", Rule{Kind: Pace, Factor: ten, Tokens: ten, Window: "PT59S"}},
		{"percent: must be more than 0", Rule{Kind: Denials}},
		{"requests: must be from 1", Rule{Kind: Denials, Percent: ten}},
		{"window: must be from", Rule{Kind: Denials, Percent: ten, Requests: 1, Window: "PT25H"}},
	} {
		if row.rule.Name == "" {
			row.rule.Name = "r"
		}
		if err := row.rule.Complete(); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%+v: got %v, want %s…", row.rule, err, row.want)
		}
	}
}
