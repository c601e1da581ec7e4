// Package notify decides when people are told about line items, requesters and instances: given a rule, what was and what is, whether an
// alert fires or is over. It is pure. How it is told is the matter of notify/webhook.
package notify

import (
	"slices"
	"time"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// Kind says what a rule watches.
type Kind string

// The kinds of rule. The first five are about a line item each, Pace about a requester on an instance, Denials about an instance.
const (
	BalanceBelow Kind = "BALANCE_BELOW" // less than so many tokens, or less than a share of the quantity, is left
	Exhausted    Kind = "EXHAUSTED"     // nothing is left of the quantity
	Overdraft    Kind = "OVERDRAFT"     // it is charged past its quantity
	Ending       Kind = "ENDING"        // it ends soon
	RunningOut   Kind = "RUNNING_OUT"   // at the present pace it is used up soon
	Pace         Kind = "PACE"          // a requester uses far more than is usual for it
	Denials      Kind = "DENIALS"       // a large share of what is asked for is denied
)

// Kinds are all kinds of rule.
var Kinds = []Kind{BalanceBelow, Exhausted, Overdraft, Ending, RunningOut, Pace, Denials}

// Rule is what a producer wants to be told about. Which fields it has depends on its kind. Its JSON is the same on the wire and in the
// books.
type Rule struct {
	Name         string       `json:"name"`
	Kind         Kind         `json:"kind"`
	AccountID    string       `json:"accountId,omitzero"` // of one account only; of all three at most one is told
	InstanceID   string       `json:"instanceId,omitzero"`
	ActivationID string       `json:"activationId,omitzero"`
	Tokens       token.Amount `json:"tokens,omitzero"`   // BalanceBelow: less than these. Pace: nothing below these is far
	Percent      token.Amount `json:"percent,omitzero"`  // BalanceBelow: of the quantity. Denials: of what is asked for
	Within       string       `json:"within,omitzero"`   // Ending, RunningOut: how soon, as ISO 8601 writes it
	Window       string       `json:"window,omitzero"`   // Pace, Denials: the time that is looked at
	Factor       token.Amount `json:"factor,omitzero"`   // Pace: so many times the usual
	Requests     int64        `json:"requests,omitzero"` // Denials: fewer than these in the window prove nothing
	Disabled     bool         `json:"disabled,omitzero"`
	Created      int64        `json:"created,omitzero"` // milliseconds since 1970; ignored in a request
	Modified     int64        `json:"modified,omitzero"`

	within time.Duration `json:"-"` // as Complete has read them
	window time.Duration `json:"-"`
}

// Bounds of what a rule says.
const (
	leastWindow = time.Minute
	mostWindow  = 24 * time.Hour
	mostWithin  = 3660 * 24 * time.Hour
)

// Complete checks a rule and makes it ready to judge. The problem names a field.
func (r *Rule) Complete() error {
	if why := problem.Unnamed(r.Name); why != "" {
		return problem.Field("name", "%s", why)
	}
	if r.Name == "fired" {
		return problem.Field("name", "must be another: /alerts/fired is the log of alerts that fired")
	}
	if !slices.Contains(Kinds, r.Kind) {
		return problem.Field("kind", "must be BALANCE_BELOW, EXHAUSTED, OVERDRAFT, ENDING, RUNNING_OUT, PACE or DENIALS")
	}
	if err := r.scope(); err != nil {
		return err
	}
	if err := r.belongs(); err != nil {
		return err
	}
	switch r.Kind {
	case BalanceBelow:
		return r.completeBelow()
	case Ending, RunningOut:
		return read("within", r.Within, time.Second, mostWithin, &r.within)
	case Pace:
		return r.completePace()
	case Denials:
		return r.completeDenials()
	}
	return nil
}

func (r *Rule) scope() error {
	told := 0
	for _, s := range [...]struct{ field, value string }{{"accountId", r.AccountID}, {"instanceId", r.InstanceID}, {"activationId", r.ActivationID}} {
		if why := problem.Misnamed(s.value); why != "" {
			return problem.Field(s.field, "%s", why)
		}
		if s.value != "" {
			told++
		}
		if told > 1 {
			return problem.Field(s.field, "is one too many: tell accountId, instanceId or activationId, or none of them for all")
		}
	}
	if r.ActivationID != "" && (r.Kind == Pace || r.Kind == Denials) {
		return problem.Field("activationId", "is not for %s, which is about requesters and instances; tell accountId or instanceId", r.Kind)
	}
	return nil
}

// belongs refuses fields that a kind does not have.
func (r *Rule) belongs() error {
	for _, f := range [...]struct {
		field string
		told  bool
		kinds []Kind
	}{
		{"tokens", !r.Tokens.IsZero(), []Kind{BalanceBelow, Pace}},
		{"percent", !r.Percent.IsZero(), []Kind{BalanceBelow, Denials}},
		{"within", r.Within != "", []Kind{Ending, RunningOut}},
		{"window", r.Window != "", []Kind{Pace, Denials}},
		{"factor", !r.Factor.IsZero(), []Kind{Pace}},
		{"requests", r.Requests != 0, []Kind{Denials}},
	} {
		if f.told && !slices.Contains(f.kinds, r.Kind) {
			return problem.Field(f.field, "is not for %s; leave it out", r.Kind)
		}
	}
	return nil
}

var hundred = token.FromInt(100)

func (r *Rule) completeBelow() error {
	switch tokens, percent := !r.Tokens.IsZero(), !r.Percent.IsZero(); {
	case tokens == percent:
		return problem.Field("tokens", "or percent is required with BALANCE_BELOW, and only one of them: how much must be left")
	case tokens && r.Tokens.Sign() < 0:
		return problem.Field("tokens", "must be more than 0")
	case tokens && token.Max.Less(r.Tokens):
		return problem.Field("tokens", "must be at most %s", token.Max)
	case percent:
		return share("percent", r.Percent)
	}
	return nil
}

func share(field string, percent token.Amount) error {
	if percent.Sign() <= 0 || hundred.Less(percent) {
		return problem.Field(field, "must be more than 0 and at most 100")
	}
	return nil
}

func (r *Rule) completePace() error {
	if r.Factor.Cmp(one) <= 0 || token.FromInt(1_000_000).Less(r.Factor) {
		return problem.Field("factor", "must be more than 1 and at most 1000000: how many times the usual is far above it")
	}
	if r.Tokens.Sign() <= 0 || token.Max.Less(r.Tokens) {
		return problem.Field("tokens", "must be more than 0 with PACE: what is used less of in the window is never far above the usual")
	}
	return read("window", r.Window, leastWindow, mostWindow, &r.window)
}

var one = token.FromInt(1)

func (r *Rule) completeDenials() error {
	if err := share("percent", r.Percent); err != nil {
		return err
	}
	if r.Requests < 1 || r.Requests > 1_000_000_000 {
		return problem.Field("requests", "must be from 1 to 1000000000 with DENIALS: so many must be asked for in the window before a share of them says anything")
	}
	return read("window", r.Window, leastWindow, mostWindow, &r.window)
}

// read reads a length of time between bounds.
func read(field, text string, least, most time.Duration, into *time.Duration) error {
	if text == "" {
		return problem.Field(field, "is required: a length of time such as P14D or PT1H")
	}
	d, err := period.Parse(text)
	if err != nil {
		return problem.Field(field, "%v", err)
	}
	if d < least || d > most {
		return problem.Field(field, "must be from %s to %s", period.Format(least), period.Format(most))
	}
	*into = d
	return nil
}

// OfLineItems reports whether a rule is about line items, each by itself.
func (r *Rule) OfLineItems() bool { return r.Kind != Pace && r.Kind != Denials }

// SoonMS returns how soon an Ending rule wants a line item to end, in milliseconds; 0 of other kinds.
func (r *Rule) SoonMS() int64 {
	if r.Kind != Ending {
		return 0
	}
	return r.within.Milliseconds()
}

// Covers reports whether a rule is about what happens to a line item of an instance of an account; with an empty activationID, to
// the instance as a whole.
func (r *Rule) Covers(accountID, instanceID, activationID string) bool {
	return (r.AccountID == "" || r.AccountID == accountID) && (r.InstanceID == "" || r.InstanceID == instanceID) &&
		(r.ActivationID == "" || r.ActivationID == activationID)
}
