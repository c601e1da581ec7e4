package audit

import (
	"math/big"
	"slices"
	"strings"
	"testing"
)

// sessionHistory is a good one, worked out by hand. Item x costs 3. Line item a has 4 tokens, and an overdraft of 1; b has 100.
type sessionHistory struct {
	events  []Event
	replies []Reply
	made    []int
	used    map[string]*big.Rat
	net     *big.Rat
}

const half = hour / 2

func goodSession() *sessionHistory {
	event := func(id, kind string, at, written int64, lineItem, count, tokens, used string) Event {
		return Event{
			CorrelationID: id, Kind: kind, Status: granted, Time: at, Written: written, Instance: "A", Session: "s", Requester: "u", Item: "x",
			LineItem: lineItem, Count: R(count), Rate: R("3"), Tokens: R(tokens), Overdraft: zero, Used: R(used), Quantity: map[string]int64{"a": 4, "b": 100}[lineItem],
			TableVersion: "1",
		}
	}
	paid := AnsweredItem{Status: granted, Count: R("2"), Tokens: R("6"), Slices: []Slice{{"a", R("3"), R("4")}, {"b", R("3"), R("2")}}}
	return &sessionHistory{
		events: []Event{
			event("use", "CHARGE", dawn, dawn, "a", "1.333333333333", "4", "4"), // at dawn
			event("use", "CHARGE", dawn, dawn, "b", "0.666666666667", "2", "2"),
			event("auto", "AUTOMATIC_CHARGE", dawn+hour, dawn+hour+1, "b", "2", "6", "8"), // an hour later
			event("close", "REFUND", dawn+hour+half, dawn+hour+half, "b", "-1", "-3", "5"),
		},
		replies: []Reply{
			{Session: "s", Shown: &Shown{State: idle}},
			{Session: "s", Shown: &Shown{State: active, From: dawn, Until: dawn + hour}, Answer: &Answer{"use", []AnsweredItem{paid}}},
			{Session: "s", Shown: &Shown{State: active, From: dawn + hour, Until: dawn + 2*hour}},
			{},
		},
		made: []int{1, 0},
		used: map[string]*big.Rat{"a": R("4"), "b": R("5")},
		net:  R("9"),
	}
}

// audit tells an auditor of the history.
func (h *sessionHistory) audit() []string {
	a := NewSessions(hour)
	a.Table(&Table{Version: "1", From: dawn, Rates: map[[2]string]*big.Rat{{"x", ""}: R("3")}})
	a.LineItem(LineItem{ID: "a", Instance: "A", State: deployed, Quantity: 4, Start: dawn, End: dawn + day, Elastic: true, Overdraft: number, Limit: 1})
	a.LineItem(LineItem{ID: "b", Instance: "A", State: deployed, Quantity: 100, Start: dawn, End: dawn + 2*day, Elastic: true})
	tell := func(id string, at int64, c Call, r Reply) {
		h.record(a, id)
		a.CalledAtOnce(at, []Call{c}, []Reply{r}, false)
	}
	tell("", dawn, Call{Verb: Create, Instance: "A"}, h.replies[0])
	tell("use", dawn, Call{Verb: Use, Session: "s", Requester: "u", Items: []Ask{{Item: "x", Count: R("2")}}}, h.replies[1])
	h.record(a, "auto")
	a.CaughtUp(dawn+hour+1, dawn+hour+1, h.made[0], true)
	a.CaughtUp(dawn+hour+2, dawn+hour+2, h.made[1], true)
	tell("", dawn+hour+3, Call{Verb: Heartbeat, Session: "s"}, h.replies[2])
	tell("close", dawn+hour+half, Call{Verb: Close, Session: "s"}, h.replies[3])
	a.Recorded(h.events)
	a.Stands("s", Shown{State: terminated, Reason: "CLOSED"}, h.net)
	a.Balances(h.used)
	return a.Faults()
}

// record tells of the next events, if they are of an answer.
func (h *sessionHistory) record(a *Sessions, id string) {
	for len(h.events) > 0 && h.events[0].CorrelationID == id {
		a.Recorded(h.events[:1])
		h.events = h.events[1:]
	}
}

func TestSessionAuditorAcceptsGoodHistory(t *testing.T) {
	for _, wrong := range goodSession().audit() {
		t.Error(wrong)
	}
}

func TestSessionAuditorFindsWhatIsWrong(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(h *sessionHistory)
		want  string
	}{
		"a charge a moment late":           {func(h *sessionHistory) { h.events[2].Time++ }, "the events are wrong"},
		"a charge that is missing":         {func(h *sessionHistory) { h.events = slices.Delete(h.events, 2, 3) }, "events are missing"},
		"a charge twice":                   {func(h *sessionHistory) { h.events = slices.Insert(h.events, 3, h.events[2]) }, "more events"},
		"a charge after the end":           {func(h *sessionHistory) { h.events = append(h.events, h.events[2]) }, "nothing accounts for"},
		"a refund short of the last digit": {func(h *sessionHistory) { h.events[3].Tokens = add(h.events[3].Tokens, ulp) }, "the events are wrong"},
		"a refund to another":              {func(h *sessionHistory) { h.events[3].LineItem = "a" }, "the events are wrong"},
		"a refund that is missing":         {func(h *sessionHistory) { h.events = h.events[:3] }, "events are missing"},
		"the count of a refund":            {func(h *sessionHistory) { h.events[3].Count = R("1") }, "the events are wrong"},
		"a charge out of order":            {func(h *sessionHistory) { h.events[0], h.events[1] = h.events[1], h.events[0] }, "the events are wrong"},
		"a count":                          {func(h *sessionHistory) { h.events[0].Count = R("2") }, "the counts add up"},
		"a use":                            {func(h *sessionHistory) { h.events[2].Used = R("7") }, "the events add up to 8"},
		"a charge of another session":      {func(h *sessionHistory) { h.events[2].Session = "t" }, "the events are wrong"},
		"how much was made":                {func(h *sessionHistory) { h.made[1] = 1 }, "1 things were made, 0 were due"},
		"an answer":                        {func(h *sessionHistory) { h.replies[1].Answer.Items[0].Tokens = R("5") }, "it is answered by"},
		"a state":                          {func(h *sessionHistory) { h.replies[1].Shown.State = idle }, "its reply shows"},
		"the end of a period":              {func(h *sessionHistory) { h.replies[1].Shown.Until++ }, "its reply shows"},
		"how a call ends":                  {func(h *sessionHistory) { h.replies[3].How = Ended }, `it ends "ended"`},
		"a balance":                        {func(h *sessionHistory) { h.used["b"] = R("6") }, "shows 6 used"},
		"net tokens":                       {func(h *sessionHistory) { h.net = R("8") }, "8 tokens net are shown"},
	} {
		t.Run(name, func(t *testing.T) {
			h := goodSession()
			row.spoil(h)
			faults := h.audit()
			if len(faults) == 0 || !strings.Contains(faults[0], row.want) {
				t.Errorf("found %q, want %q", faults, row.want)
			}
		})
	}
}
