package storetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var receiptTests = []test{
	{"come in the order in which they were booked", receiptsInOrder},
	{"have positions that grow", positionsGrow},
	{"go on from every position", goOnFromPosition},
	{"go on from where fn stopped them", goOnFromStop},
	{"return an error of fn as it is", receiptsReturnErrors},
	{"come whole through pages of a bound", receiptsWithinBound},
	{"stop soon after a bound", receiptsStopAtBound},
	{"leave out only what the filter cannot select", receiptsFilter},
	{"go on after rows that the filter left out", goOnAfterFiltered},
	{"that were written late are found by their own time", findsLate},
	{"that were written late are found far behind their time", findsLateFarBehind},
	{"end at once past the end", endPastTheEnd},
}

// journal commits batches of sizes that wrap around, each a minute later, and returns their receipts in order.
func (b *books) journal(batches int) (all []*usage.Receipt) {
	b.Helper()
	b.instance("A")
	b.lineItem("A", "a1", nil)
	for i := range batches {
		batch := make([]charge, 1+i%3)
		for j := range batch {
			batch[j] = charge{instance: "A", lineItem: "a1", tokens: "0.001", timeMS: dawnMS + int64(i)*60_000}
		}
		all = append(all, b.commit(batch...)...)
	}
	return all
}

// read returns the receipts from a position on, at most as many as are asked for (negative: all), and the position to go on from.
func (b *books) read(from usage.Position, filter *usage.Filter, bound, most int) (got []*usage.Receipt, at []usage.Position, next usage.Position) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		next, err = r.Receipts(from, filter, bound, func(p usage.Position, receipt *usage.Receipt) (bool, error) {
			if len(got) == most {
				return false, nil
			}
			got, at = append(got, receipt), append(at, p)
			return true, nil
		})
		return err
	})
	return got, at, next
}

func receiptsInOrder(b *books) {
	want := b.journal(10)
	got, _, next := b.read(usage.Position{}, nil, 0, -1)
	b.same("the record", got, want)
	b.same("the end", next, usage.Position{})
}

func less(p, q usage.Position) bool {
	return slices.Compare([]int64{p.Commit, int64(p.Receipt), int64(p.Event)}, []int64{q.Commit, int64(q.Receipt), int64(q.Event)}) < 0
}

func positionsGrow(b *books) {
	b.journal(10)
	_, at, _ := b.read(usage.Position{}, nil, 0, -1)
	for i := 1; i < len(at); i++ {
		if !less(at[i-1], at[i]) {
			b.Errorf("position %d is %+v, the one before %+v", i, at[i], at[i-1])
		}
	}
	b.reopen()
	_, again, _ := b.read(usage.Position{}, nil, 0, -1)
	b.same("the positions after reopening", again, at)
}

func goOnFromPosition(b *books) {
	want := b.journal(7)
	_, at, _ := b.read(usage.Position{}, nil, 0, -1)
	for i, p := range at {
		got, _, _ := b.read(p, nil, 0, -1)
		b.same(fmt.Sprintf("the record from %+v on", p), ids(got), ids(want[i:]))
	}
}

func goOnFromStop(b *books) {
	want := b.journal(7)
	for _, page := range []int{1, 2, 3, 5, len(want) - 1, len(want), len(want) + 1} {
		var got []*usage.Receipt
		from := usage.Position{}
		for range 2 * len(want) {
			some, _, next := b.read(from, nil, 0, page)
			got = append(got, some...)
			if from = next; next == (usage.Position{}) {
				break
			}
		}
		b.same(fmt.Sprintf("the record in pages of %d", page), ids(got), ids(want))
	}
}

func receiptsReturnErrors(b *books) {
	b.journal(2)
	want := errors.New("an error of fn")
	calls := 0
	err := b.View(ctx, func(r store.Reader) error {
		_, err := r.Receipts(usage.Position{}, nil, 0, func(usage.Position, *usage.Receipt) (bool, error) { calls++; return true, want })
		return err
	})
	if err != want || calls != 1 {
		b.Errorf("got %v after %d calls, want what fn returned after 1", err, calls)
	}
}

// A store may read hundreds of commits at a time, so that there must be more of them here.
const manyBatches = 600

func receiptsWithinBound(b *books) {
	want := b.journal(manyBatches)
	for _, bound := range []int{1, 100, 10_000} {
		var got []*usage.Receipt
		from := usage.Position{}
		for range len(want) + 1 {
			some, _, next := b.read(from, nil, bound, -1)
			got = append(got, some...)
			if next != (usage.Position{}) && !less(from, next) {
				b.Fatalf("with a bound of %d it goes on from %+v after %+v", bound, next, from)
			}
			if from = next; next == (usage.Position{}) {
				break
			}
		}
		b.same(fmt.Sprintf("the record with a bound of %d", bound), ids(got), ids(want))
	}
}

func receiptsStopAtBound(b *books) {
	all := b.journal(manyBatches)
	got, _, next := b.read(usage.Position{}, nil, 1, -1)
	if len(got) == len(all) || next == (usage.Position{}) {
		b.Errorf("with a bound of 1 it looked at all %d receipts", len(got))
	}
}

func receiptsFilter(b *books) {
	all := b.journal(10)
	for _, f := range []*usage.Filter{
		{FromMS: dawnMS + 3*60_000}, {ToMS: dawnMS + 3*60_000}, {FromMS: dawnMS + 2*60_000, ToMS: dawnMS + 5*60_000}, {FromMS: dawnMS + dayMS},
		{InstanceIDs: []string{"A"}}, {InstanceIDs: []string{"B"}}, {},
	} {
		got, _, _ := b.read(usage.Position{}, f, 0, -1)
		var selected []*usage.Receipt
		for _, r := range all {
			if f.MatchReceipt(r.InstanceID, r.TimeMS) {
				selected = append(selected, r)
			}
		}
		got = slices.DeleteFunc(got, func(r *usage.Receipt) bool { return !f.MatchReceipt(r.InstanceID, r.TimeMS) })
		b.same(fmt.Sprintf("what %+v selects", *f), ids(got), ids(selected))
	}
}

func goOnAfterFiltered(b *books) {
	all := b.journal(manyBatches)
	f := &usage.Filter{FromMS: dawnMS + (manyBatches-3)*60_000}
	var want []*usage.Receipt
	for _, r := range all {
		if f.MatchReceipt(r.InstanceID, r.TimeMS) {
			want = append(want, r)
		}
	}
	for _, bound := range []int{0, 1, 50} {
		for _, page := range []int{1, 2, -1} {
			var got []*usage.Receipt
			from := usage.Position{}
			for range manyBatches {
				some, _, next := b.read(from, f, bound, page)
				got = append(got, some...)
				if from = next; next == (usage.Position{}) {
					break
				}
			}
			got = slices.DeleteFunc(got, func(r *usage.Receipt) bool { return !f.MatchReceipt(r.InstanceID, r.TimeMS) })
			b.same(fmt.Sprintf("the selected with a bound of %d in pages of %d", bound, page), ids(got), ids(want))
		}
	}
}

// selected returns the receipts that a filter selects of all, and of those that a store shows for it, read with a bound and in
// pages.
func (b *books) selected(all []*usage.Receipt, f *usage.Filter, bound, page int) (want, got []string) {
	b.Helper()
	pick := func(receipts []*usage.Receipt) (ids []string) {
		for _, r := range receipts {
			if f.MatchReceipt(r.InstanceID, r.TimeMS) {
				ids = append(ids, r.CorrelationID)
			}
		}
		return ids
	}
	from := usage.Position{}
	for range 2*len(all) + 2 {
		some, _, next := b.read(from, f, bound, page)
		got = append(got, pick(some)...)
		if from = next; next == (usage.Position{}) {
			break
		}
	}
	return pick(all), got
}

func findsLate(b *books) {
	const minute = 60_000
	b.instance("A")
	b.lineItem("A", "a1", nil)
	at := func(minutes, written int64) charge {
		c := charge{instance: "A", lineItem: "a1", tokens: "0.001", timeMS: dawnMS + minutes*minute}
		if written > minutes {
			c.writtenMS = dawnMS + written*minute
		}
		return c
	}
	var all []*usage.Receipt
	for _, batch := range [][]charge{
		{at(3, 3)}, {at(2, 5)}, // alone
		{at(4, 6), at(6, 6), at(1, 6)}, {at(7, 7), at(5, 7), at(7, 7)}, // among those on time
		{at(7, 9), at(8, 9)}, {at(9, 9)}, {at(0, 10), at(10, 10)}, {at(6, 11), at(12, 12), at(5, 12)},
	} {
		all = append(all, b.commit(batch...)...)
	}
	for from := int64(-1); from <= 13; from++ {
		for to := from; to <= 14; to++ {
			f := &usage.Filter{FromMS: dawnMS + from*minute, ToMS: dawnMS + to*minute}
			switch {
			case to == from:
				f.FromMS = 0
			case to == 14:
				f.ToMS = 0
			}
			want, got := b.selected(all, f, 0, 2)
			b.same(fmt.Sprintf("from minute %d to %d (%+v)", from, to, *f), got, want)
		}
	}
}

// A store that leaves out what is not in a filter's time must not leave out what was written down long after it.
func findsLateFarBehind(b *books) {
	all := b.journal(manyBatches)
	end := int64(dawnMS + (manyBatches+5)*60_000)
	for _, minute := range []int64{0, 7, manyBatches / 2} {
		late := charge{instance: "A", lineItem: "a1", tokens: "1", timeMS: dawnMS + minute*60_000 + 1, writtenMS: end}
		all = append(all, b.commit(late, charge{instance: "A", lineItem: "a1", tokens: "1", timeMS: end})...)
	}
	for _, f := range []*usage.Filter{
		{ToMS: dawnMS + 1}, {ToMS: dawnMS + 2}, {FromMS: dawnMS + 1, ToMS: dawnMS + 60_000}, {FromMS: dawnMS + 7*60_000, ToMS: dawnMS + 7*60_000 + 2},
		{FromMS: dawnMS + manyBatches/2*60_000 + 1}, {FromMS: end}, {FromMS: end + 1},
	} {
		for _, bound := range []int{0, 1, 100} {
			want, got := b.selected(all, f, bound, -1)
			b.same(fmt.Sprintf("what %+v selects with a bound of %d", *f, bound), got, want)
		}
	}
}

func endPastTheEnd(b *books) {
	got, _, next := b.read(usage.Position{}, nil, 0, -1)
	if len(got) != 0 || next != (usage.Position{}) {
		b.Errorf("an empty record has %d receipts and goes on from %+v", len(got), next)
	}
	b.journal(3)
	_, at, _ := b.read(usage.Position{}, nil, 0, -1)
	last := at[len(at)-1]
	for _, past := range []usage.Position{
		{Commit: last.Commit, Receipt: last.Receipt + 1}, {Commit: last.Commit, Receipt: 1 << 30}, {Commit: last.Commit + 1}, {Commit: 1 << 60, Receipt: 3, Event: 5},
	} {
		if got, _, next := b.read(past, nil, 0, -1); len(got) != 0 || next != (usage.Position{}) {
			b.Errorf("from %+v, past the end, there are %d receipts, and it goes on from %+v", past, len(got), next)
		}
	}
}
