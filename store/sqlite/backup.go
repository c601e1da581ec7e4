package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/farebox/farebox/problem"
)

// Backup implements store.Store. The copy appears under its name only when it is whole and on disk; a file that is there
// already is never touched.
func (s *Store) Backup(ctx context.Context, file string) error {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return thereAlready(file)
	}
	part, err := partOf(file)
	if err != nil {
		return backupFailed(file, err)
	}
	if _, err = s.writes.ExecContext(ctx, "VACUUM INTO ?", part); err == nil {
		err = errors.Join(syncPath(part), os.Link(part, file))
	}
	err = errors.Join(err, os.Remove(part), syncPath(filepath.Dir(file)))
	if errors.Is(err, fs.ErrExist) {
		return thereAlready(file)
	}
	if err != nil {
		return backupFailed(file, err)
	}
	return nil
}

// partOf makes an empty file beside the one that is to be. Each backup has its own, so that two never write into one.
func partOf(file string) (string, error) {
	part, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.part")
	if err != nil {
		return "", err
	}
	return part.Name(), part.Close()
}

func thereAlready(file string) error {
	return problem.New(problem.Conflict, "%s is there already; name a new file", file)
}

// backupFailed says why: whoever makes backups is an operator.
func backupFailed(file string, err error) error {
	return problem.Wrap(problem.Unavailable, err, "backup to %s: %v", file, err)
}

// syncPath makes a file, or the names in a directory, survive a power cut.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
