package rate

import (
	"strings"
	"testing"
)

// dated makes a table of a series; its version says which one it is.
func dated(series, version string, effectiveFromMS, serial int64, lines ...string) *Table {
	t := priced(lines...)
	t.Series, t.Version, t.EffectiveFromMS, t.Serial = series, version, effectiveFromMS, serial
	return t
}

// The tables of most tests, in no order: "new" has no store anymore, and "twin" was created after "new".
func tables() []*Table {
	return []*Table{
		dated("", "future", 300, 1, "view 9"),
		dated("", "twin", 200, 5, "view 3"),
		dated("", "old", 100, 9, "view 1", "store 1"),
		dated("", "new", 200, 4, "view 2"),
		dated("europe", "old", 150, 3, "store 7"),
	}
}

// D8: the latest effective date that is not after now, and of equal dates the later created; versions and the order of
// creation play no other part.
func TestEffective(t *testing.T) {
	c := NewCatalog(tables())
	for _, row := range []struct {
		series string
		nowMS  int64
		want   string
	}{
		{"", 99, "none"}, {"", 100, "old"}, {"", 199, "old"}, {"", 200, "twin"}, {"", 299, "twin"}, {"", 300, "future"}, {"", 1 << 60, "future"},
		{"europe", 149, "none"}, {"europe", 150, "old"}, {"Europe", 1 << 60, "none"},
	} {
		got := "none"
		if table := c.Effective(row.series, row.nowMS); table != nil {
			if got = table.Version; table.Series != row.series {
				t.Errorf("a table of series %q for %q", table.Series, row.series)
			}
		}
		if got != row.want {
			t.Errorf("series %q at %d: %s, want %s", row.series, row.nowMS, got, row.want)
		}
	}
}

// D8: an item that the newest table lacks is not found, even if an older table has it.
func TestNewestTableAlonePrices(t *testing.T) {
	c := NewCatalog(tables())
	for _, row := range []struct {
		nowMS int64
		want  string
	}{{150, "1"}, {200, "none"}} {
		got := "none"
		if item := c.Effective("", row.nowMS).Item("store", ""); item != nil {
			got = item.Rate.String()
		}
		if got != row.want {
			t.Errorf("store costs %s at %d, want %s", got, row.nowMS, row.want)
		}
	}
}

func TestPrices(t *testing.T) {
	c := NewCatalog(tables())
	for _, row := range []struct {
		name, version string
		nowMS         int64
		want          bool
	}{
		{"view", "", 99, false}, {"view", "", 100, true}, {"view", "1", 100, false},
		{"store", "", 120, true},  // by the old table without a series
		{"store", "", 1000, true}, // by Europe alone
		{"ship", "", 1000, false},
	} {
		if got := c.Prices(row.name, row.version, row.nowMS); got != row.want {
			t.Errorf("%s version %q at %d: %v", row.name, row.version, row.nowMS, got)
		}
	}
	if NewCatalog(nil).Prices("view", "", 1000) {
		t.Error("an empty catalog prices something")
	}
}

func TestFind(t *testing.T) {
	c := NewCatalog(tables())
	if table := c.Find("europe", "old"); table == nil || table.EffectiveFromMS != 150 {
		t.Errorf("got %v", table)
	}
	if c.Find("", "future") == nil {
		t.Error("a table that is not effective yet is not found")
	}
	for _, row := range [][2]string{{"europe", "new"}, {"asia", "old"}, {"", "Old"}} {
		if c.Find(row[0], row[1]) != nil {
			t.Errorf("%q is found", row)
		}
	}
}

func TestTables(t *testing.T) {
	var got []string
	for _, table := range NewCatalog(tables()).Tables() {
		got = append(got, table.Series+"/"+table.Version)
	}
	if want := "/future /twin /new /old europe/old"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if none := NewCatalog(nil).Tables(); none == nil || len(none) != 0 {
		t.Errorf("an empty catalog has %v", none)
	}
}

// Tables are kept from catalog to catalog; a later one must not disturb who uses an earlier one.
func TestCatalogsShareTables(t *testing.T) {
	all := tables()
	first := NewCatalog(all)
	done := make(chan bool)
	go func() {
		NewCatalog(append(all, dated("", "next", 400, 10, "view 4")))
		close(done)
	}()
	if item := first.Effective("", 250).Item("view", ""); item == nil || item.Rate.String() != "3" {
		t.Errorf("view costs %v", item)
	}
	<-done
}

// A table that is not effective, or not anymore, counts too: what it covered once may still be covered.
func TestHasWindows(t *testing.T) {
	all := tables()
	if NewCatalog(nil).HasWindows() || NewCatalog(all).HasWindows() {
		t.Error("there is no window")
	}
	for i := range all {
		with := tables()
		with[i].Items[len(with[i].Items)-1].Window = WindowLeast
		if !NewCatalog(with).HasWindows() {
			t.Errorf("the window of %s is not seen", with[i].Version)
		}
	}
}
