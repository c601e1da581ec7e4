package engine_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// ask asks for a number of x.
func (w *timed) ask(instance string, count int64) {
	w.Helper()
	_, _, err := w.Charge(&engine.Charge{InstanceID: instance, Request: &access.Request{
		Requester: access.Requester{Type: "USER", Value: "u"}, Items: of(count),
	}})
	w.must(err)
}

// Rows say what the balance and the forecast of each instance say by themselves, in every order, page by page.
func TestOverviewSaysWhatBalancesAndForecastsSay(t *testing.T) {
	w := newTimed(t, nil)
	random := rand.New(rand.NewPCG(7, 7))
	instances := []string{w.instance}
	w.must(w.change("", func(c *engine.Change) error {
		for i := range 12 {
			made, err := c.CreateInstance(fmt.Sprintf("Shop-%02d", i), fmt.Sprint("account ", i%5))
			if err != nil {
				return err
			}
			instances = append(instances, made.ID)
			for k := range i % 3 {
				l := w.lineItem(fmt.Sprint(i, "-", k))
				l.InstanceID, l.Quantity = made.ID, int64(20+random.IntN(100))
				if k == 1 {
					l.Overdraft = []ledger.OverdraftType{ledger.NoOverdraft, ledger.UnlimitedOverdraft}[i/3%2]
				}
				if _, err := c.PutLineItem(l); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	for range 40 {
		w.nowMS.Add(dayMS / 2)
		for range 6 {
			w.ask(instances[random.IntN(len(instances))], int64(1+random.IntN(3)))
		}
	}
	w.hold(1)
	for _, order := range engine.OverviewOrders {
		var all []*engine.InstanceOverview
		for offset := 0; ; offset += 5 {
			page, total, err := w.Instances(ctx, &engine.Overview{Order: order, Limit: 5, Offset: offset, Forecast: order == engine.ByName})
			w.must(err)
			if total != len(instances) {
				t.Fatalf("there are %d instances, want %d", total, len(instances))
			}
			if len(page) == 0 {
				break
			}
			all = append(all, page...)
		}
		if len(all) != len(instances) {
			t.Fatalf("%s: %d rows, want %d", order, len(all), len(instances))
		}
		if !slices.IsSortedFunc(all, func(a, b *engine.InstanceOverview) int {
			switch order {
			case engine.ByPace:
				return b.Pace.Cmp(a.Pace)
			case engine.ByLeft:
				return a.Balance.Add(a.Held).Cmp(b.Balance.Add(b.Held))
			case engine.ByName:
				return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.ShortName, b.ShortName))
			}
			return 0 // TestOverviewFinds has it
		}) {
			t.Errorf("not in the order of %s", order)
		}
		for _, row := range all {
			w.compareOverview(row, order == engine.ByName)
		}
	}
}

func (w *timed) compareOverview(row *engine.InstanceOverview, forecast bool) {
	w.Helper()
	o, err := w.Outlook(ctx, row.ID)
	w.must(err)
	want := engine.InstanceOverview{}
	for _, l := range o.Book.LineItems {
		if !l.Usable(o.NowMS, o.Tolerant) {
			continue
		}
		want.Usable++
		want.Balance, want.Held, want.OverdraftUsed = want.Balance.Add(l.Balance()), want.Held.Add(l.Held), want.OverdraftUsed.Add(l.OverdraftUsed())
		want.Unlimited = want.Unlimited || l.Overdraft == ledger.UnlimitedOverdraft
	}
	if row.Usable != want.Usable || !row.Balance.Equal(want.Balance) || !row.Held.Equal(want.Held) || !row.OverdraftUsed.Equal(want.OverdraftUsed) ||
		row.Unlimited != want.Unlimited || !row.Pace.Equal(o.Paces.Day7) {
		w.Errorf("instance %s is %+v, want %+v at %s a day", row.ShortName, row, want, o.Paces.Day7)
	}
	if (row.DaysLeft == nil) != row.Pace.IsZero() {
		w.Errorf("instance %s lasts %v at %s a day", row.ShortName, row.DaysLeft, row.Pace)
	}
	if forecast {
		if diff := gocmp.Diff(o.Forecast, row.Forecast); diff != "" {
			w.Errorf("the forecast of %s differs:\n%s", row.ShortName, diff)
		}
	}
}

func TestOverviewFinds(t *testing.T) {
	w := newTimed(t, nil)
	var other string
	w.must(w.change("", func(c *engine.Change) error {
		i, err := c.CreateInstance("Other", "ACME")
		other = i.ID
		return err
	}))
	w.quantity(10, 0)
	for _, c := range []struct {
		name string
		ask  engine.Overview
		want []string
	}{
		{"all", engine.Overview{}, []string{other, w.instance}},
		{"by account", engine.Overview{AccountID: "ACME"}, []string{other}},
		{"a part of the account, in small letters", engine.Overview{Search: "acm"}, []string{other}},
		{"a part of the name, in capitals", engine.Overview{Search: "INST"}, []string{w.instance}},
		{"by its id", engine.Overview{Search: w.instance}, []string{w.instance}},
		{"some", engine.Overview{InstanceIDs: []string{w.instance, "nobody", w.instance}}, []string{w.instance}},
		{"of some, another", engine.Overview{InstanceIDs: []string{w.instance}, Search: "acm"}, nil},
		{"of none", engine.Overview{InstanceIDs: []string{}}, nil},
	} {
		c.ask.Order, c.ask.Limit = engine.ByName, 10
		rows, total, err := w.Instances(ctx, &c.ask)
		w.must(err)
		var got []string
		for _, row := range rows {
			got = append(got, row.ID)
		}
		if !slices.Equal(got, c.want) || total != len(c.want) {
			t.Errorf("%s: %q of %d, want %q", c.name, got, total, c.want)
		}
	}
	w.ask(w.instance, 7)
	w.nowMS.Add(dayMS)
	rows, _, err := w.Instances(ctx, &engine.Overview{Order: engine.ByDaysLeft, Limit: 1})
	w.must(err)
	if row := rows[0]; row.ID != w.instance || !row.Pace.Equal(token.FromInt(1)) || !row.DaysLeft.Equal(token.FromInt(3)) || !row.Today.IsZero() {
		t.Errorf("first is %+v; want 3 left at 1 a day", row)
	}
}
