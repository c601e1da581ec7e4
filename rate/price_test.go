package rate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

func TestNewVariables(t *testing.T) {
	many := func(n int) map[string]token.Amount {
		values := map[string]token.Amount{}
		for i := range n {
			values[fmt.Sprint("v", i)] = token.FromInt(int64(i))
		}
		return values
	}
	one := token.FromInt(1)
	for _, row := range []struct {
		values map[string]token.Amount
		want   string
	}{
		{many(VariablesMost), ""},
		{many(VariablesMost + 1), "has 65 variables, at most 64 are allowed"},
		{map[string]token.Amount{"Price": one, "price": one}, "price: is there twice, since upper and lower case are the same; leave one out"},
		{map[string]token.Amount{"": one}, `"": a variable's name is required, with at most 256 bytes`},
		{map[string]token.Amount{strings.Repeat("x", 257): one}, `"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": a variable's name is longer than 256 bytes`},
		{map[string]token.Amount{"a\n": one}, `"a\n": a variable's name "a\n" has a control character; remove it`},
		{map[string]token.Amount{"not a name of formulas": one}, ""},
	} {
		v, err := NewVariables(row.values)
		switch {
		case row.want == "" && (err != nil || len(v) != len(row.values)):
			t.Errorf("%d variables: %v, %v", len(row.values), v, err)
		case row.want != "" && (err == nil || err.Error() != row.want || problem.KindOf(err) != problem.Invalid):
			t.Errorf("got %v, want %s", err, row.want)
		}
	}
	if v, err := NewVariables(nil); v != nil || err != nil {
		t.Errorf("no variables are %v, %v", v, err)
	}
}

func TestPrice(t *testing.T) {
	variables, err := NewVariables(map[string]token.Amount{"PRICE": token.MustParse("2.5"), "Quantity": token.FromInt(3)})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][2]string{
		{"5", "5"}, {"=Price*QUANTITY", "7.5"}, {"=price-quantity", "-0.5"}, {"=price*Discount", `variable "Discount" is missing`},
		{"=1/(quantity-3)", "division by 0, at character 2"},
	} {
		item := priced("a " + row[0]).Items[0]
		price, err := item.Price(variables)
		got := price.String()
		if err != nil {
			got = err.Error()
		}
		if got != row[1] {
			t.Errorf("%s is %s, want %s", row[0], got, row[1])
		}
	}
}

// Finding a price and making it by a formula, as each charge does, leaves nothing to the garbage collector.
func TestPriceIsNotAllocated(t *testing.T) {
	table := priced("plain 5", "fit =MIN(price*quantity,100)+0.5")
	NewCatalog([]*Table{table})
	v, err := NewVariables(map[string]token.Amount{"Price": token.MustParse("0.25"), "quantity": token.FromInt(12)})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain", "fit"} {
		if allocations := testing.AllocsPerRun(100, func() { _, _ = table.Item(name, "").Price(v) }); allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}
