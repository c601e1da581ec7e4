package server

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/forecast"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// reached returns the instances that a call asks for with instanceId, which may be there several times; nil are all, of an administrator alone.
func (c *call) reached() ([]string, error) {
	asked := slices.DeleteFunc(c.URL.Query()["instanceId"], func(id string) bool { return id == "" })
	instances, err := c.eventInstances(asked)
	if c.principal.Role == auth.Admin && len(instances) == 0 {
		return nil, err
	}
	return instances, err
}

// pageInstances lists how instances stand. Client tokens see their own.
func pageInstances(c *call) (*reply, error) {
	if err := c.knows("instanceId", "accountId", "search", "sort", "forecast", "limit", "offset"); err != nil {
		return nil, err
	}
	q := c.URL.Query()
	o := &engine.Overview{AccountID: q.Get("accountId"), Search: q.Get("search")}
	var err error
	if o.InstanceIDs, err = c.reached(); err != nil {
		return nil, err
	}
	if o.Order, err = engine.ReadOverviewOrder(q.Get("sort")); err != nil {
		return nil, err
	}
	if o.Forecast, err = c.flag("forecast"); err != nil {
		return nil, err
	}
	most := int64(pageMost)
	if o.Forecast {
		most = engine.ForecastsMost
	}
	if o.Limit, o.Offset, err = c.pageAt(min(pageUsual, most), most); err != nil {
		return nil, err
	}
	rows, total, err := c.server.engine.Instances(c.Context(), o)
	if err != nil {
		return nil, err
	}
	out := api.InstanceOverviews{Time: c.server.engine.Now(), Instances: make([]api.InstanceOverview, len(rows)), Total: total}
	for i, row := range rows {
		out.Instances[i] = wireOverview(row)
	}
	return jsonReply(http.StatusOK, out)
}

func wireOverview(row *engine.InstanceOverview) api.InstanceOverview {
	out := api.InstanceOverview{
		InstanceID: row.ID, ShortName: row.ShortName, AccountID: row.AccountID, UsableLineItems: row.Usable, Balance: row.Balance, Held: row.Held,
		OverdraftUsed: row.OverdraftUsed, UnlimitedOverdraft: row.Unlimited, NextEnd: row.NextEndMS, TokensPerDay: row.Pace, UsedToday: row.Today, DaysLeft: row.DaysLeft,
	}
	if !row.Unlimited {
		out.OverdraftLeft = &row.OverdraftLeft
	}
	if f := row.Forecast; f != nil {
		out.RunsOut, out.Denied, out.TooLittle = wireDay(f.RunsOut), wireDay(f.Denied), f.TooLittle
	}
	return out
}

// endingUsual and endingMost are within how many days line items end that are listed.
const (
	endingUsual = 30
	endingMost  = 3660
)

// listEnding lists what ends soon, over all instances.
func listEnding(c *call) (*reply, error) {
	if err := c.knows("days", "limit", "cursor"); err != nil {
		return nil, err
	}
	days, err := c.queryInt("days", endingUsual, 1, endingMost)
	if err != nil {
		return nil, err
	}
	limit, err := c.queryInt("limit", pageUsual, 1, pageMost)
	if err != nil {
		return nil, err
	}
	nowMS := c.server.engine.Now()
	fromMS, after := nowMS, int64(0)
	if text := c.URL.Query().Get("cursor"); text != "" {
		if _, err := fmt.Sscanf(text, "%d.%d", &fromMS, &after); err != nil || fmt.Sprintf("%d.%d", fromMS, after) != text || fromMS < 0 || after < 0 {
			return nil, problem.Field("cursor", "is not one that this list gave")
		}
	}
	return c.show(func(r store.Reader) (any, error) {
		out := api.EndingLineItems{Time: nowMS, LineItems: []api.EndingLineItem{}}
		all, err := r.LineItemsEnding(fromMS, after, nowMS+days*forecast.DayMS, int(limit)+1)
		if err != nil {
			return nil, err
		}
		if len(all) > int(limit) {
			all = all[:limit]
			last := all[limit-1]
			out.Next = fmt.Sprintf("%d.%d", last.EndMS, last.Number)
		}
		for _, l := range all {
			if l.State != ledger.Deployed { // nobody waits for what is withdrawn
				continue
			}
			i, err := r.Instance(l.InstanceID)
			if err != nil {
				return nil, err
			}
			l.At(nowMS)
			out.LineItems = append(out.LineItems, api.EndingLineItem{
				AccountID: i.AccountID, InstanceID: l.InstanceID, ActivationID: l.ActivationID, Kind: string(l.Kind), Start: l.StartMS, End: l.EndMS,
				Quantity: l.Quantity, Used: l.Used, Balance: l.Balance(),
			})
		}
		return out, nil
	})
}

// listReceipts lists what was asked lately, newest first. Client tokens see their own instances.
func listReceipts(c *call) (*reply, error) {
	if err := c.knows("instanceId", "limit", "cursor"); err != nil {
		return nil, err
	}
	instances, err := c.reached()
	if err != nil {
		return nil, err
	}
	limit, err := c.queryInt("limit", pageUsual, 1, pageMost)
	if err != nil {
		return nil, err
	}
	before, err := parseCursor(c.URL.Query().Get("cursor"))
	if err != nil {
		return nil, err
	}
	page, next, err := c.server.engine.RecentReceipts(c.Context(), instances, before, int(limit))
	if err != nil {
		return nil, err
	}
	out := api.Receipts{Receipts: make([]*api.Receipt, len(page))}
	rates := c.server.engine.Settings().Rates
	for i, b := range page {
		out.Receipts[i] = wireReceipt(b, rates)
	}
	if next != nil {
		out.Next = cursor(*next)
	}
	return jsonReply(http.StatusOK, out)
}
