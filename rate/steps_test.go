package rate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// jobs are irregular steps, as license servers count parallel jobs.
const jobs = "name,up-to,tokens\nsolve,8,21\nsolve,16,40\nsolve,32,55\nsolve,64,70\n"

func TestImportSteps(t *testing.T) {
	for _, row := range []struct {
		content   string
		lastHolds bool
		want      string
	}{
		{jobs, false, "solve||= 21 + 19*MAX(0,MIN(1,CEILING.MATH(jobs-8))) + 15*MAX(0,MIN(2,CEILING.MATH((jobs-16)/16)))" +
			" + 0/(1-MAX(0,MIN(1,CEILING.MATH(jobs-64))))"},
		{jobs, true, "solve||= 21 + 19*MAX(0,MIN(1,CEILING.MATH(jobs-8))) + 15*MAX(0,MIN(2,CEILING.MATH((jobs-16)/16)))"},
		{"Name, From ,Tokens\r\na,1,5\r\n,,\r\na,10,3\r\n", false, "a||= 5 - 2*MAX(0,MIN(1,FLOOR.MATH(jobs-10)+1))"},
		{"name,from,tokens\na,0,1\na,2.5,2\na,5,3\na,7.5,4\na,8,4\na,9,4.5\n", true,
			"a||= 1 + 1*MAX(0,MIN(3,FLOOR.MATH((jobs-2.5)/2.5)+1)) + 0.5*MAX(0,MIN(1,FLOOR.MATH(jobs-9)+1))"},
		{"name,version,tokens,up-to\na,2,5,1\nb,,0,0\na,2,6,2\nb,,1,10\n", false,
			"a|2|= 5 + 1*MAX(0,MIN(1,CEILING.MATH(jobs-1))) + 0/(1-MAX(0,MIN(1,CEILING.MATH(jobs-2))))\n" +
				"b||= 0 + 1*MAX(0,MIN(1,CEILING.MATH(jobs))) + 0/(1-MAX(0,MIN(1,CEILING.MATH(jobs-10))))"},
		{"name,up-to,tokens\na,8,21\n", true, "a||21"},
		{"name,from,tokens\na,8,21\na,9,21\n", false, "a||21"},
		{"name,up-to,tokens\na,8,21\n", false, "a||= 21 + 0/(1-MAX(0,MIN(1,CEILING.MATH(jobs-8))))"},
	} {
		items, err := ImportSteps([]byte(row.content), "jobs", row.lastHolds)
		if err != nil {
			t.Errorf("%q: %v", row.content, err)
			continue
		}
		_, got, _ := strings.Cut(show(&File{Table: Table{Items: items}}), "\n")
		if got != row.want {
			t.Errorf("%q:\n%s\nwant\n%s", row.content, got, row.want)
		}
	}
}

// Each price, as a person reads it in the table.
func TestPricesOfSteps(t *testing.T) {
	for _, row := range []struct {
		content   string
		lastHolds bool
		prices    string // value:price; - where there is none
	}{
		{jobs, false, "-5:21 0:21 1:21 8:21 8.000000000001:40 9:40 16:40 17:55 32:55 33:70 64:70 64.000000000001:- 65:- 9999999999999999999:-"},
		{jobs, true, "1:21 8:21 9:40 16:40 17:55 32:55 33:70 64:70 65:70 9999999999999999999:70"},
		{"name,from,tokens\nsolve,1,21\nsolve,9,40\n", false, "-5:21 0:21 1:21 8:21 8.999999999999:21 9:40 10:40 9999999999999999999:40"},
		{"name,up-to,tokens\nsolve,0,0\nsolve,3,0.000003\nsolve,6,0.000001\n", false, "0:0 1:0.000003 3:0.000003 4:0.000001 6:0.000001 7:-"},
	} {
		items, err := ImportSteps([]byte(row.content), "Jobs", row.lastHolds)
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range strings.Fields(row.prices) {
			value, want, _ := strings.Cut(pair, ":")
			price, err := items[0].Price(Variables{"jobs": token.MustParse(value)})
			got := price.String()
			if err != nil {
				if got = "-"; !strings.HasPrefix(err.Error(), "division by 0, at character ") {
					t.Errorf("%s jobs: %v", value, err)
				}
			}
			if got != want {
				t.Errorf("%s jobs cost %s, want %s", value, got, want)
			}
		}
	}
}

// Steps that rise evenly take one term, however many they are; as many others as fit are right too, as ImportSteps checks itself.
func TestManySteps(t *testing.T) {
	even, others := strings.Builder{}, strings.Builder{}
	even.WriteString("name,up-to,tokens\n")
	others.WriteString("name,from,tokens\n")
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		fmt.Fprintf(&even, "even,%d,%d\n", 3*i, 7*i)
	}
	at := 0
	for range 70 {
		at += 1 + r.IntN(20)
		fmt.Fprintf(&others, "other,%d.%03d,%d\n", at, r.IntN(1000), r.IntN(100))
	}
	items, err := ImportSteps([]byte(even.String()), "quantity", false)
	if want := "= 0 + 7*MAX(0,MIN(9999,CEILING.MATH(quantity/3))) + 0/(1-MAX(0,MIN(1,CEILING.MATH(quantity-29997))))"; err != nil || items[0].price() != want {
		t.Errorf("%v, %v", items, err)
	}
	if _, err := ImportSteps([]byte(others.String()), "quantity", false); err != nil {
		t.Error(err)
	}
	for range 70 {
		at += 1 + r.IntN(20)
		fmt.Fprintf(&others, "other,%d,%d\n", at, r.IntN(100))
	}
	const want = `line 2: the 140 steps of "other" make too long a formula (must have at most 4096 bytes`
	if _, err := ImportSteps([]byte(others.String()), "quantity", false); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

func TestImportStepsRefuses(t *testing.T) {
	for _, row := range [][2]string{
		{"", "line 1: the file is empty; the first line names the columns, such as name,up-to,tokens"},
		{"name,tokens\n", `line 1: the column "up-to" or "from" is missing; the first line names the columns, such as name,up-to,tokens`},
		{"up-to,tokens\n", `line 1: the column "name" is missing`},
		{"name,from\n", `line 1: the column "tokens" is missing`},
		{"name,from,up-to,tokens\n", `line 1: the columns "up-to" and "from" contradict each other`},
		{"name,from,price\n", `line 1: the column "price" is not known; the columns are name, version, up-to, from and tokens, and`},
		{"name,up-to,tokens\na,8\n", "line 2: this row has more or fewer cells"},
		{"name,up-to,tokens\n,8,1\n", "line 2: name: is required"},
		{"name,up-to,tokens\na,,1\n", "line 2: up-to: is required"},
		{"name,up-to,tokens\na,8,\n", "line 2: tokens: is required"},
		{"name,up-to,tokens\na,8,1\na,all,2\n", `line 3: up-to: "all" is not a decimal number`},
		{"name,up-to,tokens\na,8,-1\n", "line 2: tokens: must not be negative, and is -1"},
		{"name,from,tokens\na,-8,1\n", "line 2: from: must not be negative, and is -8"},
		{"name,up-to,tokens\na,8,1\nb,1,1\n\na,8.0,2\n", `line 5: up-to: must be more than 8, as in the step of "a" before; list the steps of an item in rising order`},
		{"name,up-to,tokens\na\x00,8,1\n", `line 2: name: "a\x00" has a control character`},
		{"name,up-to,tokens\n\xff,8,1\n", "line 2: this is not UTF-8"},
	} {
		items, err := ImportSteps([]byte(row[0]), "quantity", false)
		if err == nil || !strings.HasPrefix(err.Error(), row[1]) || problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q: %v, %v\nwant %s", row[0], items, err, row[1])
		}
	}
	for _, name := range []string{"", "1a", "a b", "-a", "(a)", " a", "MIN", "a+b", "é", "floor.math", strings.Repeat("a", 5000)} {
		if _, err := ImportSteps([]byte(jobs), name, false); err == nil || !strings.HasPrefix(err.Error(), "variable: ") {
			t.Errorf("variable %.10q: %v", name, err)
		}
	}
	if _, err := ImportSteps([]byte(jobs), "_Jobs.2", false); err != nil {
		t.Error(err)
	}
}

// Whatever is taken is priced right, or the check inside says so.
func FuzzImportSteps(f *testing.F) {
	for _, content := range []string{jobs, "name,from,tokens\na,1,5\na,10,3\n", "name,up-to,tokens\na,0,0\na,3,1\na,6,2\na,9,3\n"} {
		f.Add([]byte(content), true)
		f.Add([]byte(content), false)
	}
	f.Fuzz(func(t *testing.T, content []byte, lastHolds bool) {
		if _, err := ImportSteps(content, "quantity", lastHolds); err != nil && problem.KindOf(err) != problem.Invalid {
			t.Fatal(err)
		}
	})
}
