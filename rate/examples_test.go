package rate

import (
	"os"
	"path"
	"strings"
	"testing"
)

// Every file under examples/rates can be applied as its comment says, and shows what it is named after.
func TestExamples(t *testing.T) {
	shows := map[string]string{
		"cad-day-tokens.yaml":     "cad.seat||8|window P1D\nsimulation.hour||2.5",
		"first-minutes-free.yaml": "layout.editor||2|freeSeconds 300\ncircuit.simulator||6|freeSeconds 300",
	}
	const folder = "../examples/rates"
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(path.Join(folder, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		table, err := ReadFile(file.Name(), content)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := table.Validate(); err != nil {
			t.Errorf("%s: %v", file.Name(), err)
		}
		if command := "farebox rates apply examples/rates/" + file.Name() + "\n"; !strings.Contains(string(content), command) {
			t.Errorf("%s does not say how to apply it: %s", file.Name(), command)
		}
		_, items, _ := strings.Cut(show(table), "\n")
		if want, known := shows[file.Name()]; known && items != want {
			t.Errorf("%s has\n%s\nwant\n%s", file.Name(), items, want)
		}
		delete(shows, file.Name())
	}
	for name := range shows {
		t.Errorf("%s is missing", name)
	}
}
