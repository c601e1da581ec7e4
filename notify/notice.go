package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// Notice is what people are told when an alert fires or is over. Its JSON is the same on the wire, in webhooks and in the books.
type Notice struct {
	ID           string            `json:"id"` // a UUIDv7
	Alert        string            `json:"alert"`
	Kind         Kind              `json:"kind"`
	State        Step              `json:"state"`
	Reason       string            `json:"reason,omitzero"` // why it was resolved
	TimeMS       int64             `json:"time"`
	FiredMS      int64             `json:"fired,omitzero"` // when it had fired, of one that was resolved
	AccountID    string            `json:"accountId"`
	InstanceID   string            `json:"instanceId"`
	ActivationID string            `json:"activationId,omitzero"`
	Requester    *access.Requester `json:"requester,omitempty"`
	Unit         Unit              `json:"unit"` // of the numbers
	Threshold    token.Amount      `json:"threshold"`
	Before       *token.Amount     `json:"before,omitempty"` // what is compared with the threshold, before it was crossed
	After        token.Amount      `json:"after"`
	Quantity     int64             `json:"quantity,omitzero"` // of the line item
	Used         *token.Amount     `json:"used,omitempty"`
	EndMS        int64             `json:"end,omitzero"`
	Message      string            `json:"message"`
}

// Types of webhook events.
const (
	AlertFired    = "alert.fired"
	AlertResolved = "alert.resolved"
	TopUpAsk      = "top_up.requested"
	WebhookTest   = "webhook.test"
)

// Types are the types of events that webhooks can be told to want. A test comes whatever they are told.
var Types = []string{AlertFired, AlertResolved, TopUpAsk}

// Type returns the type of the webhook event that carries a notice.
func (n *Notice) Type() string {
	if n.State == Resolved {
		return AlertResolved
	}
	return AlertFired
}

// NewNotice words a verdict of a rule. What it is about is told by the caller, before Complete.
func NewNotice(r *Rule, v Verdict, nowMS, firedMS int64) *Notice {
	n := &Notice{
		Alert: r.Name, Kind: r.Kind, State: v.Step, Reason: v.Reason, TimeMS: nowMS, Unit: v.Unit, Threshold: v.Threshold, After: v.Value,
	}
	if v.Step == Resolved {
		n.FiredMS = firedMS
	}
	return n
}

// About tells which line item a notice is about.
func (n *Notice) About(l *ledger.LineItem) {
	used := l.Used
	n.ActivationID, n.Quantity, n.Used, n.EndMS = l.ActivationID, l.Quantity, &used, l.EndMS
}

// Complete writes the sentence, for people.
func (n *Notice) Complete() {
	what := fmt.Sprintf("line item %s of account %s", n.ActivationID, n.AccountID)
	switch n.Kind {
	case Pace:
		what = fmt.Sprintf("%s of account %s", n.Requester.Value, n.AccountID)
	case Denials:
		what = fmt.Sprintf("instance %s of account %s", n.InstanceID, n.AccountID)
	}
	said := what + " " + n.says()
	if n.State == Resolved {
		said = what + " " + n.resolved()
	}
	n.Message = strings.ToUpper(said[:1]) + said[1:] + "."
	if n.Kind == Pace { // begins with a name
		n.Message = said + "."
	}
}

func (n *Notice) says() string {
	switch n.Kind {
	case BalanceBelow:
		return fmt.Sprintf("has %s of %d tokens left, less than %s", n.After, n.Quantity, n.Threshold)
	case Exhausted:
		return fmt.Sprintf("is used up: none of its %d tokens is left", n.Quantity)
	case Overdraft:
		return fmt.Sprintf("is charged past its quantity of %d, by %s tokens", n.Quantity, n.After)
	case Ending:
		return "ends in " + span(n.After) + ", at " + time.UnixMilli(n.EndMS).UTC().Format(time.RFC3339)
	case RunningOut:
		return "is likely to be used up in " + span(n.After)
	case Pace:
		return fmt.Sprintf("used %s tokens, and %s are far above what is usual", n.After, n.Threshold)
	}
	return fmt.Sprintf("denied %s percent of what was asked for; %s percent are told of", brief(n.After), n.Threshold)
}

func (n *Notice) resolved() string {
	switch n.Reason {
	case Ended:
		return "has ended; the alert is over"
	case Obsolete:
		return "is obsolete; the alert is over"
	case Deleted:
		return "was deleted; the alert is over"
	}
	switch n.Kind {
	case BalanceBelow, Exhausted:
		return fmt.Sprintf("has %s tokens again", n.After)
	case Overdraft:
		return "is no longer charged past its quantity"
	case Ending:
		return "ends later now, at " + time.UnixMilli(n.EndMS).UTC().Format(time.RFC3339)
	case RunningOut:
		return "is likely to last longer again"
	case Pace:
		return "is back at a usual pace"
	}
	return "is back at " + brief(n.After) + " percent of denials"
}

// span words a number of milliseconds in days, hours or minutes.
func span(ms token.Amount) string {
	n, _ := ms.Whole() // times fit
	d := time.Duration(n) * time.Millisecond
	switch {
	case ms.Sign() <= 0:
		return "no time"
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}

// brief leaves out all but one digit after the point.
func brief(a token.Amount) string {
	text := a.String()
	if at := strings.IndexByte(text, '.'); at >= 0 {
		text = text[:min(len(text), at+2)]
	}
	return text
}
