package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

func packsFile(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReadPacks(t *testing.T) {
	want := engine.Pack{
		Name: "2026", Quantity: 1000, Period: "P30D", Series: "2.10", Kind: "PAID", UnitPrice: token.MustParse("0.000000000123"), Currency: "EUR", Priority: -1,
		ResetFrequency: period.Monthly, OverdraftType: "PERCENT", OverdraftPercent: token.MustParse("12.5"),
	}
	for name, content := range map[string]string{
		"a.yaml": "- name: 2026\n  quantity: 1000\n  period: P30D\n  series: 2.10 # stays as it is written\n  unitPrice: 0.000000000123\n  currency: EUR\n" +
			"  priority: -1\n  resetFrequency: MONTH\n  overdraftType: PERCENT\n  overdraftPercent: 12.5\n  kind: null\n",
		"a.json": `[{"name": "2026", "quantity": 1000, "period": "P30D", "series": "2.10", "unitPrice": 1.23e-10, "currency": "EUR",
			"priority": -1, "resetFrequency": "MONTH", "overdraftType": "PERCENT", "overdraftPercent": 12.5}]`,
	} {
		packs, err := readPacks(input(packsFile(t, name, content)))
		if err != nil || len(packs) != 1 || *packs[0] != want {
			t.Errorf("%s: %v %+v", name, err, packs)
		}
	}
	for _, c := range []struct{ name, content, says string }{
		{"a.yaml", "- {name: a, quantity: 1.5}", `[0].quantity: "1.5" is not a whole number`},
		{"a.yaml", "- {name: a, quantity: 010}", `[0].quantity: "010" is not a whole number`},
		{"a.yaml", "\n- {name: a, quantity: 1, colour: red}", `line 2: there is no field "colour"`},
		{"a.yaml", "- {name: a, quantity: 1, unitPrice: 0.0000000000001}", "[0].unitPrice: "},
		{"a.yaml", "- {name: a, quantity: [1]}", "line 1: quantity must be"},
		{"a.yaml", "- {name: a, name: b, quantity: 1}", "line 1: "},
		{"a.yaml", "- {name: a, quantity: 1}\n- {name: a, quantity: 2}", `[1].name: "a" is [0] already`},
		{"a.yaml", "- {name: a, quantity: 1}\n- {name: b, quantity: 2, overdraftType: NUMBER}", "[1].overdraftLimit: "},
		{"a.yml", "name: a", "must have a list of packs"},
		{"a.yml", "", "must have one document"},
		{"a.yml", "- ", "line 1: a pack is an object"},
		{"a.json", `[{"name": "a", "quantity": 1.5}]`, "/0/quantity: 1.5 is not a whole number"},
		{"a.json", `[{"name": "a", "quantity": 1, "colour": 1}]`, "/0/colour: "},
		{"a.json", "[\n{\"name\":\"a\",]", "line 2: "},
		{"a.json", `{"name": 1}`, "must have a list of packs"},
		{"a.json", `[null]`, "[0]: is empty"},
		{"a.txt", "", "the format is not known"},
	} {
		if _, err := readPacks(input(packsFile(t, c.name, c.content))); err == nil || !strings.Contains(err.Error(), c.name+": "+c.says) && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %q: %v, want %s", c.name, c.content, err, c.says)
		}
	}
}

// FuzzReadPacks reads whatever there is: what is taken can be shown and is as an engine wants it, what is not is told with the file it is in.
func FuzzReadPacks(f *testing.F) {
	for _, content := range []string{
		"- name: 2026\n  quantity: 1000\n  period: P30D # days\n  unitPrice: 0.5\n  currency: EUR\n", "- {name: a, quantity: 1}\n- {name: b, quantity: 010}",
		`[{"name": "a", "quantity": 1, "overdraftType": "PERCENT", "overdraftPercent": 12.5}]`, "- &x {name: a}\n- *x\n- <<: *x\n", "? a\n: !!str b\n", "- |\n  x\n",
		"- {name: \"\\0\", quantity: 1e3}", "--- \n...\n", "- ", "[null]", "\ufeff[]",
	} {
		f.Add(true, []byte(content))
		f.Add(false, []byte(content))
	}
	f.Fuzz(func(t *testing.T, isYAML bool, content []byte) {
		name := "f.json"
		if isYAML {
			name = "f.yaml"
		}
		packs, err := packsIn(name, content)
		if err != nil {
			if !strings.HasPrefix(err.Error(), name+": ") {
				t.Errorf("%q", err)
			}
			return
		}
		for _, p := range packs {
			if again := *p; again.Complete() != nil || again != *p {
				t.Errorf("%+v is %+v when it is checked again", *p, again)
			}
		}
		if _, err := showPacks(nil, packs, io.Discard); err != nil {
			t.Error(err)
		}
	})
}

func TestApplyPacks(t *testing.T) {
	d := database{DB: filepath.Join(t.TempDir(), "farebox.db")}
	names := func() (all []string) {
		s, err := d.open(opening{read: true})
		if err != nil {
			t.Fatal(err)
		}
		err = s.View(t.Context(), func(r store.Reader) error {
			packs, err := engine.Packs(r)
			for _, p := range packs {
				all = append(all, p.Name+": "+p.Terms())
			}
			return err
		})
		if err != nil || s.Close() != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, step := range []struct {
		content string
		dry     bool
		want    string
	}{
		{"- {name: b, quantity: 1}\n- {name: a, quantity: 2}", false, "a: quantity 2, kind PAID; b: quantity 1, kind PAID"},
		{"- {name: b, quantity: 7}", true, "a: quantity 2, kind PAID; b: quantity 1, kind PAID"},
		{"- {name: b, quantity: 7}", false, "a: quantity 2, kind PAID; b: quantity 7, kind PAID"},
		{"- {name: c, quantity: 7}\n- {name: d, quantity: 0}", false, "a: quantity 2, kind PAID; b: quantity 7, kind PAID"}, // one is wrong: none is applied
	} {
		cmd := packsApplyCmd{File: input(packsFile(t, "packs.yaml", step.content)), DryRun: step.dry, database: d}
		_ = cmd.Run() // what it says is tested above
		if got := strings.Join(names(), "; "); got != step.want {
			t.Errorf("after %q (dry %t): %s, want %s", step.content, step.dry, got, step.want)
		}
	}
}

func TestDryRunOfPacksNeedsNoDatabase(t *testing.T) {
	cmd := packsApplyCmd{File: input(packsFile(t, "a.yaml", "- {name: a, quantity: 1}")), DryRun: true, database: database{DB: filepath.Join(t.TempDir(), "farebox.db")}}
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(cmd.DB); err == nil {
		t.Error("a dry run made a database")
	}
}
