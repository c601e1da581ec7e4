package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
)

// leaseFile is what is written down of a lease that is spent.
type leaseFile struct {
	Lease string              `json:"lease"`
	Used  []api.LeaseItemUsed `json:"used"`
	Last  bool                `json:"last,omitzero"` // it was reported for the last time, or was to be
}

// OpenSpender goes on with a lease that another Spender kept in a file, whose name it had from KeepIn; it keeps it there, too. An error that is fs.ErrNotExist
// says that there is none.
func OpenSpender(file string, keys *api.LeaseKeys) (*Spender, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var is leaseFile
	if err := json.Unmarshal(text, &is); err != nil {
		return nil, fmt.Errorf("%s is not what a lease was kept in: %w", file, err)
	}
	s, err := NewSpender(is.Lease, keys, is.Used)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s.file, s.last = file, is.Last
	return s, nil
}

// KeepIn has all that is spent be in a file, synced to the disk, before Spend returns; and what was spent so far at once. No two processes may spend one lease,
// nor share a file: it fails if there is a file of that name, which may be of another lease that was not reported yet. OpenSpender goes on with it; remove it
// once a final report was answered.
func (s *Spender) KeepIn(file string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch _, err := os.Lstat(file); {
	case err == nil:
		return fmt.Errorf("%s is there already; go on with it by OpenSpender, or report it and remove it", file)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	before := s.file
	s.file = file
	if err := s.writeDown(); err != nil {
		s.file = before
		return err
	}
	return nil
}

// writeDown puts another file in place of the one that there is, so that one of them is whole, whatever happens.
func (s *Spender) writeDown() (err error) {
	if s.file == "" {
		return nil
	}
	text, err := json.Marshal(leaseFile{s.text, s.usedSoFar(), s.last})
	if err != nil {
		return err
	}
	folder := filepath.Dir(s.file)
	next, err := os.CreateTemp(folder, filepath.Base(s.file)+".next-") // for its owner only
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	err = errors.Join(err, next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), s.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return syncFolder(folder)
}

// syncFolder has a name in a folder survive a power cut.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
