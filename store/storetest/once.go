package storetest

import (
	"errors"
	"fmt"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var onceTests = []test{
	{"of a charge finds its receipt, in a batch and in a change", findsReceipts},
	{"finds only what was asked for", findsOnlyWanted},
	{"of two instances never meet", keysOfInstancesAreApart},
	{"of two sessions never meet, nor one of a session and one of its instance", keysOfSessionsAreApart},
	{"of an answer finds it as it was put", findsAnswers},
	{"of answers put in one change are all kept", keepsAllAnswers},
	{"of an answer is known to a batch", answersAreKnownToBatches},
	{"finds its receipt among many", findsAmongMany},
}

// earlier returns the receipt under a key of instance A as a batch finds it, after seeing that a change finds the same.
func (b *books) earlier(key string) *usage.Receipt {
	b.Helper()
	id := usage.NewOnceID("A", key)
	batch := b.loaded(store.Want{Instances: []string{"A"}, Once: []usage.OnceID{id}}).Earlier[id]
	b.must(b.Change(ctx, func(tx store.Tx) error {
		change, err := tx.Earlier(id)
		b.same("the receipt under a key, in a change as in a batch,", change, batch)
		return err
	}))
	return batch
}

func findsReceipts(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	want := b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: "one"}, charge{instance: "A", lineItem: "a1", tokens: "1"},
		charge{instance: "A", lineItem: "a1", tokens: "2", key: "two"})
	o := b.other()
	for _, handle := range []string{"this handle", "another handle", "this handle after reopening"} {
		who := b
		if handle == "another handle" {
			who = o
		}
		b.same("one, through "+handle, who.earlier("one"), want[0])
		b.same("two, through "+handle, who.earlier("two"), want[2])
		if handle == "another handle" {
			b.reopen()
		}
	}
}

func findsOnlyWanted(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: "one"}, charge{instance: "A", lineItem: "a1", tokens: "1", key: "two"})
	one, none := usage.NewOnceID("A", "one"), usage.NewOnceID("A", "none")
	found := b.loaded(store.Want{Once: []usage.OnceID{one, none, one}}).Earlier
	if len(found) != 1 || found[one] == nil {
		b.Errorf("found %v, want the receipt of one key", found)
	}
	if found := b.loaded(store.Want{Instances: []string{"A"}}).Earlier; len(found) != 0 {
		b.Errorf("found %v where nothing was asked for", found)
	}
}

func keysOfInstancesAreApart(b *books) {
	b.instance("A")
	b.instance("B")
	b.lineItem("B", "b1", nil)
	b.commit(charge{instance: "B", lineItem: "b1", tokens: "1", key: "key"})
	if got := b.earlier("key"); got != nil {
		b.Errorf("a key that instance B used is taken in A by %+v", got)
	}
}

func keysOfSessionsAreApart(b *books) {
	b.instance("A")
	of := map[string]*usage.Session{
		"A": nil, "s1": {ID: "s1", Operation: access.AccessRequest}, "s2": {ID: "s2", Operation: access.Close}, "s3": {ID: "s3", Operation: access.AutomaticCharge},
	}
	book := func(scope string) (r *usage.Receipt) {
		b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
			r = b.denial(loaded.Books["A"], "key")
			r.Session = of[scope]
			return store.Decided{Receipts: []*usage.Receipt{r}}
		}))
		return r
	}
	want := map[usage.OnceID]*usage.Receipt{}
	for _, scope := range []string{"s2", "A", "s1"} {
		r := book(scope)
		want[usage.NewOnceID(scope, "key")] = r
	}
	all := store.Want{Once: []usage.OnceID{
		usage.NewOnceID("A", "key"), usage.NewOnceID("s1", "key"), usage.NewOnceID("s2", "key"), usage.NewOnceID("s3", "key"), usage.NewOnceID("", "key"),
	}}
	for _, when := range []string{"", " after reopening"} {
		b.same("what one key finds in the scopes where it was used"+when, b.loaded(all).Earlier, want)
		b.same("the same through another handle"+when, b.other().loaded(all).Earlier, want)
		b.reopen()
	}
	of["A"] = &usage.Session{ID: "s3", Operation: access.Create} // what creates a session addresses its instance
	created := book("A")
	b.same("the receipt of a creation under its key", b.loaded(all).Earlier[usage.NewOnceID("A", "key")], created)
	if got := b.loaded(all).Earlier[usage.NewOnceID("s3", "key")]; got != nil {
		b.Errorf("the key of a session's creation is taken in the session by %+v", got)
	}
}

func findsAnswers(b *books) {
	answers := map[usage.OnceID]*store.Answer{
		usage.NewOnceID("A", "whole"): {TimeMS: dawnMS, Fingerprint: []byte{0, 255}, Status: 201, Body: []byte("{\"x\":\"\\u0000\"}\n")},
		usage.NewOnceID("", "bare"):   {TimeMS: dawnMS + 1, Fingerprint: []byte("f"), Status: 204, Body: []byte{}},
	}
	for id, a := range answers {
		b.must(b.Change(ctx, func(tx store.Tx) error { return tx.PutAnswer(id, a) }))
	}
	find := func(who *books, how string) {
		b.must(who.Change(ctx, func(tx store.Tx) error {
			for id, want := range answers {
				got, err := tx.Answer(id)
				if err != nil {
					return err
				}
				if got != nil && got.Body == nil {
					got.Body = []byte{}
				}
				b.same("the answer "+how, got, want)
				b.must(who.View(ctx, func(r store.Reader) error {
					read, err := r.Answer(id)
					if read != nil && read.Body == nil {
						read.Body = []byte{}
					}
					b.same("the answer, read "+how, read, want)
					return err
				}))
				if charged, err := tx.Earlier(id); charged != nil || err != nil {
					b.Errorf("the key of an answer finds the receipt %+v, %v", charged, err)
				}
			}
			return nil
		}))
	}
	find(b, "through this handle")
	find(b.other(), "through another handle")
	b.reopen()
	find(b, "after reopening")
}

func keepsAllAnswers(b *books) {
	b.instance("A")
	b.must(b.Change(ctx, func(tx store.Tx) error {
		var errs []error
		for i := range 5 {
			errs = append(errs, tx.PutAnswer(usage.NewOnceID("A", fmt.Sprint(i)), &store.Answer{TimeMS: dawnMS, Fingerprint: []byte("f"), Status: 200}))
		}
		return errors.Join(errs...)
	}))
	b.answersTaken(5, "")
	b.reopen()
	b.answersTaken(5, " after reopening")
}

// answersTaken sees that a batch cannot use the keys 0, 1 ... of instance A, which changes have used.
func (b *books) answersTaken(n int, when string) {
	b.Helper()
	for i := range n {
		id := usage.NewOnceID("A", fmt.Sprint(i))
		got := b.loaded(store.Want{Once: []usage.OnceID{id}}).Earlier[id]
		if got == nil {
			b.Errorf("a batch does not know%s that key %d of %d was used by a change", when, i, n)
		} else if len(got.Fingerprint) > 0 || got.CorrelationID != "" {
			b.Errorf("a batch takes key %d, which a change has used, for that of %+v", i, got)
		}
	}
}

func answersAreKnownToBatches(b *books) {
	b.instance("A")
	o := b.other()
	b.must(b.Change(ctx, func(tx store.Tx) error {
		return tx.PutAnswer(usage.NewOnceID("A", "0"), &store.Answer{TimeMS: dawnMS, Fingerprint: []byte("f"), Status: 200})
	}))
	b.answersTaken(1, "")
	o.answersTaken(1, " through another handle")
}

func findsAmongMany(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", func(l *ledger.LineItem) { l.Quantity = 1 << 40 })
	var all []*usage.Receipt
	for i := range 20 {
		batch := make([]charge, 100)
		for j := range batch {
			batch[j] = charge{instance: "A", lineItem: "a1", tokens: "1", key: fmt.Sprintf("%d/%d", i, j), timeMS: dawnMS + int64(i)*dayMS/3}
		}
		all = append(all, b.commit(batch...)...)
	}
	for _, when := range []string{"", " after reopening"} {
		want := store.Want{}
		for _, r := range all {
			want.Once = append(want.Once, usage.NewOnceID("A", r.Key))
		}
		found := b.loaded(want).Earlier
		for i, r := range all {
			if got := found[want.Once[i]]; got == nil || got.CorrelationID != r.CorrelationID {
				b.Fatalf("key %s finds %+v%s, want %s", r.Key, got, when, r.CorrelationID)
			}
		}
		b.reopen()
	}
}
