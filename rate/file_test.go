package rate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// show writes what was read so that a test can compare it in one piece.
func show(f *File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%v %d", f.Series, f.Version, f.HasEffectiveFrom, f.EffectiveFromMS)
	for _, item := range f.Items {
		fmt.Fprintf(&b, "\n%s|%s|%s", item.Name, item.Version, item.price())
		if terms := item.Terms(); terms != "" {
			b.WriteString("|" + terms)
		}
	}
	return b.String()
}

func TestReadFile(t *testing.T) {
	const january31 = 1769817600000
	for _, row := range []struct{ name, content, want string }{
		{"all.yaml", `
series: europe
version: 2.10            # a text, though it looks like a number
effectiveFrom: 2026-01-31
items:
  - name: view
    rate: 0.000003
  - {name: view, version: 2.10, rate: 3e-06}
  - {name: 'view', version: "2.1", rate: 12.50}
`, fmt.Sprintf("europe|2.10|true %d\nview||0.000003\nview|2.10|0.000003\nview|2.1|12.5", january31)},
		{"little.YML", "version: 1\nitems: [{name: a, rate: 0}]", "|1|false 0\na||0"},
		{"texts.yaml", "version: 1\nitems:\n- {name: yes, rate: 1}\n- {name: true, rate: 1}\n- {name: 0x10, version: 1_000, rate: 1}\n- {name: 1e3, version: 007, rate: 1}\n" +
			"- {name: 'null', version: null, rate: 1}\n- {name: R&D: x, version: , rate: 1}\n- {name: two words, version: 2026-01-31, rate: 1}\n",
			"|1|false 0\nyes||1\ntrue||1\n0x10|1_000|1\n1e3|007|1\nnull||1\nR&D: x||1\ntwo words|2026-01-31|1"},
		{"precise.yaml", "version: 1\nitems:\n- {name: a, rate: 0.100000000001}\n- {name: b, rate: 9007199254740993}\n- {name: c, rate: 1234567890123456789.012345678901}\n- {name: d, rate: \"0.5\"}\n",
			"|1|false 0\na||0.100000000001\nb||9007199254740993\nc||1234567890123456789.012345678901\nd||0.5"},
		{"windows.yaml", "\ufeffversion: 1\r\nitems:\r\n  - name: view\r\n    rate: 1.50\r\n", "|1|false 0\nview||1.5"},
		{"fragment.yaml", "series: europe\nversion:\nitems:\n", "europe||false 0"},
		{"zone.yaml", "effectiveFrom: 2026-01-31T01:00:00.5+01:00\n", fmt.Sprintf("||true %d", january31+500)},
		{"ms.yaml", "effectiveFrom: 1769817600000\n", fmt.Sprintf("||true %d", january31)},
		{"always.yaml", "effectiveFrom: 1970-01-01\n", "||true 0"},
		{"all.json", `{"series": "europe", "version": "2.10", "effectiveFrom": "2026-01-31T00:00:00Z",
			"items": [{"name": "view", "rate": 0.0000030}, {"rate": 3E-06, "version": "2", "name": "view"}]}`,
			fmt.Sprintf("europe|2.10|true %d\nview||0.000003\nview|2|0.000003", january31)},
		{"ms.json", "\ufeff{\"effectiveFrom\": 1769817600000,\r\n\"series\": null}\r\n", fmt.Sprintf("||true %d", january31)},
		{"all.csv", "name,version,rate\nview,,0.000003\nview,2.10,3e-06\n\"a,b \"\"c\"\"\",1,12.50\n", "||false 0\nview||0.000003\nview|2.10|0.000003\na,b \"c\"|1|12.5"},
		{"windows.csv", "\ufeffRate, Name\r\n1.5, view\r\n,\r\n\r\n2,store\r\n", "||false 0\nview||1.5\nstore||2"},
		{"header.csv", "name,rate", "||false 0"},
		{"terms.yaml", "items:\n- {name: a, rate: 8, window: P1D}\n- {name: b, rate: 2, freeSeconds: 300}\n- {name: c, rate: 2, freeSeconds: 0, window: ''}\n" +
			"- {name: d, rate: 1, freeSeconds: , window: null}\n- name: e\n  rate: 1\n  window: \"PT1H30M\" # quotes do no harm\n- {name: f, rate: 1, freeSeconds: '86400'}\n",
			"||false 0\na||8|window P1D\nb||2|freeSeconds 300\nc||2\nd||1\ne||1|window PT1H30M\nf||1|freeSeconds 86400"},
		{"costs.yaml", "items:\n- {name: a, rate: 8, cost: 0.4}\n- {name: b, rate: 8, cost: 0}\n- {name: c, formula: x, cost: '2.50', window: P1D}\n- {name: d, rate: 8, cost: null}\n",
			"||false 0\na||8|cost 0.4\nb||8|cost 0\nc||= x|window P1D, cost 2.5\nd||8"},
		{"costs.json", `{"items": [{"name": "a", "rate": 8, "cost": 3e-06}, {"name": "b", "rate": 8, "cost": 0.000000000001}]}`,
			"||false 0\na||8|cost 0.000003\nb||8|cost 0.000000000001"},
		{"costs.csv", "name,rate,Cost\na,8,0.4\nb,8,0\nc,8,\n", "||false 0\na||8|cost 0.4\nb||8|cost 0\nc||8"},
		{"terms.json", `{"items": [{"name": "a", "rate": 8, "window": "P1W"}, {"name": "b", "rate": 2, "freeSeconds": 300},
			{"name": "c", "rate": 2, "freeSeconds": 0, "window": ""}, {"name": "d", "rate": 2, "freeSeconds": null, "window": null}]}`,
			"||false 0\na||8|window P7D\nb||2|freeSeconds 300\nc||2\nd||2"},
		{"terms.csv", "name,rate,freeSeconds,window\na,8,,P1D\nb,2,300,\nc,2, ,\nd,2,0,\n,,,\n", "||false 0\na||8|window P1D\nb||2|freeSeconds 300\nc||2\nd||2"},
		{"formulas.yaml", "items:\n- {name: a, formula: price * quantity}\n- name: b\n  formula: MIN(a, b) # the lesser\n- {name: c, formula: 'MAX(a, 1)', window: P1D}\n" +
			"- name: d\n  formula: \"price *\n    quantity\"\n- {name: e, rate: 1, formula: }\n- {name: f, rate: 1, formula: ''}\n- {name: g, formula: 5, rate: null}\n- {name: h, formula: 1.50}\n",
			"||false 0\na||= price * quantity\nb||= MIN(a, b)\nc||= MAX(a, 1)|window P1D\nd||= price * quantity\ne||1\nf||1\ng||= 5\nh||= 1.50"},
		{"formulas.json", `{"items": [{"name": "a", "formula": "price * quantity"}, {"name": "b", "rate": 2, "formula": null},
			{"name": "c", "rate": 2, "formula": ""}, {"name": "d", "rate": null, "formula": "POWER(3, 9.57) +\n\tquantity", "freeSeconds": 60}]}`,
			"||false 0\na||= price * quantity\nb||2\nc||2\nd||= POWER(3, 9.57) + quantity|freeSeconds 60"},
		{"formulas.csv", "name,rate,formula,window\na,,price * quantity,P1D\nb,2,,\nc, ,\"MIN(a, b)\",\n", "||false 0\na||= price * quantity|window P1D\nb||2\nc||= MIN(a, b)"},
		{"no-rates.csv", "Formula,name\n a ,x\n", "||false 0\nx||= a"},
		{Unnamed, "\n# prices\nversion: 1\nitems: [{name: a, rate: 8}]", "|1|false 0\na||8"},
		{Unnamed, "---\nversion: 1\nitems: [{name: a, rate: 8}]", "|1|false 0\na||8"},
		{Unnamed, "\ufeff\n {\"version\": \"1\", \"items\": [{\"name\": \"a\", \"rate\": 8}]}", "|1|false 0\na||8"},
		{Unnamed, "name,rate\n\"a: b #1\",8\n", "||false 0\na: b #1||8"},
		{"some.csv", "WINDOW,name,rate\n P1D ,a,8\n,b,1\n", "||false 0\na||8|window P1D\nb||1"},
	} {
		f, err := ReadFile(row.name, []byte(row.content))
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
		} else if got := show(f); got != row.want {
			t.Errorf("%s: got\n%s\nwant\n%s", row.name, got, row.want)
		}
	}
}

func TestReadFileRefuses(t *testing.T) {
	for _, row := range []struct{ name, content, want string }{
		{"prices.txt", "", "prices.txt: the format is not known"},
		{"prices", "", "prices: the format is not known"},
		{"utf16.csv", "name,rate\n\xff\xfe", "utf16.csv:2: this is not UTF-8"},

		{Unnamed, "hello", "standard input:1: "},
		{Unnamed, "[]", "standard input:1: a list found"},
		{Unnamed, "items: []\nprices: 3", "standard input:2: prices: is not known here"},

		{"a.yaml", "", "a.yaml:1: the file is empty"},
		{"a.yaml", "# nothing\n", "a.yaml:1: the file is empty"},
		{"a.yaml", "hello", "a.yaml:1: text found, expected an object"},
		{"a.yaml", "- version: 1", "a.yaml:1: a list found, expected an object"},
		{"a.yaml", "# x\n---\nversion: 1\n---\nversion: 2\n", "a.yaml:4: a second document"},
		{"a.yaml", "---\n---\nversion: 2\n", "a.yaml:2: a second document"},
		{"a.yaml", "version: 1\n...\n---\nversion: 2\n", "a.yaml:3: a second document"},
		{"a.yaml", "version: 1\n  items: []\n", "a.yaml:1: this is not YAML"},
		{"a.yaml", "version: 1\nitems: [\n", "a.yaml:2: this is not YAML"},
		{"a.yaml", "version: 1\nvalid: 1\n", "a.yaml:2: valid: is not known here; the fields are series, version"},
		{"a.yaml", "version: 1\n\nversion: 2\n", "a.yaml:3: version: is there twice, first on line 1"},
		{"a.yaml", "version: [1]\n", "a.yaml:1: version: a list found, expected a string"},
		{"a.yaml", "effectiveFrom: tomorrow\n", "a.yaml:1: effectiveFrom: \"tomorrow\" is not a time; write a date"},
		{"a.yaml", "effectiveFrom: 2026-02-30\n", "a.yaml:1: effectiveFrom: \"2026-02-30\" is not a time"},
		{"a.yaml", "effectiveFrom: [1]\n", "a.yaml:1: effectiveFrom: "},
		{"a.yaml", "items: none\n", "a.yaml:1: items: text found, expected a list"},
		{"a.yaml", "items:\n- view\n", "a.yaml:2: items[0]: text found, expected an object with the fields name"},
		{"a.yaml", "items:\n- name: a\n  rate: 1\n- name: b\n", "a.yaml:4: items[1].rate: is required"},
		{"a.yaml", "items:\n- name: a\n  rate:\n", "a.yaml:2: items[0].rate: is required"},
		{"a.yaml", "items:\n- name: null\n  rate: 1\n", "a.yaml:2: items[0].name: is required; if the name is null, put it in quotes"},
		{"a.yaml", "items:\n- name: a\n  price: 1\n", "a.yaml:3: items[0].price: is not known here; the fields are name, version, rate, formula, freeSeconds, window"},
		{"a.yaml", "items:\n- name: a\n  rate: 1\n  rate: 2\n", "a.yaml:4: items[0].rate: is there twice, first on line 3"},
		{"a.yaml", "items:\n- name: a\n  rate: 0,5\n", "a.yaml:3: items[0].rate: \"0,5\" is not a decimal number; write it like"},
		{"a.yaml", "items:\n- name: a\n  rate: 0.0000000000001\n", "a.yaml:3: items[0].rate: \"0.0000000000001\" has more than 12 digits after the point"},
		{"a.yaml", "items:\n- name: a\n  rate: 1e19\n", "a.yaml:3: items[0].rate: \"1e19\" has more than 19 digits before the point"},
		{"a.yaml", "items:\n- {name: a, rate: -1}\n", "a.yaml:2: items[0].rate: must not be negative, and is -1 for \"a\""},
		{"a.yaml", "items:\n- {name: a, rate: 010}\n", "a.yaml:2: items[0].rate: \"010\" begins with a needless 0"},
		{"a.yaml", "items:\n- {name: a, rate: .inf}\n", "a.yaml:2: items[0].rate: \".inf\" is not a decimal number"},
		{"a.yaml", "items:\n- {name: a, rate: 1_000}\n", "a.yaml:2: items[0].rate: \"1_000\" is not a decimal number"},
		{"a.yaml", "items:\n- {name: a, rate: [1]}\n", "a.yaml:2: items[0].rate: a list found"},
		{"a.yaml", "items:\n- {name: a, rate: 1}\n- {name: a, version: 1, rate: 1}\n- {name: a, rate: 1}\n", "a.yaml:4: items[2].name: \"a\" is listed on line 2 already"},
		{"a.yaml", "items:\n- name: \"a\\0\"\n  rate: 1\n", "a.yaml:2: items[0].name: \"a\\x00\" has a control character"},
		{"a.yaml", "items:\n- name: a\n  rate: 1\n  window: 1d\n", "a.yaml:4: items[0].window: must be an ISO 8601 duration"},
		{"a.yaml", "items:\n- {name: a, rate: 1, window: 60}\n", "a.yaml:2: items[0].window: must be an ISO 8601 duration"},
		{"a.yaml", "items:\n- {name: a, rate: 1, window: [P1D]}\n", "a.yaml:2: items[0].window: a list found, expected a string"},
		{"a.yaml", "items:\n- {name: a, rate: 1, window: PT1S}\n", "a.yaml:2: items[0].window: must be from PT1M to P366D, and is PT1S for \"a\""},
		{"a.yaml", "items:\n- name: a\n  rate: 1\n  freeSeconds: 5m\n", "a.yaml:4: items[0].freeSeconds: \"5m\" is not a whole number of seconds from 0 to 86400"},
		{"a.yaml", "items:\n- {name: a, rate: 1, freeSeconds: 1.5}\n", "a.yaml:2: items[0].freeSeconds: \"1.5\" is not a whole number"},
		{"a.yaml", "items:\n- {name: a, rate: 1, freeSeconds: 010}\n", "a.yaml:2: items[0].freeSeconds: \"010\" is not a whole number"},
		{"a.yaml", "items:\n- {name: a, rate: 1, freeSeconds: 99999999999999999999}\n", "a.yaml:2: items[0].freeSeconds: \"99999999999999999999\" is not a whole number of seconds from 0"},
		{"a.yaml", "items:\n- {name: a, rate: 1, freeSeconds: -1}\n", "a.yaml:2: items[0].freeSeconds: must be from 0 to 86400 (a day), and is -1 for \"a\""},
		{"a.yaml", "items:\n- {name: a, rate: 1, freeSeconds: {}}\n", "a.yaml:2: items[0].freeSeconds: an object found, expected a whole number"},
		{"a.yaml", "items:\n- {name: a, rate: 1, freeSeconds: 1, window: P1D}\n", "a.yaml:2: items[0].window: contradicts freeSeconds"},
		{"a.yaml", "items:\n- name: a\n  formula: a + * b\n", "a.yaml:3: items[0].formula: \"*\" found where a number, a name or \"(\" must be (character 5: a + >>>* b)"},
		{"a.yaml", "items:\n- {name: a, rate: 1}\n- name: b\n  rate: 1\n  formula: a\n", "a.yaml:3: items[1].formula: contradicts rate: an item has one or the other"},
		{"a.yaml", "items:\n- {name: a, rate: 0, formula: a}\n", "a.yaml:2: items[0].formula: contradicts rate"},
		{"a.yaml", "items:\n- {name: a, formula: ''}\n", "a.yaml:2: items[0].rate: is required, or a formula in its place; write 0 for what is free"},
		{"a.yaml", "items:\n- {name: a, formula: [1]}\n", "a.yaml:2: items[0].formula: a list found, expected a string"},
		{"a.yaml", "items:\n- {name: a, formula: a, formula: a}\n", "a.yaml:2: items[0].formula: is there twice"},
		{"a.yaml", "items:\n- {name: a, formula: ' '}\n", "a.yaml:2: items[0].formula: must not be empty"},
		{"a.yaml", "items:\n- {name: a, formula: MIN(a, b)}\n", "a.yaml:2: items[0].b): is not known here"},
		{"a.yaml", "items:\n- name: a\n  formula: |\n    a\n", "a.yaml:3: \"|\": anchors, tags, directives, complex keys and blocks of text are not for rate tables; write the value out on one line"},
		{"a.yaml", "items:\n- name: a\n  rate: 1\n  cost: 0,5\n", "a.yaml:4: items[0].cost: \"0,5\" is not a decimal number; write it like"},
		{"a.yaml", "items:\n- {name: a, rate: 1, cost: -1}\n", "a.yaml:2: items[0].cost: must not be negative, and is -1 for \"a\"; leave it out if it is not known"},
		{"a.yaml", "items:\n- {name: a, rate: 1, cost: [1]}\n", "a.yaml:2: items[0].cost: a list found, expected a number"},
		{"a.yaml", "items: &x\n- {name: a, rate: 1}\n", "a.yaml:1: \"&\": anchors, tags"},
		{"a.yaml", "items:\n- {name: a, rate: !!int 1}\n", "a.yaml:2: \"!!int\": anchors, tags"},
		{"a.yaml", "version: |\n  1\n", "a.yaml:1: \"|\": anchors, tags, directives, complex keys and blocks"},
		{"a.yaml", strings.Repeat("[", 1e5), "a.yaml:1: this is nested too deeply"},
		{"a.yaml", strings.Repeat("- ", 1e5), "a.yaml:1: this is nested too deeply"},

		{"a.json", "", "a.json:1: the file is empty"},
		{"a.json", "{\n\"version\": \"1\"\n\"items\": []}", "a.json:3: this is not JSON"},
		{"a.json", "{\"version\": \"1\",\n", "a.json:2: this is not JSON"},
		{"a.json", "{}\n{}", "a.json:2: the document has ended"},
		{"a.json", "{}\n}", "a.json:2: this is not JSON"},
		{"a.json", "{\n\"version\": 1}", "a.json:2: version: a number found, expected a string"},
		{"a.json", "{\"version\": \"1\",\n\"version\": \"1\"}", "a.json:2: version: is there twice, first on line 1"},
		{"a.json", "{\"created\": 1}", "a.json:1: created: is not known here"},
		{"a.json", "{\"items\": [\n{\"name\": \"a\", \"rate\": \"1\"}]}", "a.json:2: items[0].rate: a string found, expected a number"},
		{"a.json", "{\"items\": [\n{\"name\": \"a\", \"rate\": null}]}", "a.json:2: items[0].rate: is required"},
		{"a.json", "{\"items\": [\n{\"name\": \"a\", \"rate\": 01}]}", "a.json:2: this is not JSON"},
		{"a.json", "{\"items\": [{\"name\": \"a\", \"rate\": 1},\n{\"name\": true, \"rate\": 1}]}", "a.json:2: items[1].name: true or false found"},
		{"a.json", "{\"items\": [{\"name\": \"\", \"rate\": 1}]}", "a.json:1: items[0].name: is required"},
		{"a.json", "{\"items\": [{\"name\": \"a\", \"rate\": 1,\n\"cost\": \"1\"}]}", "a.json:2: items[0].cost: a string found, expected a number"},
		{"a.json", "{\"items\": [{\"name\": \"a\", \"rate\": 1,\n\"window\": 60}]}", "a.json:2: items[0].window: a number found, expected a string"},
		{"a.json", "{\"items\": [{\"name\": \"a\", \"rate\": 1,\n\"window\": \"P1M\"}]}", "a.json:2: items[0].window: must be an ISO 8601 duration"},
		{"a.json", "{\"items\": [{\"name\": \"a\", \"rate\": 1,\n\"freeSeconds\": \"60\"}]}", "a.json:2: items[0].freeSeconds: a string found, expected a whole number"},
		{"a.json", "{\"items\": [{\"name\": \"a\", \"rate\": 1,\n\"freeSeconds\": 6e1}]}", "a.json:2: items[0].freeSeconds: \"6e1\" is not a whole number"},
		{"a.json", "{\"items\": [{\"name\": \"a\", \"rate\": 1, \"window\": \"P1D\",\n\"window\": \"P1D\"}]}", "a.json:2: items[0].window: is there twice"},
		{"a.json", "{\"items\": [{\"name\": \"a\",\n\"formula\": 5}]}", "a.json:2: items[0].formula: a number found, expected a string"},
		{"a.json", "{\"items\": [{\"name\": \"a\",\n\"formula\": \"IF(a,b)\"}]}", "a.json:2: items[0].formula: there is no function \"IF\"; there are ABS"},
		{"a.json", "{\"items\": [{\"name\": \"a\", \"rate\": 0,\n\"formula\": \"a\"}]}", "a.json:1: items[0].formula: contradicts rate"},
		{"a.json", "{\"items\": [{\"name\": \"a\", \"formula\":\n\"" + strings.Repeat("(", 10_000) + "\"}]}", "a.json:2: items[0].formula: must have at most 4096 bytes, and has 10000"},
		{"a.json", "{\"items\": [{\"name\": \"a\", \"formula\":\n\"" + strings.Repeat("(", 101) + "\"}]}", "a.json:2: items[0].formula: parentheses are nested more than 100 deep (character 101: "},
		{"a.json", strings.Repeat("[", 1e5), "a.json:1: this is not JSON"},

		{"a.csv", "", "a.csv:1: the file is empty"},
		{"a.csv", "name;rate\nview;1\n", "a.csv:1: the header is \"name;rate\"; separate the columns with commas"},
		{"a.csv", "name,price\n", "a.csv:1: the column \"price\" is not known; the columns are name, version, rate, formula, freeSeconds, window and cost, and"},
		{"a.csv", "name,rate,window,Window\n", "a.csv:1: the column \"window\" is there twice"},
		{"a.csv", "name,rate,name\n", "a.csv:1: the column \"name\" is there twice"},
		{"a.csv", "version,rate,version\n", "a.csv:1: the column \"version\" is there twice"},
		{"a.csv", "name,version\n", "a.csv:1: the column \"rate\" or \"formula\" is missing; the first line names the columns, such as name,version,rate"},
		{"a.csv", "view,1\nstore,2\n", "a.csv:1: the column \"view\" is not known"},
		{"a.csv", "name,rate\nview,1,5\n", "a.csv:2: this row has more or fewer cells than the header"},
		{"a.csv", "name,rate\nview,1\nsto\"re,1\n", "a.csv:3: this is not CSV"},
		{"a.csv", "name,rate\nview,\n", "a.csv:2: rate: is required"},
		{"a.csv", "name,rate\n,1\n", "a.csv:2: name: is required"},
		{"a.csv", "name,rate\nview,free\n", "a.csv:2: rate: \"free\" is not a decimal number"},
		{"a.csv", "name,rate\nview,-1\n", "a.csv:2: rate: must not be negative, and is -1 for \"view\""},
		{"a.csv", "name,rate,window\nview,1,\nstore,1,a day\n", "a.csv:3: window: must be an ISO 8601 duration"},
		{"a.csv", "name,rate,window\nview,1,P400D\n", "a.csv:2: window: must be from PT1M to P366D, and is P400D for \"view\""},
		{"a.csv", "name,rate,freeSeconds\nview,1,300.0\n", "a.csv:2: freeSeconds: \"300.0\" is not a whole number"},
		{"a.csv", "name,rate,freeSeconds\nview,1,86401\n", "a.csv:2: freeSeconds: must be from 0 to 86400 (a day), and is 86401 for \"view\""},
		{"a.csv", "name,rate,freeSeconds,window\nview,1,300,P1D\n", "a.csv:2: window: contradicts freeSeconds"},
		{"a.csv", "name,rate,cost\na,1,\nb,1,free\n", "a.csv:3: cost: \"free\" is not a decimal number"},
		{"a.csv", "name,rate,cost\na,1,-0.5\n", "a.csv:2: cost: must not be negative, and is -0.5 for \"a\""},
		{"a.csv", "name,rate,window\n,,P1D\n", "a.csv:2: rate: is required"},
		{"a.csv", "name,rate,formula\na,1,\nb,1,a\n", "a.csv:3: formula: contradicts rate: an item has one or the other"},
		{"a.csv", "name,rate,formula\na,,\n", "a.csv:2: rate: is required, or a formula in its place"},
		{"a.csv", "name,formula\na,\"MIN(a, b\"\n", "a.csv:2: formula: \"(\" is never closed (character 4: MIN>>>(a, b)"},
		{"a.csv", "name,formula\na,MIN(a, b)\n", "a.csv:2: this row has more or fewer cells than the header; put a cell that has a comma in quotes"},
		{"a.csv", "name,version,rate\n\"vi\new\",1,1\n", "a.csv:2: name: \"vi\\new\" has a control character"},
		{"a.csv", "name,version,rate\nview,1,1\nstore,1,1\nview,1,1\n", "a.csv:4: name: \"view\" version \"1\" is listed on line 2 already"},
	} {
		_, err := ReadFile(row.name, []byte(row.content))
		if err == nil || !strings.HasPrefix(err.Error(), row.want) || problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s %.60q: got %v\nwant %s", row.name, row.content, err, row.want)
		}
	}
}

func TestReadFileIsBounded(t *testing.T) {
	if _, err := ReadFile("a.csv", make([]byte, FileBytes+1)); problem.KindOf(err) != problem.TooLarge {
		t.Errorf("got %v", err)
	}
}

// What JSON can say, YAML says with the same signs and the same meaning.
func TestYAMLReadsJSON(t *testing.T) {
	const content = `{"version": "1", "effectiveFrom": 5, "items": [{"name": "a\u00e9\t", "version": "\"", "rate": 1.5E-3, "window": "P1D"}, {"name": "b", "rate": 1, "freeSeconds": 60, "window": null}]}`
	_, yaml := ReadFile("a.yaml", []byte(content))
	_, json := ReadFile("a.json", []byte(content))
	if yaml == nil || json == nil || yaml.Error()[6:] != json.Error()[6:] {
		t.Errorf("the tab is refused with %v and %v", yaml, json)
	}
	clean := []byte(strings.Replace(content, `\t`, "", 1))
	fromYAML, err := ReadFile("a.yaml", clean)
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := ReadFile("a.json", clean)
	if err != nil {
		t.Fatal(err)
	}
	if show(fromYAML) != show(fromJSON) {
		t.Errorf("%s\n%s", show(fromYAML), show(fromJSON))
	}
}

func FuzzReadFile(f *testing.F) {
	for _, content := range []string{
		"version: 2.10\nitems:\n- {name: view, rate: 1e-6}\n- name: \"x\\u00e9\"\n  rate: 0.5 # half\n",
		`{"version": "1", "effectiveFrom": 1, "items": [{"name": "view", "version": "2", "rate": 1.50}]}`,
		"name,version,rate\nview,2.10,1\n\"a,b\",,0.5\n",
		"items:\n- {name: cad, rate: 8, window: PT24H}\n- {name: tool, rate: 2, freeSeconds: 300}\n",
		`{"items": [{"name": "cad", "rate": 8, "window": "P1D"}, {"name": "tool", "rate": 2, "freeSeconds": 300, "window": null}]}`,
		"name,rate,freeSeconds,window\ncad,8,,P1D\ntool,2,300,\n",
		"items:\n- {name: a, formula: price * quantity, window: P1D}\n- name: b\n  formula: \"MIN(a,\n    b)\"\n",
		`{"items": [{"name": "a", "formula": "POWER(3, 9.57) +\n\tquantity"}, {"name": "b", "rate": null, "formula": "-(a^2)/3"}]}`,
		"name,rate,formula\na,,price * quantity\nb,2,\nc,,\"ROUND(a, 2)\"\n",
		"effectiveFrom: 2026-01-31T00:00:00Z\n--- \n...\n", "a: &x [*x, {<<: 1}]\n", "? a\n: !!str b\n", "items: |\n  x\n", "\ufeff'\"",
	} {
		for format := range 3 {
			f.Add(format, []byte(content))
		}
	}
	names := []string{"f.yaml", "f.json", "f.csv"}
	f.Fuzz(func(t *testing.T, format int, content []byte) {
		if format < 0 || format >= len(names) {
			return
		}
		file, err := ReadFile(names[format], content)
		if err != nil {
			if problem.KindOf(err) != problem.Invalid || !strings.HasPrefix(err.Error(), names[format]+":") {
				t.Fatalf("%#v", err)
			}
			return
		}
		for _, item := range file.Items {
			if item.Formula == nil {
				continue
			}
			if again, err := formula.Parse(item.Formula.String()); err != nil || again.String() != item.Formula.String() {
				t.Fatalf("the formula %q cannot be read back: %v", item.Formula, err)
			}
		}
		file.Version, file.Series, file.EffectiveFromMS = "1", "", 0
		if len(file.Items) == 0 {
			file.Items = []Item{{Name: "x", Rate: token.FromInt(1)}}
		}
		if err := file.Validate(); err != nil {
			t.Fatalf("ReadFile took what Validate refuses: %v", err)
		}
	})
}
