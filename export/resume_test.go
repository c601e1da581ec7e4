package export

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// advance opens a file anew, as a process that starts does, and writes n times.
func (w *world) advance(name string, format Format, filter usage.Filter, n int) {
	w.Helper()
	f, err := OpenFile(name, format, filter)
	w.must(err)
	for range n {
		w.must(w.View(w.Context(), func(r store.Reader) error {
			_, err := f.Advance(r)
			return err
		}))
	}
	w.must(f.Close())
}

// Whatever was written behind what the state tells when the process ended, each event is in the file once.
func TestFileGoesOnAfterACrash(t *testing.T) {
	for _, format := range []Format{CSV, NDJSON} {
		w := newWorld(t)
		name := filepath.Join(t.TempDir(), "events")
		chance := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			w.charge(chance.IntN(3))
			before, err := os.ReadFile(name + ".position")
			w.advance(name, format, usage.Filter{}, chance.IntN(3))
			if err == nil && chance.IntN(2) == 0 { // it ended behind the file, before the state
				w.must(os.WriteFile(name+".position", before, 0o600))
				file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
				w.must(err)
				_, err = file.WriteString("half a li")
				w.must(err)
				w.must(file.Close())
			}
		}
		w.advance(name, format, usage.Filter{}, 2)
		got, err := os.ReadFile(name)
		w.must(err)
		if diff := cmp.Diff(string(written(t, format, w.events())), string(got)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestFileRefusesWhatIsNotItsOwn(t *testing.T) {
	w := newWorld(t)
	w.charge(2)
	folder := t.TempDir()
	name := filepath.Join(folder, "events")
	w.advance(name, CSV, usage.Filter{Kind: usage.Charge}, 1)
	for _, c := range []struct {
		says   string
		format Format
		filter usage.Filter
		spoil  func()
	}{
		{"take another --to", NDJSON, usage.Filter{Kind: usage.Charge}, func() {}},
		{"take another --to", CSV, usage.Filter{}, func() {}},
		{"should have", CSV, usage.Filter{Kind: usage.Charge}, func() { w.must(os.Truncate(name, 3)) }},
		{"is not the state", CSV, usage.Filter{}, func() { w.must(os.WriteFile(name+".position", []byte("x"), 0o600)) }},
		{"is there without", CSV, usage.Filter{}, func() { w.must(os.Remove(name + ".position")) }},
	} {
		c.spoil()
		if _, err := OpenFile(name, c.format, c.filter); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v does not say %q", err, c.says)
		}
	}
}

func TestDaysGoOnBesideTheirFiles(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	ctx := context.Background()
	for range 4 {
		w.charge(3)
		w.clock.Add(dayMS)
		bucket, err := OpenFolder(folder)
		w.must(err)
		var before []byte
		if len(files(t, folder)) > 0 {
			before, err = bucket.Get(ctx, daysState)
			w.must(err)
		}
		for again := range 2 { // the first ends before its state
			days, err := ResumeDays(ctx, bucket, Parquet, usage.Filter{})
			w.must(err)
			for more := true; more; {
				more, err = days.Advance(ctx, w.failing, w.Now())
				w.must(err)
			}
			if again == 0 && before != nil {
				w.must(bucket.Put(ctx, daysState, before, "application/json"))
			}
		}
		w.must(bucket.Close())
	}
	w.clock.Add(dayMS)
	bucket, err := OpenFolder(folder)
	w.must(err)
	days, err := ResumeDays(ctx, bucket, Parquet, usage.Filter{})
	w.must(err)
	for more := true; more; {
		more, err = days.Advance(ctx, w.failing, w.Now())
		w.must(err)
	}
	if _, err := ResumeDays(ctx, bucket, CSV, usage.Filter{}); err == nil {
		t.Error("another format goes on with it")
	}
	all := files(t, folder)
	if state := all[daysState]; !bytes.Contains(state, []byte(`"position"`)) {
		t.Errorf("%s", state)
	}
	delete(all, daysState)
	w.check(all, w.events())
}

func TestWriteFileIsWholeOrNothing(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "f")
	if err := WriteFile(filepath.Join(folder, "none", "f"), nil); err == nil {
		t.Error("a folder that is not there")
	}
	if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	newWorld(t).advance(filepath.Join(folder, "other"), NDJSON, usage.Filter{}, 1)
	e := samples(1)[0]
	e.Used = e.Used.Add(amount("9999999999999999999.999999999999"))
	for range 24 { // past what a decimal has
		e.Used = e.Used.Add(e.Used)
	}
	err := WriteFile(name, func(to io.Writer) error { return NewWriter(Parquet, to).Write(&e) })
	if err == nil {
		t.Error("what failed is taken for written")
	}
	if all := files(t, folder); string(all["f"]) != "old" || len(all) != 3 {
		t.Errorf("left behind: %q", all)
	}
}
