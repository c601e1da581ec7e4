package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// demoWorld is everything the demo creates: customers, prices, line items.
type demoWorld struct {
	db        string // the file, beside which the server left its keys
	admin     demoClient
	customers []*demoCustomer
	read      eventTail
	sinceMS   int64 // what was used before is the past's
}

// demoCustomer is a customer with what it has bought and who uses it.
type demoCustomer struct {
	account, name string
	purchases     []*demoPurchase
	requesters    []demoRequester
	seats         []demoSeat

	instanceID string     // once created
	client     demoClient // with a token for that instance alone
}

// demoPurchase is a kind of line item that a customer buys, and buys again some time after it has run out.
type demoPurchase struct {
	name      string // of the line items: name-1, name-2 …
	series    string
	quantity  int64 // of the first
	again     int64 // of those after it
	overdraft ledger.OverdraftType
	limit     int64 // of a Number overdraft
	priority  int64
	kind      ledger.Kind
	lasts     time.Duration
	renew     time.Duration // how long after it has run out another is bought

	bought  int       // so far
	outFrom time.Time // since when the newest one has had nothing left
}

const aYear = 365 * 24 * time.Hour

// The quantities are small, so that within ten seconds of a few dozen requests a second there are splits, a line item in
// overdraft, and denials.
func demoCustomers() []*demoCustomer {
	return []*demoCustomer{
		{
			account: "acme", name: "Acme Motors", requesters: acmeRequesters, seats: acmeSeats,
			purchases: []*demoPurchase{
				{name: "ACME-GIFT", series: "studio", quantity: 60, again: 60, priority: -1, kind: ledger.Free, lasts: aYear, renew: 25 * time.Second},
				{name: "ACME-2026", series: "studio", quantity: 150, again: 500, overdraft: ledger.NumberOverdraft, limit: 100, lasts: aYear, renew: 7 * time.Second},
			},
		}, {
			account: "nordwind", name: "Nordwind Energy", requesters: nordwindRequesters, seats: nordwindSeats,
			purchases: []*demoPurchase{
				{name: "NORD-WEEK", series: "studio", quantity: 1_200, again: 1_200, lasts: 20 * time.Second, renew: 15 * time.Second},
				{name: "NORD-2026", series: "studio", quantity: 25_000, again: 25_000, lasts: aYear, renew: 5 * time.Second},
			},
		}, {
			account: "lumen", name: "Lumen Labs", requesters: lumenRequesters, seats: lumenSeats,
			purchases: []*demoPurchase{
				{name: "LUMEN-TEAM", series: "assistant", quantity: 10, again: 50, lasts: aYear / 12, renew: 35 * time.Second},
				{name: "LUMEN-AI", series: "assistant", quantity: 18, again: 120, overdraft: ledger.UnlimitedOverdraft, lasts: aYear, renew: 25 * time.Second},
			},
		},
	}
}

func (p *demoPurchase) activationID() string { return fmt.Sprintf("%s-%d", p.name, p.bought) }

// demoPrices is the price list: two series, and the next version of one, which is not in effect yet.
func demoPrices(now time.Time) []api.RateTable[api.RateItemV11] {
	item := func(name, version, rate string) api.RateItemV11 {
		r := token.MustParse(rate)
		return api.RateItemV11{Name: name, Version: version, Rate: &r}
	}
	table := func(series, version string, from time.Time, items ...api.RateItemV11) api.RateTable[api.RateItemV11] {
		ms := from.UnixMilli()
		return api.RateTable[api.RateItemV11]{Series: series, Version: version, EffectiveFrom: &ms, Items: items}
	}
	seat := func(name, rate string) api.RateItemV11 {
		i := item(name, "", rate)
		i.FreeSeconds = demoFreeSeconds
		return i
	}
	day := func(name, rate string) api.RateItemV11 {
		i := item(name, "", rate)
		i.Window = "P1D"
		return i
	}
	return []api.RateTable[api.RateItemV11]{
		table("studio", "2026.1", now.Add(-30*24*time.Hour),
			item("render.frame", "4k", "1.75"), item("render.frame", "hd", "0.4"), item("crash.run", "", "12.5"),
			item("cfd.hour", "", "2.5"), item("mesh.repair", "", "0.8"), item("step.export", "", "0.25"),
			seat("render.seat", "4.2"), seat("cad.seat", "6.5"), item("solver.core", "", "0.75"), day("viewer.day", "3")),
		table("studio", "2026.2", now.Add(30*24*time.Hour),
			item("render.frame", "8k", "6.5"), item("render.frame", "4k", "1.6"), item("render.frame", "hd", "0.4"), item("crash.run", "", "11"),
			item("cfd.hour", "", "2.25"), item("mesh.repair", "", "0.8"), item("step.export", "", "0"),
			seat("render.seat", "4"), seat("cad.seat", "6"), item("solver.core", "", "0.7"), day("viewer.day", "3")),
		// The assistant's texts are counted in thousands of words.
		table("assistant", "2026-01", now.Add(-time.Hour), // after the last use of the weeks before
			item("ai.input", "", "0.0325"), item("ai.output", "", "0.13"), item("page.scan", "", "0.35"), item("speech.minute", "", "0.115"),
			seat("agent.seat", "1.4")),
	}
}

// demoChargePeriod is the shortest there is, so that a demo that is left alone shows automatic charges.
const demoChargePeriod = "PT10M"

// demoAlerts are seen in the console.
func demoAlerts() []map[string]any {
	return []map[string]any{
		{"name": "a tenth is left", "kind": "BALANCE_BELOW", "percent": 10},
		{"name": "used up", "kind": "EXHAUSTED"},
	}
}

// createDemoWorld makes the world through the API, as a back office would.
func createDemoWorld(addr, db string) (*demoWorld, error) {
	w := &demoWorld{db: db, admin: demoClient{base: "http://" + addr}, customers: demoCustomers(), sinceMS: time.Now().UnixMilli()}
	var err error
	if w.admin.token, err = demoToken(db, auth.Admin); err != nil {
		return nil, err
	}
	period := api.NewConfigValue{Name: engine.SessionChargePeriod, Value: jsontext.Value(`"` + demoChargePeriod + `"`)}
	if _, err := w.admin.call("PATCH", "/dynamicmonetization/provisioning/api/v1.1/configuration", "", period, nil); err != nil {
		return nil, err
	}
	for _, table := range demoPrices(time.Now()) {
		if _, err := w.admin.call("POST", "/dynamicmonetization/provisioning/api/v1.1/rate-tables", "", table, nil); err != nil {
			return nil, err
		}
	}
	for _, alert := range demoAlerts() {
		if _, err := w.admin.call("POST", "/farebox/v1/alerts", "", alert, nil); err != nil {
			return nil, err
		}
	}
	for _, c := range w.customers {
		if err := w.create(c, db); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// demoToken signs a token with the key that the server left beside the database.
func demoToken(db string, role auth.Role, instances ...string) (string, error) {
	pair, err := readPair(input(pemFile(db, role)))
	if err != nil {
		return "", err
	}
	return auth.Sign(pair, role, pair.ID, instances, time.Now(), 30*24*time.Hour)
}

// demoLinkFresh is how old the link to the console is at most that a demo shows. Each signs in once.
const demoLinkFresh = time.Minute

// freshLink has a state show a link to the console that nobody has opened, most likely.
func (w *demoWorld) freshLink(s *demoState) {
	if s.link != "" && s.now.Sub(s.linkMade) < demoLinkFresh {
		return
	}
	pair, err := readPair(input(pemFile(w.db, auth.Admin)))
	if err == nil {
		s.linkMade = s.now
		s.link, err = auth.SignLink(pair, auth.Admin, pair.ID, nil, s.now, auth.LinkMost, auth.LinkMost)
	}
	if err != nil {
		s.warn(err)
		return
	}
	s.link = consoleLink("http://"+reachable(s.addr), s.link)
}

const demoInstances = "/dynamicmonetization/provisioning/api/v1.1/instances"

func (w *demoWorld) create(c *demoCustomer, db string) (err error) {
	if c.instanceID, err = w.instanceOf(c); err != nil {
		return err
	}
	c.client.base, c.client.instance = w.admin.base, c.instanceID
	if c.client.token, err = demoToken(db, auth.Client, c.instanceID); err != nil {
		return err
	}
	for _, p := range c.purchases {
		if err := w.buy(c, p, p.quantity); err != nil {
			return err
		}
	}
	return nil
}

// instanceOf returns the instance that a customer has from the weeks before, or makes one.
func (w *demoWorld) instanceOf(c *demoCustomer) (string, error) {
	var there api.InstanceOverviews
	if _, err := w.admin.call("GET", "/farebox/v1/instances?accountId="+url.QueryEscape(c.account), "", nil, &there); err != nil {
		return "", err
	}
	if len(there.Instances) > 0 {
		return there.Instances[0].InstanceID, nil
	}
	var made api.Instance
	in := api.NewInstance{ShortName: c.account + "-main", AccountID: c.account}
	_, err := w.admin.call("POST", demoInstances, "", in, &made)
	return made.ID, err
}

func (c *demoCustomer) lineItems() string {
	return demoInstances + "/" + url.PathEscape(c.instanceID) + "/line-items"
}

// buy maps a new line item of a purchase.
func (w *demoWorld) buy(c *demoCustomer, p *demoPurchase, quantity int64) error {
	start := time.Now()
	p.bought++
	p.outFrom = time.Time{}
	return w.put(c, p.wire(ledger.Deployed, quantity, start.UnixMilli(), start.Add(p.lasts).UnixMilli()))
}

func (w *demoWorld) put(c *demoCustomer, l *demoWireLineItem) error {
	_, err := w.admin.call("PUT", c.lineItems(), "", l, nil)
	return err
}

type demoWireLineItem = api.LineItem[api.AttributesV11]

func (p *demoPurchase) wire(state ledger.State, quantity, startMS, endMS int64) *demoWireLineItem {
	a := &api.AttributesV11{RateTableSeries: p.series, OverdraftType: string(p.overdraft), Priority: p.priority, Kind: string(p.kind)}
	if p.overdraft == ledger.NumberOverdraft {
		a.OverdraftLimit = &p.limit
	}
	return &demoWireLineItem{
		ActivationID: p.activationID(), State: string(state), Quantity: &quantity, Start: &startMS, End: &endMS, Attributes: a,
	}
}

// sell lets customers buy again what has run out, so that the demo does not run dry.
func (w *demoWorld) sell(s *demoState) {
	for _, c := range w.customers {
		for _, p := range c.purchases {
			old := s.lineItem(c.instanceID, p.activationID())
			if old == nil || !p.due(old, s.now) {
				continue
			}
			if err := w.replace(c, p, old); err != nil {
				s.warn(err)
				continue
			}
			s.tell("%s: %d more tokens bought, line item %s", c.account, p.again, p.activationID())
		}
	}
}

// due reports whether a line item has had hardly anything left for long enough to buy another.
func (p *demoPurchase) due(l *demoLineItem, now time.Time) bool {
	if !l.nearlyNothing(l.balance(now)) || !l.nearlyNothing(l.overdraftLeft(now)) {
		p.outFrom = time.Time{}
		return false
	}
	if p.outFrom.IsZero() {
		p.outFrom = now
	}
	return now.Sub(p.outFrom) >= p.renew
}

// replace ends a line item for good and buys the next.
func (w *demoWorld) replace(c *demoCustomer, p *demoPurchase, old *demoLineItem) error {
	if err := w.put(c, p.wire(ledger.Obsolete, old.Quantity, old.StartMS, old.EndMS)); err != nil {
		return err
	}
	return w.buy(c, p, p.again)
}
