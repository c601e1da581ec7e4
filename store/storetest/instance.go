package storetest

import (
	"fmt"

	"github.com/farebox/farebox/store"
)

var instanceTests = []test{
	{"comes back as it was inserted", instanceComesBack},
	{"lists in the order of numbers, page by page", listsInstances},
	{"finds the default of an account", findsDefaultInstance},
}

func instanceComesBack(b *books) {
	want := b.instance("Ünïque <id>")
	if want.Number == 0 {
		b.Error("InsertInstance did not set Number")
	}
	b.view(func(r store.Reader) error {
		got, err := r.Instance(want.ID)
		b.same("the instance", got, want)
		return err
	})
}

func listsInstances(b *books) {
	var all []store.Instance
	for i := range 7 {
		all = append(all, *b.instance(fmt.Sprint("instance ", 7-i)))
	}
	b.view(func(r store.Reader) error {
		var got []store.Instance
		for after := int64(0); ; {
			page, err := r.Instances(after, 3)
			if err != nil {
				return err
			}
			if len(page) > 3 {
				b.Errorf("a page of 3 has %d", len(page))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			after = page[len(page)-1].Number
		}
		b.same("the list", got, all)
		return nil
	})
	for i := 1; i < len(all); i++ {
		if all[i].Number <= all[i-1].Number {
			b.Errorf("instance %d has number %d, the one before %d", i, all[i].Number, all[i-1].Number)
		}
	}
}

func findsDefaultInstance(b *books) {
	b.must(b.Change(ctx, func(tx store.Tx) error {
		for _, i := range []store.Instance{
			{ID: "1", AccountID: "x", Default: true}, {ID: "2", AccountID: "x"}, {ID: "3", AccountID: "y"},
		} {
			if err := tx.InsertInstance(&i); err != nil {
				return err
			}
		}
		return nil
	}))
	b.view(func(r store.Reader) error {
		for account, want := range map[string]string{"x": "1", "y": "", "z": ""} {
			i, err := r.DefaultInstance(account)
			if err != nil {
				return err
			}
			if got := i; (got == nil) != (want == "") || got != nil && got.ID != want {
				b.Errorf("the default instance of %s is %+v, want %q", account, got, want)
			}
		}
		return nil
	})
}
