package postgres

import (
	"fmt"
	"testing"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/usage"
)

// heldIn charges, and returns how many holds the batch found live, and how many tokens they keep.
func heldIn(t *testing.T, s store.Store) (found string) {
	t.Helper()
	err := s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		book := loaded.Books["A"]
		found = fmt.Sprint(book.LiveHolds(), " keep ", book.LineItems[0].Held)
		return store.Decided{Receipts: []*usage.Receipt{{CorrelationID: "x", TimeMS: 1, InstanceID: "A"}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// hold makes holds of 1 token each, which the server remembers if there are enough.
func hold(t testing.TB, s store.Store, first, n int) {
	t.Helper()
	var holds []*access.Hold
	for i := range n {
		holds = append(holds, heldFor(fmt.Sprint("hold ", first+i), 1, 1<<41))
	}
	if err := moved(s, access.MakeHold, holds...); err != nil {
		t.Fatal(err)
	}
}

// What is held is remembered, and trusted only as long as the commit is there as of which it is: where another history took its place, numbers of moves may
// have been given for other moves.
func TestHoldsOfAnotherHistory(t *testing.T) {
	s := open(t, cluster.Shared(t).URL(t), Options{})
	defer s.Close()
	world(t, s)
	hold(t, s, 0, heldLeast)
	want := fmt.Sprint(heldLeast, " keep ", heldLeast)
	expect(t, "held", heldIn(t, s), want)
	lose := func(id string) { // as if the hold was never made
		t.Helper()
		if _, err := s.writes.Exec(ctx, "DELETE FROM hold WHERE id = $1", id); err != nil {
			t.Fatal(err)
		}
	}
	lose("hold 0")
	expect(t, "held when nobody has told of it", heldIn(t, s), want)
	lose("hold 1")
	if _, err := s.writes.Exec(ctx, "DELETE FROM journal WHERE number = (SELECT max(number) FROM journal)"); err != nil {
		t.Fatal(err)
	}
	expect(t, "held in another history", heldIn(t, s), fmt.Sprint(heldLeast-2, " keep ", heldLeast-2))
}

// A server that has not looked for long reads what is held anew.
func TestManyMovesOfOthers(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	s, other := open(t, url, Options{}), open(t, url, Options{})
	defer s.Close()
	defer other.Close()
	world(t, s)
	made := 0
	for _, n := range []int{heldLeast, laterMost - 1, laterMost, laterMost + 1, 1} {
		hold(t, s, made, n)
		made += n
		expect(t, fmt.Sprint("held after another's ", n), heldIn(t, other), fmt.Sprint(made, " keep ", made))
	}
}

func bookOf(id string, holds int) *ledger.Book {
	book := &ledger.Book{InstanceID: id}
	for i := range holds {
		book.Keep(&ledger.Hold{ID: fmt.Sprint(i), UntilMS: 1})
	}
	return book
}

// What is remembered in all is bounded.
func TestHeldIsBounded(t *testing.T) {
	var m heldBooks
	remembered := func(id string, n int) *heldBook {
		k := &heldBook{book: bookOf(id, n)}
		m.put(k)
		return k
	}
	for i := range 30 {
		remembered(fmt.Sprint(i), heldMost/20)
		remembered("always the same", heldMost/20)
	}
	if m.holds > heldMost || m.holds < heldMost/2 || len(m.books) != m.holds/(heldMost/20) {
		t.Errorf("%d holds of %d books are remembered", m.holds, len(m.books))
	}
	for id := range m.books {
		if m.take([]string{id, "none"}, 0)[id] == nil {
			t.Errorf("%s was not there", id)
		}
	}
	if m.holds != 0 || len(m.books) != 0 {
		t.Errorf("%d holds of %d books are left", m.holds, len(m.books))
	}
}
