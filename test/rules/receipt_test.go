package rules

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
)

// The commands in this file are about receipts: those of the last ask or use.

// correct sends what an administrator corrects.
func (w *world) correct(a args, path, body string) string {
	r := request{method: http.MethodPost, path: path, as: a.or("as", "admin"), header: http.Header{}, body: body}
	if key, found := a.named["key"]; found {
		r.header.Set("Idempotency-Key", key)
	}
	answer := w.try(r)
	if answer.status >= 300 {
		return w.refusal(answer)
	}
	if strings.HasSuffix(path, "/top-up") || strings.HasSuffix(path, "/transfers") {
		return replayed(answer) + "ok"
	}
	var out api.Receipt
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	return replayed(answer) + strings.Join(w.describeReceipt(&out), "\n")
}

func (w *world) refusal(answer response) string {
	var out api.Problem
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	if out.Field != "" {
		out.Detail = out.Field + ": " + out.Detail
	}
	return w.readable(fmt.Sprint(answer.status, " ", out.Detail))
}

// describeReceipt prints a line an item: what was taken or went back, and from or to whom.
func (w *world) describeReceipt(r *api.Receipt) (out []string) {
	line := func(verb string, item *api.ReceiptItem) {
		var shares []string
		for _, l := range item.LineItems {
			share := fmt.Sprint(l.ActivationID, " ", l.Tokens)
			if !l.Overdraft.IsZero() {
				share += fmt.Sprintf(" (%s overdraft)", l.Overdraft)
			}
			shares = append(shares, share)
		}
		text := fmt.Sprintf("%s %s x%s: %s tokens = %s", verb, item.Item, item.Count, item.Tokens, strings.Join(shares, ", "))
		if !item.Refunded.IsZero() {
			text += fmt.Sprintf(", of which %s were refunded", item.Refunded)
		}
		if item.Formula != "" {
			text += fmt.Sprintf(", by %s of %v", item.Formula, item.Variables)
		}
		out = append(out, text)
	}
	for i := range r.Refunds {
		line("refund", &r.Refunds[i])
	}
	for i := range r.Items {
		line(r.Items[i].Status.Code, &r.Items[i])
	}
	for _, later := range r.RefundedBy {
		var sum token.Amount
		for _, item := range later.Items {
			sum = sum.Add(item.Tokens)
		}
		out = append(out, fmt.Sprintf("%s tokens refunded by %s: %s", sum, later.By, later.Reason))
	}
	if r.RefundOf != "" && r.RefundOf != w.charged {
		w.Fatalf("it says that it refunds %s, not %s", r.RefundOf, w.charged)
	}
	return out
}

// receipt: receipt [as=TOKEN]
func (w *world) showReceipt(a args) string {
	answer := w.do(request{method: http.MethodGet, path: "/farebox/v1/receipts/" + w.charged, as: a.or("as", "admin")})
	if answer.status != http.StatusOK {
		return w.refusal(answer)
	}
	var out api.Receipt
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	return strings.Join(w.describeReceipt(&out), "\n")
}

// refund: refund [PLACE|none] [tokens=N] [count=N] [reason=TEXT] [key=] [as=TOKEN]
func (w *world) refund(a args) string {
	items := ""
	switch {
	case len(a.alone) == 0:
	case a.alone[0] == "none":
		items = `"items":[],`
	default:
		items = `"items":[{"place":` + a.alone[0]
		for _, name := range []string{"tokens", "count"} {
			if n, found := a.named[name]; found {
				items += fmt.Sprintf(",%q:%s", name, n)
			}
		}
		items += "}],"
	}
	return w.correct(a, "/farebox/v1/receipts/"+w.charged+"/refund", fmt.Sprintf(`{%s"reason":%q}`, items, a.or("reason", "")))
}

// adjust: adjust LINE-ITEM TOKENS [in=INSTANCE] [reason=TEXT] [key=] [as=TOKEN]
func (w *world) adjust(a args) string {
	path := "/farebox/v1/instances/" + w.instance(a.or("in", "acme")) + "/line-items/" + a.alone[0] + "/adjustments"
	return w.correct(a, path, fmt.Sprintf(`{"tokens":%s,"reason":%q}`, a.alone[1], a.or("reason", "")))
}

// topUp: top-up LINE-ITEM TOKENS [in=INSTANCE] [key=] [as=TOKEN]
func (w *world) topUp(a args) string {
	path := "/farebox/v1/instances/" + w.instance(a.or("in", "acme")) + "/line-items/" + a.alone[0] + "/top-up"
	return w.correct(a, path, fmt.Sprintf(`{"tokens":%s}`, a.alone[1]))
}

// transfer: transfer LINE-ITEM LINE-ITEM TOKENS [in=INSTANCE] [to=INSTANCE] [key=] [as=TOKEN]
func (w *world) transfer(a args) string {
	from := w.instance(a.or("in", "acme"))
	to := w.instance(a.or("to", a.or("in", "acme")))
	return w.correct(a, "/farebox/v1/transfers", fmt.Sprintf(`{"from":{"instanceId":%q,"activationId":%q},"to":{"instanceId":%q,"activationId":%q},"tokens":%s}`,
		from, a.alone[0], to, a.alone[1], a.alone[2]))
}
