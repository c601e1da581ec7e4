package rules

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// ask: ask [v1.1] [in=INSTANCE] [at=TIME] [allowPartial] [allOrNothing] [type=] [requester=] [dictionary=JSON] [key=] [as=TOKEN]
// [ITEM[@VERSION] COUNT [meta=JSON] [vars=JSON]], with more items on lines of their own.
func (w *world) ask(a args, more []string) string {
	if at, found := a.named["at"]; found {
		w.setNow(w.time(at))
	}
	instance := w.instance(a.or("in", "acme"))
	version := a.version("v1.0")
	r := request{
		method: http.MethodPost, path: "/elastic/api/" + version + "/instances/" + instance + "/access-request",
		as: a.or("as", "client:"+a.or("in", "acme")), header: http.Header{}, body: w.askBody(a, more),
	}
	if key, found := a.named["key"]; found {
		r.header.Set("Idempotency-Key", key)
	}
	answer := w.do(r)
	if answer.status != http.StatusOK {
		return outcome(answer)
	}
	var out api.AccessAnswer
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	w.charged = out.CorrelationID
	return replayed(answer) + w.describe(&out, w.eventsOf(map[string]string{"instanceId": instance}))
}

func (w *world) askBody(a args, more []string) string {
	flags := ""
	for _, name := range []string{"allowPartial", "allOrNothing"} {
		if a.flag(name) {
			flags += fmt.Sprintf(`,%q:true`, name)
		}
	}
	var items []string
	if len(a.alone) > 0 {
		items = append(items, w.item(a))
	}
	for _, line := range more {
		items = append(items, w.item(parseArgs("item "+line)))
	}
	return fmt.Sprintf(`{"requester":%s,"requestedItems":[%s]%s}`, w.requester(a), strings.Join(items, ","), flags)
}

// requester: [type=] [requester=] [dictionary=JSON]
func (w *world) requester(a args) string {
	dictionary := ""
	if value, found := a.named["dictionary"]; found {
		dictionary = `,"dictionary":` + value
	}
	return fmt.Sprintf(`{"type":%q,"value":%q%s}`, a.or("type", "user"), a.or("requester", "alice"), dictionary)
}

// item: ITEM[@VERSION] COUNT [meta=JSON] [vars=JSON]
func (w *world) item(a args) string {
	if len(a.alone) != 2 {
		w.Fatalf("%q is not ITEM COUNT", a.alone)
	}
	name, version, _ := strings.Cut(a.alone[0], "@")
	more := ""
	if value, found := a.named["meta"]; found {
		more = `,"metaData":` + value
	}
	if value, found := a.named["vars"]; found {
		more += `,"variables":` + value
	}
	return fmt.Sprintf(`{"item":%q,"version":%q,"count":%s%s}`, name, version, a.alone[1], more)
}

// describe puts an answer into words, one line an item, after what was given back. Only the events know the overdraft and what was
// given back; and they must tell the same.
func (w *world) describe(answer *api.AccessAnswer, events []usage.Event) string {
	var of []usage.Event
	for _, e := range events {
		if e.CorrelationID == answer.CorrelationID {
			of = append(of, e)
		}
	}
	refunds := 0
	for refunds < len(of) && of[refunds].Kind == usage.Refund {
		refunds++
	}
	out := describeRefunds(of[:refunds])
	of = of[refunds:]
	for i := range answer.RequestedItems {
		item := &answer.RequestedItems[i]
		n := max(1, len(item.LineItems))
		if len(of) < n {
			w.Fatalf("item %d has no events", i)
		}
		out = append(out, w.describeItem(item, of[:n]))
		of = of[n:]
	}
	if len(of) > 0 {
		w.Fatalf("%d events more than the answer tells", len(of))
	}
	return strings.Join(out, "\n")
}

// describeItem: CODE ITEM xCOUNT: TOKENS tokens = LINE-ITEM TOKENS [at RATE] [(TOKENS overdraft)], ...
func (w *world) describeItem(item *api.AnsweredItem, events []usage.Event) string {
	name := item.Item
	if item.Version != "" {
		name += "@" + item.Version
	}
	line := fmt.Sprintf("%s %s x%s: ", item.Status.Code, name, item.Count)
	if len(item.LineItems) == 0 {
		if !item.TotalTokensCharged.IsZero() || events[0].Kind != usage.Denial || !events[0].Count.Equal(item.Count) {
			w.Fatalf("denied item %s: charged %s, event %+v", name, item.TotalTokensCharged, events[0])
		}
		return line + item.Status.Description
	}
	if item.Status.Description != "Successfully checked out" {
		line += item.Status.Description + " "
	}
	var shares []string
	var sum, count token.Amount
	for i, l := range item.LineItems {
		e := &events[i]
		if e.Kind != usage.Charge || e.ActivationID != l.ActivationID || !e.Tokens.Equal(l.TokensCharged) || !e.Rate.Equal(l.Rate) {
			w.Fatalf("line item %s: the answer says %s tokens at %s, the event %+v", l.ActivationID, l.TokensCharged, l.Rate, e)
		}
		sum, count = sum.Add(e.Tokens), count.Add(e.Count)
		shares = append(shares, share(l, item.LineItems, e))
	}
	if !sum.Equal(item.TotalTokensCharged) || !count.Equal(item.Count) {
		w.Fatalf("%s: %s tokens for %s, its events add up to %s tokens for %s", name, item.TotalTokensCharged, item.Count, sum, count)
	}
	if item.CoveredUntil != 0 {
		shares[len(shares)-1] += ", covered until " + w.shortTime(item.CoveredUntil)
	}
	return line + item.TotalTokensCharged.String() + " tokens = " + strings.Join(shares, ", ")
}

// share tells what a line item paid: the rate only where rates differ, the overdraft only where there is one.
func share(l api.ChargedLineItem, all []api.ChargedLineItem, e *usage.Event) string {
	text := l.ActivationID + " " + l.TokensCharged.String()
	for _, other := range all {
		if !other.Rate.Equal(l.Rate) {
			text += " at " + l.Rate.String()
			break
		}
	}
	if !e.Overdraft.IsZero() {
		text += " (" + e.Overdraft.String() + " overdraft)"
	}
	return text
}
