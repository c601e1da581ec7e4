package server

import (
	"net/http"
	"time"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/forecast"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// getBalance says how an instance stands.
func getBalance(c *call) (*reply, error) {
	b, err := c.server.engine.Balance(c.Context(), c.PathValue("instanceId"))
	if err != nil {
		return nil, err
	}
	out := api.Balance{Time: b.NowMS, InstanceID: b.Book.InstanceID, LineItems: make([]api.LineItemBalance, len(b.Book.LineItems))}
	left := token.Amount{}
	for i, l := range b.Book.LineItems {
		usable := l.Usable(b.NowMS, b.Tolerant)
		out.LineItems[i] = wireBalance(l, usable, b.NowMS)
		if !usable {
			continue
		}
		out.Total.Held = out.Total.Held.Add(l.Held)
		out.Total.Balance, out.Total.OverdraftUsed = out.Total.Balance.Add(l.Balance()), out.Total.OverdraftUsed.Add(l.OverdraftUsed())
		if l.Overdraft == ledger.UnlimitedOverdraft {
			out.Total.UnlimitedOverdraft = true
		} else {
			left = left.Add(l.OverdraftLeft())
		}
	}
	if !out.Total.UnlimitedOverdraft {
		out.Total.OverdraftLeft = &left
	}
	return jsonReply(http.StatusOK, out)
}

func wireBalance(l *ledger.LineItem, usable bool, nowMS int64) api.LineItemBalance {
	out := api.LineItemBalance{
		ActivationID: l.ActivationID, State: string(l.State), Kind: string(l.Kind), Start: l.StartMS, End: l.EndMS, Usable: usable,
		Quantity: l.Quantity, Used: l.Used, Held: l.Held, Balance: l.Balance(), OverdraftUsed: l.OverdraftUsed(), ResetFrequency: string(l.Recurs),
	}
	if l.Overdraft == ledger.UnlimitedOverdraft {
		out.UnlimitedOverdraft = true
	} else {
		left := l.OverdraftLeft()
		out.OverdraftLeft = &left
	}
	if l.Recurs != "" {
		if _, next := l.Recurs.Around(l.StartMS, max(nowMS, l.StartMS)); next < l.EndMS {
			out.NextReset = next
		}
	}
	return out
}

// getForecast says how long an instance's balances are likely to last.
func getForecast(c *call) (*reply, error) {
	o, err := c.server.engine.Outlook(c.Context(), c.PathValue("instanceId"))
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, wireForecast(o))
}

func wireForecast(o *engine.Outlook) *api.Forecast {
	f := o.Forecast
	out := &api.Forecast{
		Time: o.NowMS, InstanceID: o.Book.InstanceID, Pace: api.Pace{Last1: o.Paces.Day1, Last7: o.Paces.Day7, Last30: o.Paces.Day30}, TooLittle: f.TooLittle,
		RunsOut: wireDay(f.RunsOut), Denied: wireDay(f.Denied), ExpiresUnused: wireTokens(f.Unused), LineItems: make([]api.LineItemForecast, len(o.Book.LineItems)),
	}
	for i, l := range o.Book.LineItems {
		p := o.LinePaces[l.ActivationID]
		one := api.LineItemForecast{ActivationID: l.ActivationID, Balance: l.Balance(), Pace: api.Pace{Last1: p.Day1, Last7: p.Day7, Last30: p.Day30}}
		if line := f.Lines[l.Number]; line != nil {
			one.RunsOut, one.Ends, one.ExpiresUnused = wireDay(line.RunsOut), line.EndMS, wireTokens(line.Unused)
		}
		out.LineItems[i] = one
	}
	return out
}

func wireDay(m *forecast.Moment) *api.ForecastDay {
	if m == nil {
		return nil
	}
	return &api.ForecastDay{Likely: dayOf(m.LikelyMS), Earliest: dayOf(m.EarliestMS), Latest: dayOf(m.LatestMS)}
}

func dayOf(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format(time.DateOnly)
}

func wireTokens(r *forecast.Range) *api.ForecastTokens {
	if r == nil {
		return nil
	}
	return &api.ForecastTokens{Likely: r.Likely, Least: r.Least, Most: r.Most}
}
