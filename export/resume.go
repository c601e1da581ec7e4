package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// state is what an export keeps beside its target, to go on from.
type state struct {
	Position usage.Position `json:"position"`
	Bytes    int64          `json:"bytes,omitzero"` // of the file that counts
	Of       selection      `json:"of"`
}

// selection is what is exported, and how; under another one an export does not go on.
type selection struct {
	Format Format       `json:"format"`
	Filter usage.Filter `json:"filter"`
}

// read reads what a target has beside it; nothing is a beginning.
func (s *state) read(text []byte, where string) error {
	if text == nil {
		return nil
	}
	want, err := json.Marshal(s.Of)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, s); err != nil {
		return fmt.Errorf("%s is not the state of an export: %w", where, err)
	}
	if is, err := json.Marshal(s.Of); err != nil || string(is) != string(want) {
		return errors.Join(err, fmt.Errorf("%s says that what is there was exported as %s; take another --to for %s", where, is, want))
	}
	return nil
}

// File is a file that grows with the record, in CSV or NDJSON. What is behind the length that its state tells was not finished when
// the process ended, and is written again.
type File struct {
	name string
	file *os.File
	state
}

// OpenFile goes on with a file, or begins one.
func OpenFile(name string, format Format, filter usage.Filter) (*File, error) {
	f := &File{name: name, state: state{Of: selection{format, filter}}}
	text, err := os.ReadFile(f.stateName())
	begins := errors.Is(err, os.ErrNotExist)
	if err != nil && !begins {
		return nil, err
	}
	if err := f.read(text, f.stateName()); err != nil {
		return nil, err
	}
	info, err := os.Stat(name)
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, err
	case err == nil && begins:
		return nil, fmt.Errorf("%s is there without %s, so that there is no telling how far it goes; remove it or take another --to", name, f.stateName())
	case f.Bytes > 0 && (err != nil || info.Size() < f.Bytes):
		return nil, fmt.Errorf("%s should have %d bytes, as %s tells; remove both to begin anew", name, f.Bytes, f.stateName())
	}
	if begins {
		if err := f.save(); err != nil { // before the file, so that it is never there without
			return nil, err
		}
	}
	if f.file, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return nil, err
	}
	return f, errors.Join(f.file.Truncate(f.Bytes), sync(filepath.Dir(name)))
}

func (f *File) stateName() string { return f.name + ".position" }

func (f *File) save() error {
	text, err := json.Marshal(f.state)
	if err != nil {
		return err
	}
	return WriteFile(f.stateName(), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// filePage is how many events are written at a time.
const filePage = 1000

// Advance writes what comes next, and reports whether there is more.
func (f *File) Advance(r store.Reader) (more bool, err error) {
	page, err := engine.ReadPage(r, f.Position, &f.Of.Filter, filePage, 100*filePage)
	if err != nil || page.Next == f.Position && f.Bytes > 0 {
		return false, err
	}
	if _, err := f.file.Seek(f.Bytes, io.SeekStart); err != nil {
		return false, err
	}
	w := NewAppender(f.Of.Format, f.file)
	if f.Bytes == 0 {
		w = NewWriter(f.Of.Format, f.file)
	}
	for i := range page.Events {
		if err := w.Write(&page.Events[i]); err != nil {
			return false, err
		}
	}
	if err := errors.Join(w.Close(), f.file.Sync()); err != nil {
		return false, err
	}
	end, err := f.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return false, err
	}
	moved := end != f.Bytes || page.Next != f.Position
	f.Bytes, f.Position = end, page.Next
	if moved {
		err = f.save()
	}
	return page.More, err
}

// Close ends the use of the file.
func (f *File) Close() error { return f.file.Close() }

// WriteFile writes a file whole or not at all; it is there for good when WriteFile returns nil.
func WriteFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.part")
	if err != nil {
		return fmt.Errorf("%s cannot be written: is the folder there, and may this user write to it? (%w)", name, err)
	}
	err = errors.Join(write(f), f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return sync(filepath.Dir(name))
}

// daysState is the object in a bucket that tells how far it goes. Its name is one that readers of partitions pass over.
const daysState = "_farebox-export.json"

// Resumed are days whose position is kept beside them.
type Resumed struct {
	Days
	state
}

// ResumeDays goes on with the days of a bucket, or begins them.
func ResumeDays(ctx context.Context, bucket *Bucket, format Format, filter usage.Filter) (*Resumed, error) {
	r := &Resumed{Days{Bucket: bucket, Format: format, Filter: filter}, state{Of: selection{format, filter}}}
	text, err := bucket.Get(ctx, daysState)
	if err != nil {
		return nil, err
	}
	return r, r.read(text, daysState)
}

// Advance writes the file that comes next, and reports whether it did.
func (r *Resumed) Advance(ctx context.Context, s store.Store, nowMS int64) (bool, error) {
	if !r.Look(nowMS) {
		return false, nil
	}
	batch := engine.Followed{From: r.Position}
	err := s.View(ctx, func(reader store.Reader) error { return batch.Read(reader, DaysMost) })
	if err != nil || len(batch.Receipts) == 0 {
		return false, err
	}
	taken, err := r.Take(ctx, &batch, nowMS)
	if err != nil || taken == 0 {
		return false, err
	}
	r.Position = batch.Next(taken)
	text, err := json.Marshal(r.state)
	if err != nil {
		return false, err
	}
	return true, r.Bucket.Put(ctx, daysState, text, "application/json")
}
