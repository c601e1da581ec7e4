package rate

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// priced makes a table of lines such as "view 1.5", "render@1.2 5", "fit =price*quantity", "cad 8 window=P1D" and
// "tool 2 freeSeconds=300".
func priced(lines ...string) *Table {
	t := &Table{Version: "1"}
	for _, l := range lines {
		words := strings.Fields(l)
		name, version, _ := strings.Cut(words[0], "@")
		item := Item{Name: name, Version: version}
		var err error
		if text, is := strings.CutPrefix(words[1], "="); is {
			if item.Formula, err = formula.Parse(text); err != nil {
				panic(err)
			}
		} else {
			item.Rate = token.MustParse(words[1])
		}
		for _, word := range words[2:] {
			switch name, value, _ := strings.Cut(word, "="); name {
			case "window":
				item.Window, err = window(value)
			case "freeSeconds":
				item.FreeSeconds, err = seconds(value)
			case "cost":
				item.Cost, err = cost(value)
			default:
				panic(word)
			}
			if err != nil {
				panic(err)
			}
		}
		t.Items = append(t.Items, item)
	}
	return t
}

func TestDiff(t *testing.T) {
	older := priced("view 1", "store 3", "render@1.2 5", "same 1.50", "render@1.3 5", "zero 0")
	newer := priced("same 1.5", "image/upscale 2", "view 1.5", "store 2", "render@1.3 0.000003", "zero 1")
	const want = `+ image/upscale  2
- render (1.2)   5
^ view           1 -> 1.5       +50.0%
^ zero           0 -> 1
v render (1.3)   5 -> 0.000003  -100.0%
v store          3 -> 2         -33.3%
1 added, 1 removed, 2 dearer, 2 cheaper, 1 unchanged
`
	d := Compare(older, newer)
	if got := d.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if d.Same() || !Compare(older, older).Same() {
		t.Error("Same is wrong")
	}
}

// Terms are what people agreed to, as rates are: each change of them is shown, whatever the rate does.
func TestDiffOfTerms(t *testing.T) {
	older := priced("kept 8 window=P1D", "gone 8 window=P1D", "lost 8 window=P1D", "got 8", "other 2 freeSeconds=300", "longer@2 8 window=P1D",
		"plain 1", "dearer 2 freeSeconds=60", "cheaper 2", "same 2 freeSeconds=60")
	newer := priced("kept 8 window=PT24H", "added 8 window=P7D", "lost 8", "got 8 window=P1D", "other 2 window=PT1H30M", "longer@2 8 window=P2D",
		"plain 1", "dearer 3 freeSeconds=90", "cheaper 1 freeSeconds=90", "same 2 freeSeconds=60")
	const want = `+ added       8       window P7D
- gone        8       window P1D
^ dearer      2 -> 3  +50.0%
v cheaper     2 -> 1  -50.0%
~ cheaper     1       freeSeconds none -> 90
~ dearer      3       freeSeconds 60 -> 90
~ got         8       window none -> P1D
~ longer (2)  8       window P1D -> P2D
~ lost        8       window P1D -> none
~ other       2       freeSeconds 300 -> none, window none -> PT1H30M
1 added, 1 removed, 1 dearer, 1 cheaper, 3 unchanged, 6 with other terms
`
	d := Compare(older, newer)
	if got := d.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if Compare(priced("lost 8 window=P1D"), priced("lost 8")).Same() || !Compare(older, older).Same() {
		t.Error("Same is wrong")
	}
	var b bytes.Buffer
	if err := d.Print(&b, 1); err != nil || !strings.Contains(b.String(), "~ cheaper") || !strings.Contains(b.String(), "~ … and 5 more\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// Whether another formula is dearer depends on the variables: it is shown, and nothing is said about it.
func TestDiffOfFormulas(t *testing.T) {
	older := priced("gone =a*b", "same =price*quantity", "other =price*quantity", "became 5", "was =a", "zero 0", "both =a window=P1D", "terms =a")
	newer := priced("added =a/b window=P1D", "same =price*quantity", "other =price*quantity*2", "became =price", "was 5", "zero =0",
		"both =b", "terms =a freeSeconds=60")
	const want = `+ added   = a/b                                   window P1D
- gone    = a*b
~ became  5 -> = price
~ both    = a -> = b                              window P1D -> none
~ other   = price*quantity -> = price*quantity*2
~ terms   = a                                     freeSeconds none -> 60
~ was     = a -> 5
~ zero    0 -> = 0
1 added, 1 removed, 0 dearer, 0 cheaper, 1 unchanged, 6 with another formula or other terms
`
	d := Compare(older, newer)
	if got := d.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if Compare(priced("a =x"), priced("a =y")).Same() || !Compare(older, older).Same() {
		t.Error("Same is wrong")
	}
}

// What an item costs the producer is shown as terms are, though no customer sees it: 0 is a cost, and none is not.
func TestDiffOfCosts(t *testing.T) {
	older := priced("same 8 cost=0.40", "told 8", "gone 8 cost=0.4", "other 8 cost=0.4", "zero 8", "dearer 8 cost=0.4", "formula =a cost=1")
	newer := priced("same 8 cost=0.4", "told 8 cost=0.4", "gone 8", "other 8 cost=0.3 window=P1D", "zero 8 cost=0", "dearer 9 cost=0.5", "formula =b cost=1",
		"added 1 cost=0.2")
	const want = `+ added    1           cost 0.2
^ dearer   8 -> 9      +12.5%
~ dearer   9           cost 0.4 -> 0.5
~ formula  = a -> = b
~ gone     8           cost 0.4 -> none
~ other    8           window none -> P1D, cost 0.4 -> 0.3
~ told     8           cost none -> 0.4
~ zero     8           cost none -> 0
1 added, 0 removed, 1 dearer, 0 cheaper, 1 unchanged, 6 with another formula or other terms or costs
`
	if got := Compare(older, newer).String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := Compare(priced("a 1"), priced("a 1 cost=0")).String(), "0 unchanged, 1 with other terms or costs\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A formula may be written on several lines; what else it has cannot move a cursor.
func TestFormulaText(t *testing.T) {
	item := priced("a =b").Items[0]
	var err error
	if item.Formula, err = formula.Parse("MIN( a,\r\n\tb )  * 2"); err != nil {
		t.Fatal(err)
	}
	if got, want := item.FormulaText(), "MIN( a, b ) * 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	other := item
	if other.Formula, err = formula.Parse("MIN( a, b ) * 2"); err != nil {
		t.Fatal(err)
	}
	if (Change{item, other}).otherFormula() {
		t.Error("space makes a difference")
	}
}

func TestDiffWithoutAnOlderTable(t *testing.T) {
	if got, want := Compare(nil, priced("b 1", "a@2 1", "a 1")).String(), "+ a      1\n+ a (2)  1\n+ b      1\n3 added, 0 removed, 0 dearer, 0 cheaper, 0 unchanged\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestDiffIsShortened(t *testing.T) {
	var older, newer []string
	for i := range 9 {
		older = append(older, fmt.Sprintf("gone/%d 1", i), fmt.Sprintf("up/%d 1", i))
		newer = append(newer, fmt.Sprintf("up/%d 2", i))
	}
	newer = append(newer, "a 1", "b 1")
	d := Compare(priced(older...), priced(newer...))
	for most, want := range map[int]string{
		2: `+ a             1
+ b             1
- gone/0        1
- gone/1        1
- … and 7 more
^ up/0          1 -> 2  +100.0%
^ up/1          1 -> 2  +100.0%
^ … and 7 more
2 added, 9 removed, 9 dearer, 0 cheaper, 0 unchanged
`,
		0: "+ … and 2 more\n- … and 9 more\n^ … and 9 more\n2 added, 9 removed, 9 dearer, 0 cheaper, 0 unchanged\n",
	} {
		var b bytes.Buffer
		if err := d.Print(&b, most); err != nil || b.String() != want {
			t.Errorf("%d at most: got %v\n%swant\n%s", most, err, b.String(), want)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestDiffSaysThatItWasNotWritten(t *testing.T) {
	if err := Compare(nil, priced("a 1")).Print(full{}, 1); err == nil {
		t.Error("no error")
	}
}

// A name may hold what would move the cursor of a terminal, or be longer than its line.
func TestDiffIsSafeToPrint(t *testing.T) {
	table := priced("a 1")
	table.Items[0].Name = "\x1b[2Jx"
	if got := Compare(nil, table).String(); !strings.HasPrefix(got, `+ "\x1b[2Jx"  1`) {
		t.Errorf("got %q", got)
	}
	long := strings.Repeat("é", problem.NameBytes/2)
	got := Compare(nil, priced(long+" 1", "a 1")).String()
	if want := "+ a" + strings.Repeat(" ", columnMost+1) + "1\n+ " + long + "  1\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestPercentIsExact(t *testing.T) {
	for _, row := range [][3]string{
		{"1", "1.5", "+50.0%"}, {"3", "2", "-33.3%"}, {"3", "5", "+66.7%"}, {"5", "0", "-100.0%"}, {"0", "5", ""},
		{"0.000003", "0.00000375", "+25.0%"}, {"1000000000000", "1000000000000.000000000001", "+0.0%"}, {"1000000000000.000000000001", "1000000000000", "-0.0%"},
		{"2000", "2001", "+0.1%"}, {"2000", "1999", "-0.1%"}, // 0.05 exactly
		{"0.000000000001", "9999999999999999999", "+999999999999999999899999999999900.0%"},
	} {
		c := Change{Item{Rate: token.MustParse(row[0])}, Item{Rate: token.MustParse(row[1])}}
		if got := c.Percent(); got != row[2] {
			t.Errorf("%s -> %s: %s, want %s", row[0], row[1], got, row[2])
		}
	}
}
