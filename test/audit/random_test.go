package audit

import (
	"fmt"
	"math/big"

	"pgregory.net/rapid"
)

// dawn is when histories begin: 2026-01-01 in UTC.
const (
	dawn = 1767225600000
	hour = 60 * 60 * 1000
	day  = 24 * hour
)

// The pools are small, so that things meet: same names, same dates, exact balances, rates that are equal and rates that do
// not divide.
var (
	anyActivation = rapid.SampledFrom([]string{"a", "b", "c", "d", "B"})
	anySeries     = rapid.SampledFrom([]string{"", "", "s", "t"})
	anyItem       = rapid.SampledFrom([]string{"x", "x", "x", "y", "z"})
	anyVersion    = rapid.SampledFrom([]string{"", "", "", "2"})
	anyKey        = rapid.SampledFrom([]string{"", "", "", "k1", "k2", "k3", "k4", "k5"})
	anyOverdraft  = rapid.SampledFrom([]string{"", "", number, unlimited})
	anyState      = rapid.SampledFrom([]string{deployed, deployed, deployed, deployed, deployed, "INACTIVE", obsolete})
	anyRate       = rapid.SampledFrom([]string{
		"0", "1", "1", "2", "3", "3", "7", "0.1", "0.5", "0.000003", "0.333333333333", "1.000000000001", "0.000000000001", "1000000",
	})
	anyCount = rapid.OneOf(
		rapid.Map(rapid.IntRange(1, 12), func(n int) string { return fmt.Sprint(n) }),
		rapid.SampledFrom([]string{"0.5", "0.1", "0.333333333333", "0.000000000001", "0.000000000005", "2.000000000001", "99999999999"}),
		rapid.StringMatching(`[1-9]\.[0-9]{11}[1-9]`),
	)
	anyQuantity = rapid.OneOf(rapid.Int64Range(1, 20), rapid.Just(int64(1_000_000)))
)

func anyLineItem(instances []string) *rapid.Generator[LineItem] {
	return rapid.Custom(func(t *rapid.T) LineItem {
		start := dawn + rapid.SampledFrom([]int64{-2 * day, -2 * day, -2 * day, -hour, 0, hour, day}).Draw(t, "start")
		return LineItem{
			ID: anyActivation.Draw(t, "id"), Instance: rapid.SampledFrom(instances).Draw(t, "instance"), Series: anySeries.Draw(t, "series"),
			State: anyState.Draw(t, "state"), Quantity: anyQuantity.Draw(t, "quantity"), Start: start,
			End:     start + rapid.SampledFrom([]int64{30 * day, 30 * day, 30*day + 1, 3 * day, 12 * hour, 1}).Draw(t, "length"),
			Elastic: rapid.SampledFrom([]bool{true, true, true, true, true, false}).Draw(t, "elastic"), Overdraft: anyOverdraft.Draw(t, "overdraft"),
			Limit: rapid.Int64Range(0, 8).Draw(t, "limit"), Priority: rapid.SampledFrom([]int64{0, 0, 0, 1, -1}).Draw(t, "priority"),
		}
	})
}

// anyTable draws a rate table; version and date may be another's.
func anyTable() *rapid.Generator[*Table] {
	return rapid.Custom(func(t *rapid.T) *Table {
		table := &Table{
			Series: anySeries.Draw(t, "series"), Version: rapid.StringMatching(`v[1-6]`).Draw(t, "version"),
			From:  dawn + rapid.SampledFrom([]int64{-day, -hour, 0, 0, hour, 6 * hour, day}).Draw(t, "from"),
			Rates: map[[2]string]*big.Rat{},
		}
		for range rapid.IntRange(1, 4).Draw(t, "items") {
			table.Rates[[2]string{anyItem.Draw(t, "item"), anyVersion.Draw(t, "item version")}] = R(anyRate.Draw(t, "rate"))
		}
		return table
	})
}

func anyRequest(instances []string) *rapid.Generator[Request] {
	return rapid.Custom(func(t *rapid.T) Request {
		r := Request{Instance: rapid.SampledFrom(instances).Draw(t, "instance"), AllOrNothing: rapid.IntRange(0, 4).Draw(t, "all or nothing") == 0}
		for range rapid.IntRange(1, 5).Draw(t, "items") {
			r.Items = append(r.Items, Ask{
				Item: anyItem.Draw(t, "item"), Version: anyVersion.Draw(t, "version"), Count: R(anyCount.Draw(t, "count")),
				Partial: !r.AllOrNothing && rapid.IntRange(0, 2).Draw(t, "partial") == 0,
			})
		}
		return r
	})
}
