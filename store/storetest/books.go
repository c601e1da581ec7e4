package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// dawnMS is when the tests begin: 2026-01-01 in UTC.
const dawnMS = 1767225600000

const dayMS = 24 * 60 * 60 * 1000

// books is a store under test with words for what most tests do.
type books struct {
	*testing.T
	store.Store
	harness Harness
	serial  *atomic.Int64
}

func newBooks(t *testing.T, harness Harness) *books {
	b := &books{T: t, harness: harness, serial: new(atomic.Int64)}
	b.Store = b.handle(harness.Open)
	return b
}

// handle opens the database and sees that it is closed before the test's files go.
func (b *books) handle(open func(*testing.T) store.Store) store.Store {
	b.Helper()
	s := &closing{Store: open(b.T)}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Errorf("Close: %v", err)
		}
	})
	return s
}

// closing makes a second Close do nothing, so that a test may close before its end.
type closing struct {
	store.Store
	closed bool
}

func (c *closing) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return c.Store.Close()
}

// other returns the same database through another handle, as another process has it.
func (b *books) other() *books {
	b.Helper()
	o := *b
	o.Store = b.handle(b.harness.Open)
	return &o
}

// reopen closes the database and opens it again, as a restart does.
func (b *books) reopen() {
	b.Helper()
	b.must(b.Close())
	b.Store = b.handle(b.harness.Open)
}

func (b *books) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// same fails when got is not want.
func (b *books) same(what string, got, want any) {
	b.Helper()
	if diff := cmp.Diff(want, got, amounts, catalogs, cmp.AllowUnexported(ledger.Book{}), cmpopts.IgnoreFields(ledger.Book{}, "holds"),
		cmpopts.IgnoreUnexported(ledger.LineItem{})); diff != "" {
		b.Errorf("%s is not as it should be (-want +got):\n%s", what, diff)
	}
}

var (
	amounts  = cmp.Comparer(func(x, y token.Amount) bool { return x.Equal(y) })
	catalogs = cmp.Transformer("tables", func(c *rate.Catalog) []tableText { return tableTexts(c) })
)

// tableText is a rate table for comparison: amounts as text, no index.
type tableText struct {
	Series, Version                    string
	EffectiveFromMS, CreatedMS, Serial int64
	Items                              []string
}

func tableTexts(c *rate.Catalog) []tableText {
	all := []tableText{}
	for _, t := range c.Tables() {
		text := tableText{t.Series, t.Version, t.EffectiveFromMS, t.CreatedMS, t.Serial, nil}
		for _, item := range t.Items {
			text.Items = append(text.Items, fmt.Sprintf("%q %q %s", item.Name, item.Version, item.Rate))
		}
		all = append(all, text)
	}
	return all
}

// unavailable fails unless err is a problem that says so.
func (b *books) unavailable(err error) {
	b.Helper()
	if err == nil || problem.KindOf(err) != problem.Unavailable {
		b.Errorf("got %v, want a problem of the kind Unavailable", err)
	}
}

func amount(text string) token.Amount { return token.MustParse(text) }

// instance makes an instance of an account of the same name.
func (b *books) instance(id string) *store.Instance {
	b.Helper()
	i := &store.Instance{ID: id, ShortName: "short " + id, AccountID: "account " + id, Default: true, CreatedMS: dawnMS, ModifiedMS: dawnMS + 1}
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertInstance(i) }))
	return i
}

// lineItem puts a line item of 1000 tokens; change may make it another.
func (b *books) lineItem(instanceID, activationID string, change func(*ledger.LineItem)) *ledger.LineItem {
	b.Helper()
	l := newLineItem(instanceID, activationID)
	if change != nil {
		change(l)
	}
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.PutLineItem(l) }))
	return l
}

func newLineItem(instanceID, activationID string) *ledger.LineItem {
	return &ledger.LineItem{
		ActivationID: activationID, InstanceID: instanceID, State: ledger.Deployed, Quantity: 1000,
		StartMS: dawnMS, EndMS: dawnMS + 365*dayMS, Elastic: true, Kind: ledger.Paid,
	}
}

// charge is what a test commits: tokens from one line item, in one receipt.
type charge struct {
	instance, lineItem string
	tokens             string
	key                string // idempotency key; may be empty
	timeMS             int64  // dawnMS unless told
	writtenMS          int64  // if that was later
	requester          string // the value of a USER; another each time unless told
	resetMS            int64  // of a recurring line item
	ruled              *usage.Ruled
}

// commit books charges in one batch and returns their receipts.
func (b *books) commit(charges ...charge) []*usage.Receipt {
	b.Helper()
	receipts, err := b.tryCommit(charges...)
	b.must(err)
	return receipts
}

func (b *books) tryCommit(charges ...charge) (receipts []*usage.Receipt, err error) {
	want := store.Want{}
	for _, c := range charges {
		want.Instances = append(want.Instances, c.instance)
	}
	err = b.Commit(ctx, want, func(loaded *store.Loaded) store.Decided {
		receipts = nil
		for _, c := range charges {
			receipts = append(receipts, b.book(loaded.Books[c.instance], c))
		}
		return store.Decided{Receipts: receipts}
	})
	return receipts, err
}

// book takes a charge from a book, as a decision does, and returns its receipt.
func (b *books) book(book *ledger.Book, c charge) *usage.Receipt {
	n := b.serial.Add(1)
	r := &usage.Receipt{
		CorrelationID: fmt.Sprintf("receipt-%d", n), TimeMS: c.timeMS, WrittenMS: c.writtenMS, AccountID: book.AccountID, InstanceID: book.InstanceID,
		Requester: access.Requester{Type: "USER", Value: fmt.Sprintf("user-%d", n)}, Key: c.key,
	}
	if c.timeMS == 0 {
		r.TimeMS = dawnMS
	}
	if c.requester != "" {
		r.Requester.Value = c.requester
	}
	if c.key != "" {
		r.Fingerprint = []byte("fingerprint of " + c.key)
	}
	tokens := amount(c.tokens)
	item := usage.Item{Item: "item", Count: tokens, Tokens: tokens, Status: ledger.Granted}
	for _, l := range book.LineItems {
		if l.ActivationID == c.lineItem {
			l.Used = l.Used.Add(tokens)
			item.Slices = []usage.Slice{{
				ActivationID: l.ActivationID, Number: l.Number, TableVersion: "1", Rate: token.FromInt(1), Tokens: tokens,
				Quantity: l.Quantity, Used: l.Used, ResetMS: c.resetMS, Ruled: c.ruled,
			}}
			l.ResetMS = max(l.ResetMS, c.resetMS)
			for i := range l.Actions {
				if a := &l.Actions[i]; c.ruled != nil && a.ID == c.ruled.ActionID {
					a.Used = c.ruled.ActionUsed
				}
			}
		}
	}
	r.Items = []usage.Item{item}
	return r
}

// denial returns a receipt that charges nothing.
func (b *books) denial(book *ledger.Book, key string) *usage.Receipt {
	r := b.book(book, charge{tokens: "1", key: key})
	r.Items[0].Status, r.Items[0].Tokens, r.Items[0].Slices = ledger.Insufficient, token.Amount{}, nil
	return r
}

// used returns the use of a line item as committed.
func (b *books) used(activationID string) string {
	b.Helper()
	l := b.find(activationID)
	if l == nil {
		return "no line item"
	}
	return l.Used.String()
}

func (b *books) find(activationID string) (l *ledger.LineItem) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		l, err = r.LineItem(activationID)
		return err
	})
	return l
}

func (b *books) view(fn func(store.Reader) error) {
	b.Helper()
	b.must(b.View(ctx, fn))
}

// loaded returns what a batch would decide on; the batch books nothing.
func (b *books) loaded(want store.Want) (loaded *store.Loaded) {
	b.Helper()
	b.must(b.Commit(ctx, want, func(l *store.Loaded) store.Decided {
		loaded = l
		return store.Decided{}
	}))
	return loaded
}

// usedInBook returns the use of a line item as a batch would load it.
func (b *books) usedInBook(instanceID, activationID string) string {
	b.Helper()
	book := b.loaded(store.Want{Instances: []string{instanceID}}).Books[instanceID]
	if book == nil {
		return "no book"
	}
	for _, l := range book.LineItems {
		if l.ActivationID == activationID {
			return l.Used.String()
		}
	}
	return "no line item"
}

// receipts returns all receipts with their positions.
func (b *books) receipts() (all []*usage.Receipt, at []usage.Position) {
	b.Helper()
	b.view(func(r store.Reader) error {
		_, err := r.Receipts(usage.Position{}, nil, 0, func(p usage.Position, receipt *usage.Receipt) (bool, error) {
			all, at = append(all, receipt), append(at, p)
			return true, nil
		})
		return err
	})
	return all, at
}

// ids returns the correlation ids of receipts.
func ids(receipts []*usage.Receipt) []string {
	all := make([]string, len(receipts))
	for i, r := range receipts {
		all[i] = r.CorrelationID
	}
	return all
}

// table returns a rate table of one item.
func table(series, version string, effectiveMS int64, price string) *rate.Table {
	return &rate.Table{
		Series: series, Version: version, EffectiveFromMS: effectiveMS, CreatedMS: dawnMS,
		Items: []rate.Item{{Name: "item", Rate: amount(price)}},
	}
}

// price returns what an item costs by a store's settings.
func price(s *store.Settings, series string) string {
	item := s.Rates.Effective(series, dawnMS).Item("item", "")
	if item == nil {
		return "not priced"
	}
	return item.Rate.String()
}
