package storetest

import (
	"fmt"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var forgetTests = []test{
	{"drops the keys of charges that are too old, and no others", forgetsCharges},
	{"drops the answers that are too old, and no others", forgetsAnswers},
	{"drops the last keys too", forgetsTheLast},
	{"changes nothing but keys", forgetsNothingElse},
	{"lets a dropped key be used again", forgottenKeysAreFree},
	{"does nothing to an empty database", forgetsNothingOfNothing},
}

// taken says which of the keys 0 to n-1 of instance A are in use.
func (b *books) taken(n int) (keys []int) {
	b.Helper()
	for i := range n {
		id := usage.NewOnceID("A", fmt.Sprint(i))
		charged := b.loaded(store.Want{Once: []usage.OnceID{id}}).Earlier[id] != nil
		b.must(b.Change(ctx, func(tx store.Tx) error {
			a, err := tx.Answer(id)
			charged = charged || a != nil
			return err
		}))
		if charged {
			keys = append(keys, i)
		}
	}
	return keys
}

// takenNow holds which keys are in use, through this handle, another one, and after reopening.
func (b *books) takenNow(n int, want []int) {
	b.Helper()
	b.same("the keys in use", b.taken(n), want)
	b.same("the keys in use as another handle sees them", b.other().taken(n), want)
	b.reopen()
	b.same("the keys in use after reopening", b.taken(n), want)
}

func forgetsCharges(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	for i := range 6 {
		b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: fmt.Sprint(i), timeMS: dawnMS + int64(i)*2*dayMS})
	}
	b.must(b.Forget(ctx, dawnMS+6*dayMS, dawnMS+6*dayMS))
	b.takenNow(6, []int{3, 4, 5})
	b.must(b.Forget(ctx, dawnMS+8*dayMS, dawnMS+8*dayMS))
	b.takenNow(6, []int{4, 5})
}

func forgetsAnswers(b *books) {
	b.instance("A")
	for i := range 6 {
		b.must(b.Change(ctx, func(tx store.Tx) error {
			return tx.PutAnswer(usage.NewOnceID("A", fmt.Sprint(i)), &store.Answer{TimeMS: dawnMS + int64(i)*2*dayMS, Fingerprint: []byte("f"), Status: 200})
		}))
	}
	b.must(b.Forget(ctx, dawnMS+6*dayMS, dawnMS+6*dayMS))
	b.takenNow(6, []int{3, 4, 5})
}

func forgetsTheLast(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: "0"})
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: "1", timeMS: dawnMS + 2*dayMS})
	b.must(b.Forget(ctx, dawnMS+30*dayMS, dawnMS+30*dayMS))
	b.takenNow(2, nil)
}

func forgetsNothingElse(b *books) {
	b.must(b.Change(ctx, everything))
	want := b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: "0"})
	b.must(b.Forget(ctx, dawnMS+30*dayMS, dawnMS+30*dayMS))
	got, _ := b.receipts()
	b.same("the record", got, want)
	b.onlyUsed("a1", "1", 1)
	if s := b.Settings(); len(s.Keys) != 1 || price(s, "") != "2" {
		b.Errorf("the settings became %+v", s)
	}
}

func forgottenKeysAreFree(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: "0"})
	b.must(b.Forget(ctx, dawnMS+9*dayMS, dawnMS+9*dayMS))
	again := b.commit(charge{instance: "A", lineItem: "a1", tokens: "2", key: "0", timeMS: dawnMS + 9*dayMS})
	b.same("the receipt under a key that is used anew", b.earlier("0"), again[0])
	b.reopen()
	b.same("the receipt under a key that is used anew, after reopening", b.earlier("0"), again[0])
	b.must(b.Forget(ctx, dawnMS+8*dayMS, dawnMS+8*dayMS))
	b.same("the receipt under a key that is not too old", b.earlier("0"), again[0])
}

func forgetsNothingOfNothing(b *books) {
	b.must(b.Forget(ctx, dawnMS, dawnMS))
	b.must(b.Forget(ctx, 0, 0))
}
