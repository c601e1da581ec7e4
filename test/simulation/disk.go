// Package simulation is a world in which everything fails that may: a disk that loses what was not synced, and a store
// that fails, is slow and loses answers, all by rules drawn from a seed. What is under test runs in it unchanged.
package simulation

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Disk is a folder for SQLite's files of which it is known what a power cut would leave. What was written to a file since its last sync
// may then be there or not, in parts and in any order. What SQLite does not sync (locks, the shared index of the log) is gone in any
// case. That a file is there, or is deleted, counts as durable at once.
//
// Power goes, or one change fails, at a change that is counted: writes, truncations and syncs are changes. Once it has gone, nothing
// changes any more, and who tries is told so, as a process would not be that ended with it.
type Disk struct {
	Folder string

	mu      sync.Mutex
	files   map[string]*file
	changes int
	cutAt   int // 0: never
	failAt  int // likewise
	isOff   bool
}

// file is one of the disk's.
type file struct {
	durable []byte
	pending []change // since the last sync
}

// change is what was written to a place in a file; or, of nil, the size that the file was given.
type change struct {
	data   []byte
	offset int64
}

// result is what becomes of a change.
type result int

const (
	works result = iota
	fails
	off
)

// NewDisk has a folder's files, all of which count as durable as they are. No other disk may have the same.
func NewDisk(folder string) (*Disk, error) {
	install()
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	d := &Disk{Folder: folder, files: map[string]*file{}}
	vfs.Lock()
	defer vfs.Unlock()
	if vfs.disks[folder] != nil {
		return nil, fmt.Errorf("%s is a disk already", folder)
	}
	vfs.disks[folder] = d
	return d, nil
}

// Remove ends the disk. No file of it may be open.
func (d *Disk) Remove() {
	vfs.Lock()
	defer vfs.Unlock()
	delete(vfs.disks, d.Folder)
}

// Changes returns how many there were.
func (d *Disk) Changes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changes
}

// CutAt has power go at a change, counted from now: 1 is the next. FailAt has one fail, as on a disk that is full or broken. 0: none.
func (d *Disk) CutAt(n int) { d.set(&d.cutAt, n) }

// FailAt is described at CutAt.
func (d *Disk) FailAt(n int) { d.set(&d.failAt, n) }

func (d *Disk) set(at *int, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if *at = d.changes + n; n == 0 {
		*at = 0
	}
}

// Cut has power go now.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isOff = true
}

// Off says whether power has gone.
func (d *Disk) Off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.isOff
}

// opened takes notice of a file that may have been there before. Callers hold the lock of vfs.
func (d *Disk) opened(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[name] == nil {
		content, err := os.ReadFile(filepath.Join(d.Folder, name))
		if err != nil {
			panic(err) // SQLite has just opened it
		}
		d.files[name] = &file{durable: content}
	}
}

func (d *Disk) delete(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.isOff {
		delete(d.files, name)
	}
	return !d.isOff
}

// change counts a change, says what becomes of it, and notes it unless power had gone before or it fails. Of a change at which power
// goes any part may be left.
func (d *Disk) change(note func()) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isOff {
		return off
	}
	d.changes++
	if d.changes == d.failAt {
		return fails
	}
	d.isOff = d.changes == d.cutAt
	note()
	if d.isOff {
		return off
	}
	return works
}

func (d *Disk) write(name string, data []byte, offset int64) result {
	return d.change(func() { d.note(name, change{data, offset}) })
}

func (d *Disk) truncate(name string, size int64) result {
	return d.change(func() { d.note(name, change{offset: size}) })
}

func (d *Disk) note(name string, c change) {
	if f := d.files[name]; f != nil { // else it was deleted while it was open
		f.pending = append(f.pending, c)
	}
}

func (d *Disk) sync(name string) result {
	return d.change(func() {
		if f := d.files[name]; f != nil && !d.isOff {
			for _, c := range f.pending {
				f.durable = c.apply(f.durable)
			}
			f.pending = nil
		}
	})
}

func (c change) apply(to []byte) []byte {
	if c.data == nil {
		return resize(to, c.offset)
	}
	to = resize(to, max(int64(len(to)), c.offset+int64(len(c.data))))
	copy(to[c.offset:], c.data)
	return to
}

// resize cuts off, or adds zeros, as a file system does.
func resize(content []byte, size int64) []byte {
	if have := int64(len(content)); have < size {
		return append(content, make([]byte, size-have)...)
	}
	return slices.Clip(content[:size])
}

// Loss is how much a power cut, or the end of a process, leaves of what was not synced.
type Loss int

// Losses.
const (
	Nothing  Loss = iota // is lost: a process was killed, the operating system goes on
	All                  // is lost
	Tail                 // is lost: from some byte on, which may be in the middle of a write
	Anything             // may be lost: each sector for itself
	Losses
)

func (l Loss) String() string { return [...]string{"nothing", "all", "the tail", "anything"}[l] }

const sector = 512 // bytes, that a disk writes whole

// After writes into a folder what is left when power has gone. The same random numbers leave the same.
func (d *Disk) After(loss Loss, random *rand.Rand, folder string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range d.names() {
		f := d.files[name]
		content := slices.Clone(f.durable)
		for _, c := range f.left(loss, random) {
			content = c.apply(content)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (d *Disk) names() (all []string) {
	for name := range d.files {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// left returns what of the pending changes has reached the disk.
func (f *file) left(loss Loss, random *rand.Rand) (all []change) {
	switch loss {
	case Nothing:
		return f.pending
	case Tail:
		if len(f.pending) > 0 {
			n := random.IntN(len(f.pending))
			last := f.pending[n]
			if last.data != nil {
				last.data = last.data[:random.IntN(len(last.data)+1)]
			}
			return append(slices.Clone(f.pending[:n]), last)
		}
	case Anything:
		for _, c := range f.pending {
			all = append(all, c.sectors(random)...)
		}
	}
	return all
}

func (c change) sectors(random *rand.Rand) (all []change) {
	if c.data == nil {
		if random.IntN(2) == 0 {
			all = append(all, c)
		}
		return all
	}
	for from := 0; from < len(c.data); {
		to := min(len(c.data), from+sector-int((c.offset+int64(from))%sector))
		if random.IntN(2) == 0 {
			all = append(all, change{c.data[from:to], c.offset + int64(from)})
		}
		from = to
	}
	return all
}
