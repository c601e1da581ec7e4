package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// holding is what some handles do, at random, about the holds of two instances, and what should be held then.
type holding struct {
	*books
	random  *rand.Rand
	handles []*books
	payers  map[string][]*ledger.LineItem // by instance
	all     []*access.Hold                // that have not ended
	serial  int
	nowMS   int64
}

// holdsOfHandles is long enough for a store that remembers books: of an instance with many holds, through changes of who writes, failures, batches that come to
// nothing, and a clock that goes back.
func holdsOfHandles(b *books) {
	for seed := range uint64(3) {
		w := &holding{books: b, random: rand.New(rand.NewPCG(seed, 0)), handles: []*books{b, b.other(), b.other()}, payers: map[string][]*ledger.LineItem{}, nowMS: dawnMS}
		for i := range 2 {
			id := fmt.Sprint("instance ", seed, i)
			b.instance(id)
			for j := range 2 {
				w.payers[id] = append(w.payers[id], b.lineItem(id, fmt.Sprint(id, " ", j), nil))
			}
		}
		for step := range 250 {
			if w.step(); b.Failed() {
				b.Fatalf("after step %d with seed %d", step, seed)
			}
		}
	}
}

// step has a handle do one thing in a batch for one instance or both, and a moment pass.
func (w *holding) step() {
	who := w.handles[w.random.IntN(len(w.handles))]
	ids := slices.Sorted(maps.Keys(w.payers))
	if one := w.random.IntN(6); one < 4 {
		ids = ids[one/3 : one/3+1] // the first more often, so that it has more holds
	}
	switch w.nowMS += w.random.Int64N(400); w.random.IntN(20) {
	case 0:
		w.nowMS -= 2_000
	case 1: // a batch that fails
		w.unavailable(w.batch(who, ids, func(book *ledger.Book) store.Decided {
			h := plain("nothing", w.payers[book.InstanceID][0], "1", w.nowMS+1)
			h.InstanceID = book.InstanceID
			w.drop(book)
			return store.Decided{Receipts: []*usage.Receipt{who.receiptOf(book, h, access.ExtendHold)}}
		}))
	case 2: // one that comes to nothing
		w.must(w.batch(who, ids, func(book *ledger.Book) store.Decided { w.drop(book); return store.Decided{} }))
	case 3: // one that leaves no receipt
		w.must(w.batch(who, ids, func(book *ledger.Book) store.Decided {
			w.serial++
			return store.Decided{Sessions: []*access.Session{dueAt(book.InstanceID, fmt.Sprint(book.InstanceID, " session ", w.serial), w.nowMS+dayMS)}}
		}))
	case 4, 5, 6, 7:
		w.must(w.batch(who, ids, func(book *ledger.Book) store.Decided {
			return store.Decided{Receipts: []*usage.Receipt{who.book(book, charge{lineItem: w.payers[book.InstanceID][0].ActivationID, tokens: "1"})}}
		}))
	case 8, 9, 10, 11:
		w.must(w.batch(who, ids, func(book *ledger.Book) store.Decided { return w.move(who, book) }))
	default:
		w.must(w.batch(who, ids, func(book *ledger.Book) store.Decided { return w.make(who, book) }))
	}
	for _, id := range ids {
		w.seen(w.handles[w.random.IntN(len(w.handles))], id)
	}
}

// drop spoils a book, as a decision may that is not committed.
func (w *holding) drop(book *ledger.Book) {
	for _, h := range w.all {
		book.Drop(h.ID)
	}
}

// batch commits what each book of some instances comes to, and holds each to what should be held.
func (w *holding) batch(who *books, ids []string, decide func(*ledger.Book) store.Decided) error {
	return who.Commit(ctx, store.Want{Instances: ids, NowMS: w.nowMS}, func(loaded *store.Loaded) (d store.Decided) {
		for _, id := range ids {
			book := loaded.Books[id]
			book.HoldsAt(w.nowMS)
			w.same("what is held of "+id, w.found(book), w.expected(id))
			of := decide(book)
			d.Receipts, d.Sessions = append(d.Receipts, of.Receipts...), append(d.Sessions, of.Sessions...)
		}
		return d
	})
}

// seen holds what a handle reads of an instance to what should be held.
func (w *holding) seen(who *books, id string) {
	who.view(func(r store.Reader) error {
		held, err := r.Held(id, w.nowMS)
		book := w.empty(id)
		for _, h := range held {
			book.Keep(h)
		}
		w.same("what is read to be held of "+id, w.found(book), w.expected(id))
		return err
	})
}

func (w *holding) found(book *ledger.Book) string {
	text := []string{fmt.Sprint(book.LiveHolds(), " holds")}
	for _, payer := range w.payers[book.InstanceID] {
		text = append(text, book.Find(payer.ActivationID).Held.String())
	}
	return strings.Join(text, ", ")
}

// expected adds up what all holds keep that are live now.
func (w *holding) expected(id string) string {
	book := w.empty(id)
	for _, h := range w.all {
		if h.InstanceID == id && h.UntilMS > w.nowMS {
			book.Keep(h.OnBook(h.ID, h.InstanceID))
		}
	}
	return w.found(book)
}

func (w *holding) empty(id string) *ledger.Book {
	book := &ledger.Book{InstanceID: id}
	for _, payer := range w.payers[id] {
		l := *payer
		book.LineItems = append(book.LineItems, &l)
	}
	return book
}

// make makes a few holds, for long enough that some fifty are live.
func (w *holding) make(who *books, book *ledger.Book) (d store.Decided) {
	for range 1 + w.random.IntN(5) {
		w.serial++
		payer := w.payers[book.InstanceID][w.random.IntN(2)]
		h := plain(fmt.Sprint(book.InstanceID, " hold ", w.serial), payer, fmt.Sprint(1+w.random.IntN(9)), w.nowMS+1+w.random.Int64N(12_000))
		d.Receipts = append(d.Receipts, who.receiptOf(book, h, access.MakeHold))
		w.all = append(w.all, h)
	}
	return d
}

// move extends, settles, releases or ends some holds.
func (w *holding) move(who *books, book *ledger.Book) (d store.Decided) {
	var left []*access.Hold
	for _, h := range w.all {
		if h.InstanceID == book.InstanceID && w.random.IntN(8) == 0 {
			operation := access.SettleHold
			switch w.random.IntN(4) {
			case 0:
				operation, h.UntilMS = access.ExtendHold, max(h.UntilMS, w.nowMS+w.random.Int64N(12_000))
			case 1:
				h.Shares = [][]ledger.Share{{h.Shares[0][0]}}
				h.Shares[0][0].Tokens = amount("0.5")
			case 2:
				h.State, h.EndedMS = access.Settled, w.nowMS
			default:
				operation, h.State, h.EndedMS = access.ReleaseHold, access.Released, w.nowMS
			}
			d.Receipts = append(d.Receipts, who.receiptOf(book, h, operation))
		}
		if !h.Ended() {
			left = append(left, h)
		}
	}
	w.all = left
	if len(d.Receipts) == 0 {
		d.Receipts = append(d.Receipts, who.denial(book, ""))
	}
	return d
}
