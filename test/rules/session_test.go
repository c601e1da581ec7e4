package rules

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// The commands in this file run sessions.

// known is a session that a table has named.
type known struct {
	id       string
	instance string // name
}

func (w *world) sessionNamed(name string) known {
	s, found := w.sessions[name]
	if !found {
		w.Fatalf("there is no session %q here; make it with: session %s", name, name)
	}
	return s
}

// sessionsPath takes v1.0, v1.1 or farebox out of the arguments and returns where that API has its sessions.
func sessionsPath(a *args) string {
	if a.flag("farebox") {
		return "/farebox/v1/sessions"
	}
	return "/api/" + a.version("v1.0") + "/sessions"
}

// sessionRequest is a request about instance's sessions, with what all commands take: [in=INSTANCE or none] [as=TOKEN] [key=].
// The instance that the caller tells is the session's, and the token one for it, unless told otherwise.
func (w *world) sessionRequest(a *args, instance, method, path string) request {
	r := request{method: method, path: path, as: a.or("as", "client:"+instance), header: http.Header{}}
	if told := a.or("in", instance); told != "none" {
		r.header.Set("X-Instance-Id", w.expand("{"+told+"}"))
	}
	if key, found := a.named["key"]; found {
		r.header.Set("Idempotency-Key", key)
	}
	return r
}

// ofSession is sessionRequest for one session, which is the first word.
func (w *world) ofSession(a *args, method, under string) (known, request) {
	path := sessionsPath(a)
	if len(a.alone) == 0 {
		w.Fatalf("%s: which session?", a.command)
	}
	s := w.sessionNamed(a.alone[0])
	a.alone = a.alone[1:]
	return s, w.sessionRequest(a, s.instance, method, path+"/"+s.id+under)
}

// session makes a session's request. What is refused leaves the books as they were, unless something was due.
func (w *world) session(r request) response {
	if w.late {
		return w.do(r)
	}
	return w.try(r)
}

func replayed(answer response) string {
	if answer.header.Get("Idempotent-Replayed") == "true" {
		return "replayed\n"
	}
	return ""
}

// createSession: session NAME [in=INSTANCE] [v1.1] [farebox] [as=TOKEN] [key=] [times=N], which makes NAME-1 to NAME-N.
func (w *world) createSession(a args) string {
	path := sessionsPath(&a)
	instance := a.or("in", "acme")
	names := []string{a.alone[0]}
	if times, found := a.named["times"]; found {
		n, err := strconv.Atoi(times)
		if err != nil {
			w.Fatal(err)
		}
		names = nil
		for i := range n {
			names = append(names, fmt.Sprintf("%s-%d", a.alone[0], i+1))
		}
	}
	for _, name := range names {
		r := w.sessionRequest(&a, instance, http.MethodPost, path)
		r.body = fmt.Sprintf(`{"instanceId":%q}`, w.expand("{"+instance+"}"))
		answer := w.session(r)
		if answer.status != http.StatusOK {
			return outcome(answer)
		}
		var out api.SessionID
		if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
			w.Fatal(err)
		}
		w.sessions[name] = known{out.SessionID, instance}
		if text := replayed(answer); text != "" {
			return text + "ok"
		}
	}
	return "ok"
}

// use: use NAME [at=TIME] [v1.1] [farebox] [rollback] [requester=] [type=] [dictionary=JSON] [key=] [as=TOKEN] [in=]
// [ITEM[@VERSION] COUNT ...] [meta=JSON], with more items on lines of their own. No items are a halt.
func (w *world) use(a args, more []string) string {
	s, answer := w.askInSession(a, more)
	text, understood := w.describeUse(s, answer)
	if understood {
		text = strings.TrimPrefix(text+"\n"+w.stateOf(s), "\n")
	}
	return text
}

func (w *world) askInSession(a args, more []string) (known, response) {
	if at, found := a.named["at"]; found {
		w.setNow(w.time(at))
	}
	rollback := a.flag("rollback")
	s, r := w.ofSession(&a, http.MethodPut, "")
	var items []string
	for ; len(a.alone) >= 2; a.alone = a.alone[2:] {
		one := a
		one.alone = a.alone[:2]
		items = append(items, w.item(one))
	}
	if len(a.alone) > 0 {
		w.Fatalf("how many of %q?", a.alone[0])
	}
	for _, line := range more {
		items = append(items, w.item(parseArgs("item "+line)))
	}
	r.body = fmt.Sprintf(`{"requester":%s,"rollbackOnDeny":%t,"requestedItems":[%s]}`, w.requester(a), rollback, strings.Join(items, ","))
	return s, w.session(r)
}

// describeUse puts an answer into words: what was given back, then a line an item. It reports whether the request was
// understood, granted or not.
func (w *world) describeUse(s known, answer response) (text string, understood bool) {
	if answer.status != http.StatusOK && !denial(answer) {
		return outcome(answer), false
	}
	var out api.SessionAnswer
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	var parts []string
	if text := replayed(answer); text != "" {
		parts = append(parts, strings.TrimSpace(text))
	}
	if answer.status != http.StatusOK {
		parts = append(parts, strconv.Itoa(answer.status))
	}
	events := w.eventsOf(map[string]string{"instanceId": w.instance(s.instance)})
	if len(out.RequestedItems) > 0 {
		w.charged = out.CorrelationID
	}
	items := api.AccessAnswer{CorrelationID: out.CorrelationID, RequestedItems: out.RequestedItems}
	if text := w.describe(&items, events); text != "" {
		parts = append(parts, text)
	}
	if out.Session.SessionID != "" {
		parts = append(parts, w.describeAhead(&out.Session))
	}
	return strings.Join(parts, "\n"), true
}

// denial reports whether an answer is that of a denied request of a session, which is recorded.
func denial(answer response) bool {
	return answer.status == http.StatusForbidden && strings.HasPrefix(answer.body, `{"correlationId"`)
}

// describeRefunds: refund ITEM xCOUNT: TOKENS tokens = LINE-ITEM TOKENS [at RATE] [(TOKENS overdraft)], ... for every item that got
// something back, in that order.
func describeRefunds(events []usage.Event) (out []string) {
	for len(events) > 0 {
		n := 1
		for n < len(events) && events[n].Item == events[0].Item && events[n].ItemVersion == events[0].ItemVersion {
			n++
		}
		name := events[0].Item
		if events[0].ItemVersion != "" {
			name += "@" + events[0].ItemVersion
		}
		var count, tokens token.Amount
		var shares []string
		for i := range events[:n] {
			e := &events[i]
			count, tokens = count.Sub(e.Count), tokens.Sub(e.Tokens)
			share := e.ActivationID + " " + e.Tokens.Neg().String()
			if !e.Rate.Equal(events[0].Rate) || !e.Rate.Equal(events[n-1].Rate) {
				share += " at " + e.Rate.String()
			}
			if !e.Overdraft.IsZero() {
				share += " (" + e.Overdraft.Neg().String() + " overdraft)"
			}
			shares = append(shares, share)
		}
		out = append(out, fmt.Sprintf("refund %s x%s: %s tokens = %s", name, count, tokens, strings.Join(shares, ", ")))
		events = events[n:]
	}
	return out
}

// describeAhead: AHEAD: next charge TIME: TOKENS tokens; heartbeat [owed] before TIME; N more periods covered
func (w *world) describeAhead(s *api.SessionAhead) string {
	var parts []string
	if next := s.NextCharge; next != nil {
		cost := "no price"
		if next.Tokens != nil {
			cost = next.Tokens.String() + " tokens"
		}
		parts = append(parts, "next charge "+w.shortTime(next.Due)+": "+cost)
	}
	if s.HeartbeatDue != 0 {
		before := "heartbeat before "
		if s.HeartbeatOwed {
			before = "heartbeat owed before "
		}
		parts = append(parts, before+w.shortTime(s.HeartbeatDue))
	}
	if s.PeriodsCovered != nil {
		parts = append(parts, fmt.Sprintf("%d more periods covered", *s.PeriodsCovered))
	}
	return "AHEAD: " + cmp.Or(strings.Join(parts, "; "), "nothing")
}

// stateOf tells a session's state as the Farebox API has it.
func (w *world) stateOf(s known) string {
	var out api.Session
	w.get("/farebox/v1/sessions/"+s.id, &out)
	return w.describeState(&out)
}

func (w *world) describeState(s *api.Session) string {
	text := s.State
	if s.ChargedFrom != 0 {
		text += " " + w.shortTime(s.ChargedFrom) + " to " + w.shortTime(s.ChargedUntil)
	}
	if s.Ended != 0 {
		text += " " + w.shortTime(s.Ended) + " " + s.Reason
	}
	if s.HeartbeatDue != 0 {
		text += owed + w.shortTime(s.HeartbeatDue)
	}
	return text
}

const owed = ", heartbeat owed before "

// heartbeat: heartbeat NAME [v1.1] [farebox] [as=TOKEN] [in=]
func (w *world) heartbeat(a args) string {
	_, r := w.ofSession(&a, http.MethodGet, "/heartbeat")
	answer := w.session(r)
	if answer.status != http.StatusOK {
		return outcome(answer)
	}
	var out api.SessionAhead
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	return out.State + "\n" + w.describeAhead(&out)
}

// closeSession: close NAME [v1.1] [farebox] [as=TOKEN] [in=] [key=]
func (w *world) closeSession(a args) string {
	_, r := w.ofSession(&a, http.MethodDelete, "")
	answer := w.session(r)
	return replayed(answer) + outcome(answer)
}

// showSession: show NAME [v1.1] [farebox] [as=TOKEN] [in=]
func (w *world) showSession(a args) string {
	s, r := w.ofSession(&a, http.MethodGet, "")
	answer := w.session(r)
	if answer.status != http.StatusOK {
		return outcome(answer)
	}
	var out api.Session
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	if out.SessionID != s.id || out.InstanceID != w.instance(s.instance) {
		w.Fatalf("session %s of instance %s was answered with %s", s.id, s.instance, answer.body)
	}
	text := w.describeState(&out)
	var items []string
	for _, u := range out.Items {
		item := u.Item
		if u.Version != "" {
			item += "@" + u.Version
		}
		item += " x" + u.Count.String()
		if u.FreeUntil != 0 {
			item += " (free before " + w.shortTime(u.FreeUntil) + ")"
		}
		items = append(items, item)
	}
	if len(items) > 0 {
		text += ": " + strings.Join(items, ", ")
	}
	if out.Created == 0 { // the reference API tells no more
		return text
	}
	text += "\ncreated " + w.shortTime(out.Created) + w.lastTimes(out.LastAccessRequest, out.LastHeartbeat)
	if out.Requester != nil {
		text += "\nused by " + out.Requester.Type + " " + out.Requester.Value
	}
	return text + "\ncharged " + out.TokensCharged.String() + " tokens"
}

func (w *world) lastTimes(request, heartbeat int64) (text string) {
	if request != 0 {
		text += ", last request " + w.shortTime(request)
	}
	if heartbeat != 0 {
		text += ", last heartbeat " + w.shortTime(heartbeat)
	}
	return text
}

// listSessions: sessions [in=INSTANCE] [v1.1] [farebox] [as=TOKEN] [show=count] [PARAMETER=VALUE]
func (w *world) listSessions(a args) string {
	path := sessionsPath(&a)
	instance := a.or("in", "acme")
	query := url.Values{"instanceId": {w.expand("{" + instance + "}")}}
	for name, value := range a.named {
		if name != "in" && name != "as" && name != "show" {
			query.Set(name, value)
		}
	}
	as := a.or("as", "client:"+instance)
	answer := w.session(request{method: http.MethodGet, path: path + "?" + query.Encode(), as: as})
	if answer.status != http.StatusOK {
		return outcome(answer)
	}
	var all []api.ListedSession
	into := any(&all)
	page := struct {
		Sessions *[]api.ListedSession `json:"sessions"`
		Next     string               `json:"next"`
	}{Sessions: &all}
	if strings.HasPrefix(path, "/farebox/") {
		into = &page
	}
	if err := json.Unmarshal([]byte(answer.body), into); err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, s := range all {
		line := w.sessionName(s.SessionID) + " " + s.State
		if s.ChargedUntil != 0 {
			line += " charged until " + w.shortTime(s.ChargedUntil)
		}
		out = append(out, line+w.lastTimes(s.LastAccessRequest, s.LastHeartBeat))
	}
	if page.Next != "" {
		out = append(out, "next="+page.Next)
	}
	switch {
	case len(out) == 0:
		return "none"
	case a.or("show", "") == "count":
		return fmt.Sprintf("%d: from %s to %s", len(all), w.sessionName(all[0].SessionID), w.sessionName(all[len(all)-1].SessionID))
	}
	return strings.Join(out, "\n")
}

func (w *world) sessionName(id string) string {
	for name, s := range w.sessions {
		if s.id == id {
			return name
		}
	}
	return id
}

// timeline: timeline NAME ..., then a moment a line: TIME [late or restart] [COMMAND]. It prints a row a moment, as things are after it:
// the time, each session's state and the deadline of the heartbeat that it owes, what the line items have used, and what the command
// printed.
func (w *world) timeline(a args, moments []string) string {
	head := []string{"TIME"}
	for _, name := range a.alone {
		head = append(head, strings.ToUpper(name), "HEARTBEAT")
	}
	instance := w.sessionNamed(a.alone[0]).instance
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(append(head, "USED", ""), "\t"))
	for _, line := range moments {
		moment, command, _ := strings.Cut(line, " ")
		answer := w.moment(moment, strings.TrimSpace(command))
		row := []string{w.shortTime(w.nowMS.Load())}
		for _, name := range a.alone {
			state, before, _ := strings.Cut(w.stateOf(w.sessionNamed(name)), owed)
			row = append(row, state, cmp.Or(before, "-"))
		}
		row = append(row, w.useOf(w.instance(instance)), strings.ReplaceAll(answer, "\n", "; "))
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	if err := table.Flush(); err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, line := range lines(text.String()) {
		out = append(out, strings.TrimRight(line, " "))
	}
	return strings.Join(out, "\n")
}

// moment sets the clock and runs a command.
func (w *world) moment(at, command string) string {
	first, rest, _ := strings.Cut(command, " ")
	switch first {
	case "restart":
		w.restart(w.time(at))
		command = rest
	case "late":
		w.setLate(w.time(at))
		command = rest
	default:
		w.setNow(w.time(at))
	}
	a := parseArgs(command)
	switch a.command {
	case "":
		return ""
	case "use": // the row tells the state
		text, _ := w.describeUse(w.askInSession(a, nil))
		return cmp.Or(text, "ok")
	}
	return w.command(command)
}

// useOf: LINE-ITEM USED, ...
func (w *world) useOf(instanceID string) string {
	var out []string
	for _, l := range w.lineItemsOf(instanceID) {
		out = append(out, l.ActivationID+" "+l.Used.String())
	}
	return cmp.Or(strings.Join(out, ", "), "-")
}
