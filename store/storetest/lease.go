package storetest

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

var leaseTests = []test{
	{"is a hold that comes back as it was, with what was reported", leaseComesBack},
	{"is listed with leases, and not with other holds", listsLeases},
	{"is forgotten when it was over for longer than other holds, and not before", forgetsLeases},
	{"has the keys that were inserted, the oldest first", leaseKeysComeBack},
}

// newLease returns a lease of 7.5 tokens.
func newLease(id string, payer *ledger.LineItem) *access.Hold {
	h := newHold(id, payer)
	h.Items, h.Shares = []access.Promised{}, h.Shares[:1]
	h.Lease = &access.Lease{
		Client: "laptop \" é", Tokens: amount("7.5"), KeyID: "key",
		Items: []access.LeasedItem{
			{Item: "item", Version: "2", Price: amount("0.000000000001"), Variables: rate.Variables{"tokens": amount("0.5")}, MetaData: jsontext.Value(`{"b":"\u0000"}`)},
			{Item: "nothing", Price: amount("0")},
		},
	}
	h.Reported = []token.Amount{amount("0"), amount("9999999999999999999.999999999999")}
	return h
}

func leaseComesBack(b *books) {
	b.instance("A")
	h := newLease("lease", b.lineItem("A", "a1", nil))
	b.moveHolds(access.MakeLease, h)
	for range 2 {
		b.same("the lease", b.hold("lease"), h)
		loaded := b.loaded(store.Want{Instances: []string{"A"}, Holds: []string{"lease"}, NowMS: dawnMS})
		b.same("the lease that a batch loads", loaded.Holds["lease"], h)
		b.same("what is held", b.held(dawnMS, "A"), "a1 5")
		b.reopen()
	}
	h.Reported = []token.Amount{amount("1.5"), h.Reported[1]}
	h.Settled, h.UntilMS = amount("1"), dawnMS
	b.moveHolds(access.ReportLease, h)
	b.same("the lease once it was reported", b.hold("lease"), h)
	b.same("what is held once it is over", b.held(dawnMS, "A"), "a1 0")
}

func listsLeases(b *books) {
	b.instance("A")
	payer := b.lineItem("A", "a1", nil)
	lease, over, hold := newLease("lease", payer), newLease("over", payer), newHold("hold", payer)
	over.UntilMS = dawnMS
	b.moveHolds(access.MakeLease, lease, over)
	b.moveHolds(access.MakeHold, hold)
	b.view(func(r store.Reader) error {
		for leases, want := range map[bool]*access.Hold{true: lease, false: hold} {
			got, err := r.LiveHolds("A", leases, dawnMS, 0, 10)
			if err != nil {
				return err
			}
			b.same("what is listed", got, []*access.Hold{want})
		}
		return nil
	})
}

func forgetsLeases(b *books) {
	b.worked()
	payer := b.find("a1")
	then := int64(dawnMS + 30*dayMS)
	longer := store.LeaseLonger.Milliseconds()
	before, at := newLease("before", payer), newLease("then", payer)
	before.UntilMS, at.UntilMS = then-1, then
	b.moveHolds(access.MakeLease, before, at)
	b.must(b.Forget(ctx, then+longer-1, dawnMS))
	b.same("the leases before", b.holds(), []*access.Hold{before, at})
	b.must(b.Forget(ctx, then+longer, dawnMS))
	b.same("the leases then", b.holds(), []*access.Hold{at})
}

func leaseKeysComeBack(b *books) {
	keys := []store.LeaseKey{{ID: "b", CreatedMS: dawnMS, PrivatePEM: "secret\n\""}, {ID: "a", CreatedMS: dawnMS + 1, PrivatePEM: "another"}}
	b.view(func(r store.Reader) error {
		none, err := r.LeaseKeys()
		b.same("the keys of empty books", len(none), 0)
		return err
	})
	b.must(b.Change(ctx, func(tx store.Tx) error {
		for _, i := range []int{1, 0} {
			if err := tx.InsertLeaseKey(keys[i]); err != nil {
				return err
			}
		}
		return nil
	}))
	b.view(func(r store.Reader) error {
		got, err := r.LeaseKeys()
		b.same("the keys", got, keys)
		return err
	})
}
