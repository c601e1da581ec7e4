package postgres

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// A batch of what is due alone waits for no lock when it is tried again, since it passes over what is claimed: it is made once all the same.
func TestLostCommitsOfWhatIsDue(t *testing.T) {
	c := cluster.Shared(t)
	p := newProxy(t, c)
	u, err := url.Parse(c.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.RawQuery = p.Addr().String(), "sslmode=disable"
	s := open(t, u.String(), Options{})
	defer s.Close()
	world(t, s)
	err = s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(*store.Loaded) store.Decided {
		session := access.NewSession("s", "A", 1)
		session.State, session.UntilMS = access.Active, 1
		return store.Decided{Sessions: []*access.Session{session}}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for i := int64(1); i <= 9; i++ {
		id, one := fmt.Sprint("due ", i), token.FromInt(1)
		want[id] = true
		switch i % 3 {
		case 1:
			p.lose.Store(true)
		case 2:
			p.deaf.Store(true)
		}
		err := s.Commit(ctx, store.Want{Due: &store.Due{ByMS: i, Most: 9}}, func(loaded *store.Loaded) (d store.Decided) {
			for _, session := range loaded.Due {
				session.UntilMS = i + 1
				l := loaded.Books["A"].LineItems[0]
				l.Used = l.Used.Add(one)
				d.Sessions = append(d.Sessions, session)
				d.Receipts = append(d.Receipts, &usage.Receipt{
					CorrelationID: id, TimeMS: i, InstanceID: "A", AccountID: "a", Requester: access.Requester{Type: "t", Value: "v"},
					Items: []usage.Item{{Item: "i", Count: one, Tokens: one, Status: ledger.Granted, Slices: []usage.Slice{{
						ActivationID: "a1", Number: l.Number, Tokens: one, Rate: one, Used: l.Used, Quantity: l.Quantity}}}},
				})
			}
			return d
		})
		if err != nil {
			t.Fatal(err)
		}
		onlyCharged(t, s, want)
	}
	if p.lost.Load() != 6 {
		t.Errorf("%d commits were cut, want 6: this test has lost what it is for", p.lost.Load())
	}
}
