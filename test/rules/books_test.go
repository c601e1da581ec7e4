package rules

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/server"
	"github.com/farebox/farebox/usage"
)

// The commands in this file fill the books, move the clock and show what is in the books.

// outcome is what a command that only succeeds or fails prints.
func outcome(answer response) string {
	if answer.status < 300 {
		return "ok"
	}
	return fmt.Sprintf("%d %s", answer.status, answer.body)
}

// createInstance: instance NAME [account=NAME]
func (w *world) createInstance(a args) string {
	name := a.alone[0]
	answer := w.do(request{
		method: http.MethodPost, path: "/provisioning/api/v1.0/instances",
		body: fmt.Sprintf(`{"shortName":%q,"accountId":%q}`, name, a.or("account", name)),
	})
	if answer.status == http.StatusOK {
		w.instances[name] = fmt.Sprintf(idFormat, w.ids.Load())
	}
	return outcome(answer)
}

// rateTable: rate-table VERSION [series=NAME] [from=TIME]: ITEM[@VERSION] RATE or =FORMULA [free=SECONDS] [window=DURATION], ... It
// speaks v1.1 if an item has a formula or such terms.
func (w *world) rateTable(line string) string {
	head, list, _ := strings.Cut(line, ": ")
	a := parseArgs(head)
	api := "v1.0"
	var items []string
	for _, item := range strings.Split(list, ", ") {
		of := parseArgs("item " + item)
		if len(of.alone) != 2 {
			w.Fatalf("%q is not ITEM RATE", item)
		}
		name, version, _ := strings.Cut(of.alone[0], "@")
		terms, price := "", `"rate":`+of.alone[1]
		if formula, is := strings.CutPrefix(of.alone[1], "="); is {
			api, price = "v1.1", fmt.Sprintf(`"formula":%q`, formula)
		}
		if free, found := of.named["free"]; found {
			terms += `,"freeSeconds":` + free
		}
		if window, found := of.named["window"]; found {
			terms += fmt.Sprintf(`,"window":%q`, window)
		}
		if terms != "" {
			api = "v1.1"
		}
		items = append(items, fmt.Sprintf(`{"name":%q,"version":%q,%s%s}`, name, version, price, terms))
	}
	return outcome(w.do(request{
		method: http.MethodPost, path: "/provisioning/api/" + api + "/rate-tables",
		body: fmt.Sprintf(`{"series":%q,"version":%q,"effectiveFrom":%d,"items":[%s]}`,
			a.or("series", ""), a.alone[0], w.time(a.or("from", "2026-01-01")), strings.Join(items, ",")),
	}))
}

// deleteRateTable: delete-rate-table VERSION [series=NAME]
func (w *world) deleteRateTable(a args) string {
	query := url.Values{"version": {a.alone[0]}, "series": {a.or("series", "")}}
	return outcome(w.do(request{method: http.MethodDelete, path: "/provisioning/api/v1.0/rate-tables?" + query.Encode()}))
}

// lineItem: line-item ID [v1.0] [in=INSTANCE] [quantity=] [start=] [end=] [state=] [series=] [overdraft=N|unlimited]
// [elastic=] [priority=] [kind=] [unitPrice=] [currency=] [resets=FREQUENCY]. It speaks v1.1 unless told otherwise.
func (w *world) lineItem(a args) string {
	version := a.version("v1.1")
	attributes := []string{fmt.Sprintf(`"rateTableSeries":%q`, a.or("series", ""))}
	switch overdraft := a.or("overdraft", ""); overdraft {
	case "":
	case "unlimited":
		attributes = append(attributes, `"overdraftType":"Unlimited"`)
	default:
		attributes = append(attributes, `"overdraftType":"Number","overdraftLimit":`+overdraft)
	}
	for _, name := range []string{"elastic", "priority", "unitPrice"} {
		if value, found := a.named[name]; found {
			attributes = append(attributes, fmt.Sprintf(`%q:%s`, name, value))
		}
	}
	if resets, found := a.named["resets"]; found {
		attributes = append(attributes, fmt.Sprintf(`"resetFrequency":%q`, resets))
		w.recurring[a.alone[0]] = true
	}
	for _, name := range []string{"kind", "currency"} {
		if value, found := a.named[name]; found {
			attributes = append(attributes, fmt.Sprintf(`%q:%q`, name, value))
		}
	}
	return outcome(w.do(request{
		method: http.MethodPut, path: "/provisioning/api/" + version + "/instances/" + w.instance(a.or("in", "acme")) + "/line-items",
		body: fmt.Sprintf(`{"activationId":%q,"state":%q,"quantity":%s,"start":%d,"end":%d,"attributes":{%s}}`,
			a.alone[0], a.or("state", "DEPLOYED"), a.or("quantity", "100"), w.time(a.or("start", "2026-01-01")),
			w.time(a.or("end", "2027-01-01")), strings.Join(attributes, ",")),
	}))
}

// deleteLineItem: delete-line-item ID [in=INSTANCE]
func (w *world) deleteLineItem(a args) string {
	return outcome(w.do(request{
		method: http.MethodDelete, path: "/api/v1.0/instances/" + w.instance(a.or("in", "acme")) + "/line-items/" + url.PathEscape(a.alone[0]),
	}))
}

// config: config NAME=VALUE; it speaks v1.1.
func (w *world) config(a args) string {
	for name, value := range a.named {
		answer := w.do(request{
			method: http.MethodPatch, path: "/provisioning/api/v1.1/configuration",
			body: fmt.Sprintf(`{"name":%q,"value":%q}`, name, value),
		})
		if answer.status != http.StatusOK {
			return outcome(answer)
		}
	}
	return "ok"
}

// setClock: clock TIME [late]
func (w *world) setClock(a args) string {
	if a.flag("late") {
		w.setLate(w.time(a.alone[0]))
	} else {
		w.setNow(w.time(a.alone[0]))
	}
	return readableTime(w.nowMS.Load())
}

// setNow lets time pass and has everything made that is due by then.
func (w *world) setNow(ms int64) {
	w.nowMS.Store(ms)
	w.books, w.late = "", false
	if _, err := w.engine.CatchUp(ms); err != nil {
		w.Fatal(err)
	}
}

// setLate lets time pass without anything being made.
func (w *world) setLate(ms int64) {
	w.nowMS.Store(ms)
	w.books, w.late = "", true
}

// restartAt: restart TIME
func (w *world) recordSource(a args) string {
	w.sourcing.Record = server.Precision(a.alone[0])
	w.server = server.New(w.engine, server.Options{Sourcing: w.sourcing})
	return "ok"
}

func (w *world) restartAt(a args) string {
	w.restart(w.time(a.alone[0]))
	return readableTime(w.nowMS.Load())
}

// restart stops the server and starts it again at a time, when nothing of what became due meanwhile has been made yet.
func (w *world) restart(ms int64) {
	w.stop()
	w.setLate(ms)
	w.start()
}

// time reads a time, in milliseconds: a date with or without a time, 10:30 on the clock's day, or a distance from now such as
// +12h, -1ms or +30d.
func (w *world) time(text string) int64 {
	if sign := text[0]; sign == '+' || sign == '-' {
		return w.nowMS.Load() + w.duration(text).Milliseconds()
	}
	t, ok := parseTime(text)
	if !ok {
		t, ok = parseTime(w.now().Format(time.DateOnly) + "T" + text + "Z")
	}
	if !ok {
		t, ok = parseTime(w.now().Format(time.DateOnly) + "T" + text + ":00Z")
	}
	if !ok {
		w.Fatalf("%q is not a time such as 2026-03-01 or 2026-03-01T12:00:00.000Z", text)
	}
	return t
}

func (w *world) duration(text string) time.Duration {
	if days, found := strings.CutSuffix(text, "d"); found {
		n, err := strconv.Atoi(days)
		if err != nil {
			w.Fatal(err)
		}
		return time.Duration(n) * 24 * time.Hour
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

func (w *world) lineItemsOf(instanceID string) (all []api.LineItem[api.AttributesV11]) {
	w.get("/api/v1.1/instances/"+instanceID+"/line-items", &all)
	return all
}

// balances: balances [in=INSTANCE]
func (w *world) balances(a args) string {
	var out []string
	for _, l := range w.lineItemsOf(w.instance(a.or("in", "acme"))) {
		line := fmt.Sprintf("%s: %s of %d", l.ActivationID, l.Used, *l.Quantity)
		switch l.Attributes.OverdraftType {
		case "Number":
			line += fmt.Sprintf(" + %d", *l.Attributes.OverdraftLimit)
		case "Unlimited":
			line += " + unlimited"
		}
		if l.State != "DEPLOYED" {
			line += " " + l.State
		}
		out = append(out, line)
	}
	slices.Sort(out)
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, "\n")
}

const eventColumns = "KIND,STATUS,ITEM,ACTIVATION_ID,COUNT,RATE,TOKENS,OVERDRAFT,USED"

// events: events [in=INSTANCE] [columns=NAME,NAME] [PARAMETER=VALUE]; the parameters are those of the list of usage events.
func (w *world) events(a args) string {
	columns := strings.Split(a.or("columns", eventColumns), ",")
	filter := map[string]string{"instanceId": w.instance(a.or("in", "acme"))}
	for name, value := range a.named {
		if name != "in" && name != "columns" {
			filter[name] = w.expand(value)
		}
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for _, e := range w.eventsOf(filter) {
		fmt.Fprintln(table, w.readable(strings.Join(w.cells(e, columns), "\t")))
	}
	if err := table.Flush(); err != nil {
		w.Fatal(err)
	}
	return text.String()
}

// cells returns an event's values in the columns of the export (D34); TIME is USAGE_TIME, short.
func (w *world) cells(e usage.Event, columns []string) []string {
	row := e.Row()
	out := make([]string, len(columns))
	for i, column := range columns {
		at := slices.Index(usage.Columns, column)
		switch {
		case column == "TIME":
			out[i] = w.shortTime(e.UsageTimeMS)
		case at < 0:
			out[i] = "NO SUCH COLUMN"
		case row[at] == "":
			out[i] = "-"
		default:
			out[i] = row[at]
		}
	}
	return out
}
