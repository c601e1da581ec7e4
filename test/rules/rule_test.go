package rules

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
)

// The commands in this file say who may use which tokens.

// condition: condition NAME [in=INSTANCE] KEY IN|NOT VALUE,VALUE, or condition NAME [in=INSTANCE] AND|OR NAME,NAME
func (w *world) condition(a args) string {
	name, of := a.alone[0], a.alone[1:]
	var body string
	switch len(of) {
	case 2:
		var parts []string
		for _, part := range strings.Split(of[1], ",") {
			parts = append(parts, fmt.Sprintf(`{"id":%q}`, w.rules[part]))
		}
		body = fmt.Sprintf(`{"name":%q,"type":"COMPLEX","operator":%q,"conditions":[%s]}`, name, of[0], strings.Join(parts, ","))
	case 3:
		values, err := json.Marshal(strings.Split(of[2], ","))
		if err != nil {
			w.Fatal(err)
		}
		body = fmt.Sprintf(`{"name":%q,"type":"SIMPLE","key":%q,"operator":%q,"values":%s}`, name, of[0], of[1], values)
	default:
		w.Fatalf("%q is neither KEY IN VALUES nor AND CONDITIONS", of)
	}
	answer := w.do(request{
		method: http.MethodPost, path: "/api/v1.1/instances/" + w.instance(a.or("in", "acme")) + "/conditions", body: `{"conditions":[` + body + `]}`,
	})
	if answer.status == http.StatusOK {
		var made []api.Condition
		if err := json.Unmarshal([]byte(answer.body), &made); err != nil {
			w.Fatal(err)
		}
		w.rules[name] = made[0].ID
	}
	return outcome(answer)
}

// putActions: actions LINE-ITEM [in=INSTANCE]: [NAME=]CONDITION ALLOW N, [NAME=]CONDITION DENY, default ALLOW
func (w *world) putActions(line string) string {
	head, list, _ := strings.Cut(line, ":")
	a := parseArgs(head)
	actions := []api.Action{}
	for _, text := range strings.Split(list, ",") {
		if text = strings.TrimSpace(text); text != "" {
			actions = append(actions, w.action(text))
		}
	}
	body, err := json.Marshal(actions)
	if err != nil {
		w.Fatal(err)
	}
	answer := w.do(request{method: http.MethodPut, path: w.lineItemPath(a) + "/actions", body: string(body)})
	if answer.status == http.StatusOK {
		if err := json.Unmarshal([]byte(answer.body), &actions); err != nil {
			w.Fatal(err)
		}
		for _, action := range actions {
			if action.Name != "" {
				w.rules[action.Name] = action.ID
			}
		}
	}
	return outcome(answer)
}

// action: [NAME=]CONDITION or [NAME=]default, then ALLOW N, ALLOW or DENY
func (w *world) action(text string) api.Action {
	words := strings.Fields(text)
	if len(words) < 2 {
		w.Fatalf("%q is not CONDITION ALLOW N", text)
	}
	name, of, found := strings.Cut(words[0], "=")
	if !found {
		name, of = "", words[0]
	}
	action := api.Action{Name: name, Action: words[1]}
	if id := w.rules[name]; name != "" && id != "" {
		action.ID = id
	}
	if of != "default" {
		action.ConditionID = w.rules[of]
	}
	if len(words) == 3 {
		allocation := token.MustParse(words[2])
		action.Allocation = &allocation
	}
	return action
}

// showRules: rules [in=INSTANCE] prints LINE-ITEM: CONDITION ALLOW USED of N, ... for each line item.
func (w *world) showRules(a args) string {
	var all api.AllActions
	w.get("/api/v1.1/instances/"+w.instance(a.or("in", "acme"))+"/line-items/actions?size=1000", &all)
	var out []string
	for _, l := range all.LineItems {
		var actions []string
		for _, action := range l.Actions {
			of := "default"
			for name, id := range w.rules {
				if id == action.ConditionID {
					of = name
				}
			}
			text := of + " " + action.Action
			if action.Allocation != nil {
				text += fmt.Sprintf(" %s of %s", action.Used, action.Allocation)
			}
			actions = append(actions, text)
		}
		if len(actions) == 0 {
			actions = []string{"all"}
		}
		out = append(out, l.LineItemID+": "+strings.Join(actions, ", "))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// putLimit: limit LINE-ITEM N per=PERIOD reset=TIME [in=INSTANCE], or limit LINE-ITEM none
func (w *world) putLimit(a args) string {
	path := w.lineItemPath(a) + "/consumption-limit"
	if a.alone[1] == "none" {
		return outcome(w.do(request{method: http.MethodDelete, path: path}))
	}
	return outcome(w.do(request{
		method: http.MethodPut, path: path,
		body: fmt.Sprintf(`{"limit":%s,"period":%q,"nextReset":%d}`, a.alone[1], a.or("per", "MONTH"), w.time(a.or("reset", "2026-01-01"))),
	}))
}

// showConsumed: consumed LINE-ITEM [in=INSTANCE] prints N per PERIOD until TIME, and TYPE VALUE: TOKENS since TIME for each requester.
func (w *world) showConsumed(a args) string {
	path := w.lineItemPath(a) + "/consumption-limit"
	answer := w.do(request{method: http.MethodGet, path: path + "?size=1000"})
	if answer.status != http.StatusOK {
		return outcome(answer)
	}
	var l api.ConsumptionLimitState
	if err := json.Unmarshal([]byte(answer.body), &l); err != nil {
		w.Fatal(err)
	}
	out := []string{fmt.Sprintf("%s per %s until %s", l.Limit, l.Period, readableTime(l.NextReset))}
	for _, c := range l.Consumed {
		out = append(out, fmt.Sprintf("%s %s: %s since %s", c.Requester.Type, c.Requester.Value, c.Consumed, readableTime(c.Since)))
	}
	return strings.Join(out, "\n")
}

func (w *world) lineItemPath(a args) string {
	return "/api/v1.1/instances/" + w.instance(a.or("in", "acme")) + "/line-items/" + a.alone[0]
}

// rulesOf is all that says who may use the tokens of an instance.
func (w *world) rulesOf(instanceID string) string {
	path := "/api/v1.1/instances/" + instanceID
	all := w.get(path+"/conditions", nil) + w.get(path+"/line-items/actions?size=1000", nil)
	for _, l := range w.lineItemsOf(instanceID) {
		all += w.send(request{method: http.MethodGet, path: path + "/line-items/" + url.PathEscape(l.ActivationID) + "/consumption-limit"}).body
	}
	return all
}
