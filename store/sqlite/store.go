// Package sqlite keeps the books in one SQLite file, through a driver written in Go alone. See README.md for what it
// promises and where it ends.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"
	driver "modernc.org/sqlite"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
)

// Options say how a database is opened.
type Options struct {
	Create bool // make the file when it is not there
	Serve  bool // be the one server of this file: refuse when another process is
	Read   bool // change nothing, not even the schema
	Move   bool // charge nothing, so that idempotency keys need not be held in memory: Commit fails
}

// Store is a store.Store in one file.
type Store struct {
	path   string
	read   bool         // opened to be read only: writing fails
	move   bool         // opened to be moved: charging fails
	lock   *flock.Flock // held by a server
	reads  *sql.DB
	writes *sql.DB

	mu         sync.Mutex // guards everything that writes: the connection, its statements, and the caches below
	conn       *sql.Conn
	stmts      statements
	version    int64                   // PRAGMA data_version: moves when another process has written
	lastCommit int64                   // number of the newest journal row
	books      map[string]*ledger.Book // as in the file
	tables     map[int64]*rate.Table   // by serial; tables never change
	once       onceWindow
	written    int    // bytes of JSON of the last receipts
	lines      []byte // room for those of a batch ...
	packed     []byte // ... for what becomes of them ...
	keys       []byte // ... and for their idempotency keys
	receipts   *codec.Receipts

	recent     recentRows
	settings   atomic.Pointer[store.Settings]
	checkpoint checkpointer
}

var _ store.Store = (*Store)(nil)

// Open opens a database. What it says when it cannot is for the operator.
func Open(path string, options Options) (*Store, error) {
	if err := look(path, options.Create); err != nil {
		return nil, err
	}
	s := &Store{path: path, read: options.Read, move: options.Move, books: map[string]*ledger.Book{}, tables: map[int64]*rate.Table{}}
	if options.Serve {
		if err := s.lockFile(); err != nil {
			return nil, err
		}
	}
	if err := s.open(options); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// look refuses what is certainly no database before SQLite sees it: SQLite takes a file that is too short to be one for
// an empty database, and writes over it.
func look(path string, create bool) error {
	info, err := os.Stat(path)
	switch {
	case path == "":
		return errors.New("the name of the database is empty; give --db a file, or postgres://user@host/database")
	case errors.Is(err, fs.ErrNotExist) && create:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist; `farebox serve --db %s` makes it", path, path)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory; name a file in it", path)
	case info.Size() > 0 && info.Size() < smallestFile && !cutOff(path):
		return fmt.Errorf(notADatabase, path)
	}
	return nil
}

// cutOff says whether a file's making was cut off by a crash. SQLite begins a file with a rollback journal, and only later has a
// write-ahead log instead.
func cutOff(path string) bool {
	_, err := os.Stat(path + "-journal")
	return err == nil
}

const (
	smallestFile = 512 // bytes; SQLite's smallest page
	notADatabase = "%s is not a database; give another --db, or restore it from a backup"
	noWay        = "%s cannot be opened: is the directory there, and may this user write to it? (%w)"
)

// makeFile makes the file when it is not there, for its owner alone: the secrets that webhooks and leases are signed with are in it. SQLite would leave that
// to the umask; to its logs it gives the mode of the file. A file that is there keeps its mode.
func (s *Store) makeFile() error {
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return fmt.Errorf(noWay, s.path, err)
	}
	return f.Close()
}

func (s *Store) lockFile() error {
	path := s.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the lock lies beside the file itself, by whatever name it was opened
	}
	lock := flock.New(path + ".lock")
	got, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf(noWay, s.path, err)
	}
	if !got {
		return fmt.Errorf("%s is being served by another process; stop that one first, or give this one its own --db", s.path)
	}
	s.lock = lock
	return nil
}

// readers is how many connections read at a time.
const readers = 4

func (s *Store) open(options Options) (err error) {
	// A commit waits for fdatasync, which keeps all that fsync keeps of a database. Where there is none, fsync stays.
	_, _ = driver.Fdatasync(true)
	if s.receipts, err = codec.NewReceipts(1); err != nil {
		return err
	}
	if options.Create {
		if err := s.makeFile(); err != nil {
			return err
		}
	}
	if s.writes, err = sql.Open("sqlite", dsn(s.path, options.Read)); err != nil {
		return err
	}
	if s.reads, err = sql.Open("sqlite", dsn(s.path, true)); err != nil {
		return err
	}
	s.reads.SetMaxOpenConns(readers)
	s.reads.SetMaxIdleConns(readers) // or some would be opened and closed all the time
	ctx := context.Background()
	if _, err := os.Stat(s.path); err == nil {
		// A writing connection changes the file as soon as it is there, so look first whose it is.
		if err := s.lookInside(ctx, options.Read); err != nil {
			return s.cannotOpen(err)
		}
	}
	if s.conn, err = s.writes.Conn(ctx); err != nil {
		return s.cannotOpen(err)
	}
	if err := s.migrate(ctx, options.Read); err != nil {
		return s.cannotOpen(err)
	}
	if s.stmts, err = prepare(ctx, s.conn); err != nil {
		return s.cannotOpen(err)
	}
	if err := s.reload(ctx); err != nil {
		return s.cannotOpen(err)
	}
	if !s.read {
		s.checkpoint.start(s)
	}
	return nil
}

// lookInside refuses what is no database of ours. One whose making was cut off has to be rolled back before it can be read, which
// takes a connection that may write; it changes nothing else.
func (s *Store) lookInside(ctx context.Context, read bool) error {
	reads := s.reads
	if !read && cutOff(s.path) {
		rolls, err := sql.Open("sqlite", fileURL(s.path, url.Values{"mode": {"rw"}, "_pragma": {"query_only(1)"}}))
		if err != nil {
			return err
		}
		defer rolls.Close()
		reads = rolls
	}
	_, err := schemaVersion(ctx, reads)
	return err
}

// dsn names the file with the settings of every connection. The write-ahead log is synced at every commit
// (synchronous FULL); it is copied into the database by the checkpointer alone, off the path of answers.
func dsn(path string, read bool) string {
	q := url.Values{}
	q.Add("_pragma", "busy_timeout(5000)")
	if read {
		q.Add("_pragma", "query_only(1)")
		q.Add("mode", "ro")
	} else {
		q.Add("_pragma", "journal_mode(WAL)")
		q.Add("_pragma", "synchronous(FULL)")
	}
	q.Add("_pragma", "wal_autocheckpoint(0)")
	q.Add("_pragma", "foreign_keys(0)")
	q.Add("_pragma", "cache_size(-65536)")
	return fileURL(path, q)
}

func fileURL(path string, q url.Values) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.checkpoint.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	s.stmts.close()
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	for _, db := range []*sql.DB{s.reads, s.writes} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Unlock())
	}
	return errors.Join(errs...)
}

// Settings implements store.Store.
func (s *Store) Settings() *store.Settings { return s.settings.Load() }

// cannotOpen says to the operator why a database cannot be used.
func (s *Store) cannotOpen(err error) error {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		switch e.Code() & 0xff {
		case codeNotADatabase:
			return fmt.Errorf(notADatabase, s.path)
		case codeCorrupt:
			return fmt.Errorf("%s is damaged (%v); restore it from a backup", s.path, err)
		case codeCannotOpen:
			return fmt.Errorf(noWay, s.path, err)
		}
	}
	return fmt.Errorf("%s: %w", s.path, err)
}

// SQLite's result codes (https://sqlite.org/rescode.html) that need words of their own.
const (
	codeCorrupt      = 11
	codeCannotOpen   = 14
	codeNotADatabase = 26
)
