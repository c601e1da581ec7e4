package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// SimulatedCoversMost is how many charges may cover later use at the same time in a simulation, unless it is told otherwise: they
// take about 150 MB.
const SimulatedCoversMost = 1_000_000

// covers is what charges by a draft cover of the use that follows, as if the draft had taken effect when the replayed period
// begins. What was covered by a charge before stays so until its time, which the record of the use that it covered tells.
type covers struct {
	all      map[coverID]simulatedCover
	most     int
	sweepAt  int // when there are so many, those that have ended are looked for: never more than twice those that last
	catalog  *rate.Catalog
	lineItem *ledger.LineItem // pays for everything
	book     *ledger.Book
}

// coverID stands for a requester on an instance and an item: names may be long, and there are many.
type coverID [16]byte

func coverIDOf(receipt *usage.Receipt, item *usage.Item) (id coverID) {
	var names []byte
	for _, name := range [...]string{receipt.InstanceID, receipt.Requester.Type, receipt.Requester.Value, item.Item, item.Version} {
		names = append(binary.AppendUvarint(names, uint64(len(name))), name...)
	}
	sum := sha256.Sum256(names)
	return coverID(sum[:])
}

type simulatedCover struct {
	count   token.Amount
	untilMS int64
	begunMS int64 // until when a cover lasted that was recorded as made in the period; 0: none was
}

func (c *simulatedCover) endMS() int64 { return max(c.untilMS, c.begunMS) }

// coversKept is how long covers are kept after their end: what is made late is recorded after what came later.
const coversKept = 24 * 60 * 60 * 1000

func newCovers(draft *rate.Table, most int) *covers {
	inForce := *draft
	inForce.EffectiveFromMS = 0
	l := &ledger.LineItem{
		Number: 1, State: ledger.Deployed, Elastic: true, Quantity: 1, EndMS: period.LatestMS, Series: draft.Series, Overdraft: ledger.UnlimitedOverdraft,
	}
	return &covers{
		all: map[coverID]simulatedCover{}, most: most, sweepAt: 1, catalog: rate.NewCatalog([]*rate.Table{&inForce}), lineItem: l,
		book: &ledger.Book{LineItems: []*ledger.LineItem{l}},
	}
}

// charge decides on a count of an item as the draft would have, with what covers it.
func (c *covers) charge(receipt *usage.Receipt, item *usage.Item, count token.Amount) (ledger.Outcome, error) {
	id, nowMS := coverIDOf(receipt, item), receipt.TimeMS
	cover := c.all[id]
	cover.recorded(item, nowMS)
	key := ledger.ItemKey{Item: item.Item, Version: item.Version}
	standing := &ledger.Standing{Covers: map[ledger.ItemKey]*ledger.Cover{
		key: {CoverKey: ledger.CoverKey{ItemKey: key}, Count: cover.count, UntilMS: cover.untilMS, Number: c.lineItem.Number},
	}}
	ask := ledger.Ask{Item: item.Item, Version: item.Version, Count: count, Variables: item.Variables}
	o := ledger.DecideCovered(c.book, &ledger.Prices{Catalog: c.catalog, NowMS: nowMS}, &ledger.Who{Standing: standing}, ask, nil)
	if o.Coverage != nil {
		cover.count, cover.untilMS = o.Coverage.Count(), o.Coverage.UntilMS()
	}
	if cover.endMS() <= nowMS {
		return o, nil
	}
	c.all[id] = cover
	return o, c.sweep(nowMS)
}

// recorded takes notice of what the record says about a cover. Use that was covered, though no charge of the period began to cover
// it, was covered by one from before.
func (c *simulatedCover) recorded(item *usage.Item, nowMS int64) {
	switch {
	case item.Covered.IsZero() && !item.CoverCount.IsZero():
		c.begunMS = item.CoveredUntilMS
	case !item.Covered.IsZero() && c.begunMS <= nowMS && c.untilMS <= nowMS:
		c.untilMS = max(item.CoveredUntilMS, nowMS+1) // of use that is covered in part, it is not recorded until when
		c.count = item.CoverCount
		if item.Covered.Less(item.Count) {
			c.count = item.Covered // it was enlarged only then
		}
	}
}

// sweep forgets what has ended, now and then.
func (c *covers) sweep(nowMS int64) error {
	if len(c.all) < c.sweepAt {
		return nil
	}
	for id, cover := range c.all {
		if cover.endMS() <= nowMS-coversKept {
			delete(c.all, id)
		}
	}
	if len(c.all) > c.most {
		return problem.New(problem.TooLarge, "more than %d charges would cover later use at the same time, each for a requester and an item; "+
			"choose shorter windows, or windows for fewer items", c.most)
	}
	c.sweepAt = 2*len(c.all) + 1
	return nil
}

// unknown counts what the record does not tell.
type unknown struct {
	split     int64 // uses of items with a window, paid at rates of several series
	freed     int64 // charges in sessions of items whose freeSeconds are others
	uncovered int64 // charges in sessions of items whose window the draft has not
	exampleOf map[*int64]string
}

func (u *unknown) note(n *int64, item *usage.Item) {
	if u.exampleOf == nil {
		u.exampleOf = map[*int64]string{}
	}
	if *n++; *n == 1 {
		u.exampleOf[n] = item.Item
	}
}

// notes says it in words.
func (u *unknown) notes() []string {
	notes := []string{}
	for _, of := range [...]struct {
		n    *int64
		text string
	}{
		{&u.split, "uses of items with a window that were paid at rates of several series: %d, such as of %q; what was paid at rates of this one is " +
			"simulated as if it had been asked for alone"},
		{&u.freed, "charges in sessions of items whose freeSeconds the draft changes: %d, such as of %q; what sessions get back is taken to be the same " +
			"part of the charge as it was"},
		{&u.uncovered, "charges in sessions of items that had a window and have none in the draft: %d, such as of %q; what sessions would get back of " +
			"them is not recorded, and taken to be nothing"},
	} {
		if *of.n > 0 {
			notes = append(notes, fmt.Sprintf(of.text, *of.n, u.exampleOf[of.n]))
		}
	}
	return notes
}
