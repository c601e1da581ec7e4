package storetest

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var commitTests = []test{
	{"loads the books that it is asked for, once each", loadsWantedBooks},
	{"has no book of an instance that does not exist", hasNoBookOfNobody},
	{"gives line items in the order in which they are drawn", ordersLineItems},
	{"gives the settings in force", givesSettings},
	{"writes the receipts that decide returns", writesReceipts},
	{"keeps every field of a receipt as it was", keepsReceiptsAsTheyWere},
	{"writes the balances that follow from the receipts", writesBalances},
	{"writes the balances that follow from refunds, and from what was charged after them", writesRefundedBalances},
	{"keeps amounts exact at both ends of their range", keepsAmountsExact},
	{"forgets what decide left in the books when there is no receipt", forgetsUnreceipted},
	{"books nothing when a receipt cannot be written", booksNothingOnFailure},
	{"books nothing when decide panics, and goes on", survivesPanicInDecide},
	{"takes a receipt that charges nothing", takesDenials},
	{"takes batches of any size that an engine makes", takesLargeBatches},
	{"is right or refuses past 65536 receipts", isRightOrRefusesHugeBatches},
	{"sees a line item that was put after the book was loaded", seesLaterLineItems},
}

func loadsWantedBooks(b *books) {
	b.instance("A")
	b.instance("B")
	b.instance("C")
	b.lineItem("A", "a1", nil)
	b.lineItem("B", "b1", nil)
	loaded := b.loaded(store.Want{Instances: []string{"B", "A", "B", "C"}})
	if len(loaded.Books) != 3 {
		b.Fatalf("%d books were loaded, want those of A, B and C", len(loaded.Books))
	}
	for id, lineItems := range map[string]int{"A": 1, "B": 1, "C": 0} {
		book := loaded.Books[id]
		if book.InstanceID != id || book.AccountID != "account "+id || len(book.LineItems) != lineItems {
			b.Errorf("the book of %s is %+v", id, book)
		}
	}
}

func hasNoBookOfNobody(b *books) {
	b.instance("A")
	for _, id := range []string{"", "a", "A ", "nobody"} {
		if book := b.loaded(store.Want{Instances: []string{id, "A"}}).Books[id]; book != nil {
			b.Errorf("instance %q does not exist but has the book %+v", id, book)
		}
	}
}

func ordersLineItems(b *books) {
	b.instance("A")
	b.lineItem("A", "late", func(l *ledger.LineItem) { l.EndMS++ })
	b.lineItem("A", "b", nil)
	b.lineItem("A", "B", nil)
	b.lineItem("A", "a", nil)
	b.lineItem("A", "young", func(l *ledger.LineItem) { l.StartMS++ })
	b.lineItem("A", "last", func(l *ledger.LineItem) { l.Priority = 1 })
	b.lineItem("A", "first", func(l *ledger.LineItem) { l.Priority = -1; l.EndMS += dayMS })
	var got []string
	for _, l := range b.loaded(store.Want{Instances: []string{"A"}}).Books["A"].LineItems {
		got = append(got, l.ActivationID)
	}
	b.same("the order (D4)", got, []string{"first", "B", "a", "b", "young", "late", "last"})
}

func givesSettings(b *books) {
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(table("", "1", dawnMS, "0.25")) }))
	loaded := b.loaded(store.Want{})
	if got := price(loaded.Settings, ""); got != "0.25" {
		b.Errorf("decide sees a price of %s, want 0.25", got)
	}
}

func writesReceipts(b *books) {
	b.instance("A")
	b.instance("B")
	b.lineItem("A", "a1", nil)
	b.lineItem("B", "b1", nil)
	first := b.commit(charge{instance: "A", lineItem: "a1", tokens: "1"}, charge{instance: "B", lineItem: "b1", tokens: "2"})
	second := b.commit(charge{instance: "A", lineItem: "a1", tokens: "3"})
	got, _ := b.receipts()
	b.same("the record", got, append(first, second...))
}

func keepsReceiptsAsTheyWere(b *books) {
	b.instance("A")
	l := b.lineItem("A", "a1", nil)
	var long jsontext.Value = []byte(`{"text":"` + string(make1000("longer than it pays to keep uncompressed, ")) + `"}`)
	want := &usage.Receipt{
		CorrelationID: "x", TimeMS: dawnMS, AccountID: "account A", InstanceID: "A", Key: "key \\ \" ~", Fingerprint: []byte{0, 1, 255},
		Requester: access.Requester{Type: "t<y>pe", Value: "\u2028 & 名前 \x7f", Dictionary: jsontext.Value(`{"a":{"b":[1,2.50,1e3,"\u0000\u0041\/"]}}`)},
		Items: []usage.Item{
			{Item: "i", Version: "v", Count: amount("2.5"), Tokens: amount("7.5"), Status: ledger.Granted, MetaData: jsontext.Value(`{}`),
				Slices: []usage.Slice{{
					ActivationID: "a1", Number: l.Number, Series: "s", TableVersion: "tv", Rate: amount("3"), Tokens: amount("7.5"),
					Overdraft: amount("0.5"), Quantity: 7, Used: amount("7.5"),
				}}},
			{Item: "j", Count: amount("0.000000000001"), Status: ledger.NotFound, MetaData: long},
		},
	}
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(*store.Loaded) store.Decided { return store.Decided{Receipts: []*usage.Receipt{want}} }))
	got, _ := b.receipts()
	b.same("the record", got, []*usage.Receipt{want})

	full := filled[usage.Receipt]()
	full.Hold.Operation = access.MakeHold // or there would have to be that hold
	for _, items := range [][]usage.Item{full.Refunds, full.Items} {
		for i := range items {
			for j := range items[i].Slices {
				items[i].Slices[j].Number = l.Number
			}
		}
	}
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(*store.Loaded) store.Decided { return store.Decided{Receipts: []*usage.Receipt{full}} }))
	got, _ = b.receipts()
	b.same("the record", got, []*usage.Receipt{want, full})

	spaced := &usage.Receipt{ // white space between the tokens of JSON may go
		CorrelationID: "y", TimeMS: dawnMS, InstanceID: "A",
		Requester: access.Requester{Type: "t", Value: "v", Dictionary: jsontext.Value("{\n\t\"a\" : [ 1 ,\r\n2 ]\n}")},
		Items:     []usage.Item{{Item: "j", Count: amount("1"), Status: ledger.NotFound}},
	}
	b.must(b.Commit(ctx, store.Want{}, func(*store.Loaded) store.Decided { return store.Decided{Receipts: []*usage.Receipt{spaced, want}} }))
	got, _ = b.receipts()
	if len(got) != 4 {
		b.Fatalf("%d receipts, want 4: white space in a dictionary must not tear them apart", len(got))
	}
	b.same("the receipt after it", got[3], want)
}

func make1000(text string) (long []byte) {
	for len(long) < 1000 {
		long = append(long, text...)
	}
	return long
}

func writesBalances(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.lineItem("A", "a2", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1.5"}, charge{instance: "A", lineItem: "a2", tokens: "10"},
		charge{instance: "A", lineItem: "a1", tokens: "0.25"})
	b.commit(charge{instance: "A", lineItem: "a2", tokens: "0.000000000001"})
	for id, want := range map[string]string{"a1": "1.75", "a2": "10.000000000001"} {
		if got := b.used(id); got != want {
			b.Errorf("%s of %s is used, want %s", got, id, want)
		}
		if got := b.usedInBook("A", id); got != want {
			b.Errorf("the next batch sees %s of %s used, want %s", got, id, want)
		}
	}
}

func writesRefundedBalances(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.lineItem("A", "a2", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "10"}, charge{instance: "A", lineItem: "a2", tokens: "10"})
	for _, want := range []struct{ refunds, charges, a1, a2 string }{
		{"3", "", "7", "10"}, {"2", "4", "9", "10"}, {"9", "0.5", "0.5", "10"},
	} {
		b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
			r := b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "-" + want.refunds})
			r.Items[0].Tokens, r.Items[0].Slices[0].Tokens = amount(want.refunds), amount(want.refunds)
			r.Refunds, r.Items = r.Items, nil
			if want.charges != "" {
				r.Items = b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: want.charges}).Items
			}
			return store.Decided{Receipts: []*usage.Receipt{r}}
		}))
		b.must(agrees(b.Store))
		for id, want := range map[string]string{"a1": want.a1, "a2": want.a2} {
			if got := b.used(id); got != want {
				b.Errorf("%s of %s is used, want %s", got, id, want)
			}
		}
	}
	b.onlyUsed("a1", "0.5", 5)
}

func keepsAmountsExact(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "0.000000000001"})
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "9999999999999999998.999999999999"})
	b.reopen()
	if got := b.used("a1"); got != token.Max.String() {
		b.Errorf("%s is used, want %s", got, token.Max)
	}
	if got := b.usedInBook("A", "a1"); got != token.Max.String() {
		b.Errorf("the next batch sees %s used, want %s", got, token.Max)
	}
}

func forgetsUnreceipted(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "5"})
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "100"})
		return store.Decided{}
	}))
	b.onlyUsed("a1", "5", 1)
}

// onlyUsed holds the use of a line item of instance A, as readers and as batches see it, now and after a restart, and the
// number of receipts.
func (b *books) onlyUsed(activationID, want string, receipts int) {
	b.Helper()
	for _, when := range []string{"", " after reopening"} {
		if got := b.used(activationID); got != want {
			b.Errorf("%s of %s is used%s, want %s", got, activationID, when, want)
		}
		if got := b.usedInBook("A", activationID); got != want {
			b.Errorf("the next batch sees %s of %s used%s, want %s", got, activationID, when, want)
		}
		if got, _ := b.receipts(); len(got) != receipts {
			b.Errorf("%d receipts%s, want %d", len(got), when, receipts)
		}
		if when == "" {
			b.reopen()
		}
	}
}

func booksNothingOnFailure(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "5", key: "good"})
	err := b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		good := b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "100", key: "bad"})
		bad := b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "1"})
		bad.Items[0].Slices[0].Number += 1000 // no such line item
		return store.Decided{Receipts: []*usage.Receipt{good, bad}}
	})
	b.unavailable(err)
	bad := usage.NewOnceID("A", "bad")
	if b.loaded(store.Want{Once: []usage.OnceID{bad}}).Earlier[bad] != nil {
		b.Error("the idempotency key of a batch that failed is taken")
	}
	b.onlyUsed("a1", "5", 1)
	if b.loaded(store.Want{Once: []usage.OnceID{bad}}).Earlier[bad] != nil {
		b.Error("the idempotency key of a batch that failed is taken after reopening")
	}
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1"})
	b.onlyUsed("a1", "6", 2)
}

func survivesPanicInDecide(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	func() {
		defer func() {
			if recover() == nil {
				b.Error("the panic was swallowed")
			}
		}()
		_ = b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
			b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "100"})
			panic("a fault of ours")
		})
	}()
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1"})
	b.onlyUsed("a1", "1", 1)
}

func takesDenials(b *books) {
	b.instance("A")
	var denied *usage.Receipt
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		denied = b.denial(loaded.Books["A"], "key")
		return store.Decided{Receipts: []*usage.Receipt{denied}}
	}))
	id := usage.NewOnceID("A", "key")
	b.same("the receipt under its idempotency key", b.loaded(store.Want{Once: []usage.OnceID{id}}).Earlier[id], denied)
}

func takesLargeBatches(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", func(l *ledger.LineItem) { l.Quantity = 100_000 })
	total := 0
	for _, size := range []int{1, 2, 255, 256, 257, 1024, 5000} {
		batch := make([]charge, size)
		for i := range batch {
			batch[i] = charge{instance: "A", lineItem: "a1", tokens: "1", key: fmt.Sprintf("%d of %d", i, size)}
		}
		receipts := b.commit(batch...)
		total += size
		last := usage.NewOnceID("A", batch[size-1].key)
		b.same("the last receipt by its idempotency key", b.loaded(store.Want{Once: []usage.OnceID{last}}).Earlier[last], receipts[size-1])
	}
	b.onlyUsed("a1", fmt.Sprint(total), total)
}

func isRightOrRefusesHugeBatches(b *books) {
	b.instance("A")
	var receipts []*usage.Receipt
	err := b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		receipts = make([]*usage.Receipt, 65_538)
		for i := range receipts {
			receipts[i] = b.denial(loaded.Books["A"], fmt.Sprint("key ", i))
		}
		return store.Decided{Receipts: receipts}
	})
	if err != nil {
		b.unavailable(err)
		return
	}
	for _, i := range []int{0, 1, 65_535, 65_536, 65_537} {
		id := usage.NewOnceID("A", receipts[i].Key)
		if got := b.loaded(store.Want{Once: []usage.OnceID{id}}).Earlier[id]; got == nil || got.CorrelationID != receipts[i].CorrelationID {
			b.Errorf("the idempotency key of receipt %d of a batch finds %+v", i, got)
		}
	}
}

func seesLaterLineItems(b *books) {
	b.instance("A")
	if got := b.usedInBook("A", "a1"); got != "no line item" {
		b.Fatalf("got %s", got)
	}
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "3"})
	b.lineItem("A", "a1", func(l *ledger.LineItem) { l.Quantity = 7 })
	l := b.loaded(store.Want{Instances: []string{"A"}}).Books["A"].LineItems[0]
	if l.Quantity != 7 || l.Used.String() != "3" {
		b.Errorf("the next batch sees a quantity of %d and %s used, want 7 and 3", l.Quantity, l.Used)
	}
	b.must(b.Change(ctx, func(tx store.Tx) error {
		l.Deleted = true
		return tx.PutLineItem(l)
	}))
	if l := b.loaded(store.Want{Instances: []string{"A"}}).Books["A"].LineItems; len(l) > 0 && !l[0].Deleted {
		b.Error("the next batch sees a deleted line item as if it were not")
	}
}
