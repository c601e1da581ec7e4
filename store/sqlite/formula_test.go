package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

// Formulas are kept as they were written, and rates beside them as ever.
func TestFormulasComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "formulas.db")
	s := open(t, path, Options{Create: true})
	const written = "MAX( price,\n\tQuantity ) * 1.50"
	f, err := formula.Parse(written)
	if err != nil {
		t.Fatal(err)
	}
	table := &rate.Table{Version: "1", Items: []rate.Item{{Name: "rated", Rate: token.FromInt(5)}, {Name: "free"}, {Name: "made", Version: "2", Formula: f}}}
	if err := s.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(table) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, Options{Read: true})
	defer s.Close()
	back := s.Settings().Rates.Find("", "1")
	if back == nil || len(back.Items) != 3 {
		t.Fatalf("got %+v", back)
	}
	for i, want := range []string{"5", "0"} {
		if item := back.Items[i]; item.Formula != nil || item.Rate.String() != want {
			t.Errorf("%s costs %s, formula %v", item.Name, item.Rate, item.Formula)
		}
	}
	made := back.Item("made", "2")
	if made == nil || made.Formula == nil || made.Formula.String() != written {
		t.Fatalf("got %+v", made)
	}
	price, err := made.Price(rate.Variables{"price": token.FromInt(1), "quantity": token.FromInt(3)})
	if err != nil || price.String() != "4.5" {
		t.Errorf("it costs %s, %v", price, err)
	}
}

// A formula that cannot be read is damage, which is told.
func TestBrokenFormulaIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "broken.db")
	s := open(t, path, Options{Create: true})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, `INSERT INTO rate_table (series, version, effective_from_ms, created_ms, items) VALUES ('', '1', 0, 0, CAST('[{"name":"a","formula":"1+"}]' AS BLOB))`)
	if back, err := Open(path, Options{Read: true}); err == nil {
		t.Errorf("it was opened: %v", back.Close())
	}
}
