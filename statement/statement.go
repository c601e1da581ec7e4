// Package statement prints statements: as JSON has them, as CSV, and as a page that prints well.
package statement

import (
	"bytes"
	"encoding/csv"
	"strconv"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/usage"
)

// Wire returns a statement as it travels.
func Wire(s *engine.Statement) *api.Statement {
	out := &api.Statement{
		AccountID: s.AccountID, Month: s.Name, TimeZone: s.Zone, From: s.Month.FromMS, To: s.Month.ToMS, AsOf: s.AsOfMS, Preliminary: s.Preliminary,
		Total: usage.Sum(s.Lines, "").Flows, Paid: wireTotal(s.Lines, ledger.Paid), Free: wireTotal(s.Lines, ledger.Free),
		Instances: make([]api.StatementInstance, len(s.Instances)),
	}
	for i := range s.Instances {
		one := api.StatementInstance{InstanceID: s.Instances[i].ID, ShortName: s.Instances[i].ShortName, LineItems: []api.StatementLineItem{}}
		for j := range s.Lines {
			if l := &s.Lines[j]; l.InstanceID == one.InstanceID {
				one.Total.Add(&l.Flows)
				one.LineItems = append(one.LineItems, wireLine(l))
			}
		}
		out.Instances[i] = one
	}
	return out
}

func wireTotal(lines []usage.StatementLine, kind ledger.Kind) api.StatementTotal {
	t := usage.Sum(lines, kind)
	if t.Money == nil {
		t.Money = []usage.StatementMoney{}
	}
	return api.StatementTotal{Tokens: t.Flows, Money: t.Money}
}

func wireLine(l *usage.StatementLine) api.StatementLineItem {
	out := api.StatementLineItem{
		ActivationID: l.ActivationID, Kind: string(l.Terms.Kind), Quantity: l.Terms.Quantity, Start: l.Terms.StartMS, End: l.Terms.EndMS,
		UnitPrice: l.Terms.UnitPrice, Currency: l.Terms.Currency, Tokens: l.Flows, Money: l.Money, Items: make([]api.StatementItem, len(l.Items)),
	}
	if out.Money == nil {
		out.Money = []usage.StatementMoney{}
	}
	for i, item := range l.Items {
		out.Items[i] = api.StatementItem{Item: item.Item, Version: item.Version, Used: item.Used, Refunded: item.Refunded}
	}
	return out
}

// Columns are the first row of CSV.
var Columns = []string{
	"ACCOUNT_ID", "MONTH", "TIME_ZONE", "PRELIMINARY", "INSTANCE_ID", "ACTIVATION_ID", "KIND", "ITEM", "ITEM_VERSION", "OPENING", "PURCHASED", "GRANTED", "USED",
	"REFUNDED", "EXPIRED", "WITHDRAWN", "CLOSING", "OVERDRAFT_TO_BILL", "CURRENCY", "RECOGNISED", "DEFERRED", "BREAKAGE", "OVERDRAFT_MONEY",
}

// CSV prints a row for every line item, and for every item of it (with USED and REFUNDED only, so that a sum over rows without ITEM is one
// over line items). A line item with money in two currencies has its second one in a row with nothing but money.
func CSV(s *api.Statement) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write(Columns) // a buffer takes everything
	for i := range s.Instances {
		for j := range s.Instances[i].LineItems {
			l := &s.Instances[i].LineItems[j]
			head := []string{s.AccountID, s.Month, s.TimeZone, strconv.FormatBool(s.Preliminary), s.Instances[i].InstanceID, l.ActivationID, l.Kind}
			f := &l.Tokens
			row := append(head[:len(head):len(head)], "", "", f.Opening.String(), f.Purchased.String(), f.Granted.String(), f.Used.String(), f.Refunded.String(),
				f.Expired.String(), f.Withdrawn.String(), f.Closing.String(), f.OverdraftToBill.String())
			if len(l.Money) == 0 {
				_ = w.Write(append(row, "", "", "", "", ""))
			}
			for k := range l.Money {
				if k > 0 {
					row = append(head[:len(head):len(head)], "", "", "", "", "", "", "", "", "", "", "")
				}
				m := &l.Money[k]
				_ = w.Write(append(row, m.Currency, m.Recognised.String(), m.Deferred.String(), m.Breakage.String(), m.Overdraft.String()))
			}
			for _, item := range l.Items {
				_ = w.Write(append(head[:len(head):len(head)], item.Item, item.Version, "", "", "", item.Used.String(), item.Refunded.String(), "", "", "", "", "", "", "", "", ""))
			}
		}
	}
	w.Flush()
	return out.Bytes()
}
