// Package postgres keeps the books in PostgreSQL, where any number of servers share them. See README.md for what it promises
// and where it ends.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
)

// Options say how a database is opened.
type Options struct {
	Read bool // change nothing, not even the schema
}

// Store is a store.Store in one schema of a PostgreSQL database.
type Store struct {
	name      string // of the database, for people: without a password
	reads     *pgxpool.Pool
	writes    *pgxpool.Pool
	changing  chan struct{} // one change of this process at a time waits for its lock, with one connection
	locks     locks
	batchMost time.Duration // the constant, but in tests
	receipts  *codec.Receipts
	settings  atomic.Pointer[settings]
	months    atomic.Pointer[months] // nil: to be read
	held      heldBooks
	aheadAt   atomic.Int64 // Unix seconds; before that no partition is made ahead, since the last attempt failed
	doubts    atomic.Int64 // commits of which it is not known whether they were made, or whether a replica has them
	settled   atomic.Int64 // how many of those a later commit has settled
	closed    atomic.Bool  // then nothing is tried again
}

var _ store.Store = (*Store)(nil)

// locks are the names of the advisory locks of one schema. All are held by transactions, never by connections.
type locks struct {
	change  int64 // by changes alone, and by batches together
	journal int64 // by who appends to the journal, until that is committed
	months  int64 // by who makes a partition of the journal
}

// Connections of a store, at most. Writing needs few: the engine makes one batch at a time, and changes wait for each other.
const (
	writesMost = 4
	readsMost  = 8
)

// How long a machine may be silent until another is asked: one that is not there any more does not say so. The driver would wait for minutes.
const (
	connectWithin = 5 * time.Second // unless the URL has a connect_timeout
	silentMost    = 15 * time.Second
)

// batchMost is how long one attempt of a batch may take, whatever PostgreSQL does in that time: one that is frozen holds its connections, and a
// network that swallows packets is not always noticed by silentMost, since who is between may acknowledge them. With what is tried again, a batch
// is answered after batchMost and doubtPatience at the latest. Changes and reads wait no longer to begin or to be committed, and statementMost for each
// of their statements, of which some look at much.
const (
	batchMost     = silentMost
	statementMost = time.Minute
)

// dialer makes connections that notice that the other side is gone, be it that an answer is waited for, or that nothing is.
func dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout: timeout, Control: boundSilence,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silentMost / 3, Interval: silentMost / 3, Count: 2},
	}
}

// openWithin is how long a database may take to answer when it is opened.
const openWithin = 15 * time.Second

// Open opens a database by its URL, such as postgres://user@host/database. What it says when it cannot is for the operator.
func Open(url string, options Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("--db is not a PostgreSQL URL such as postgres://user:password@host:5432/database: %w", err)
	}
	s := &Store{name: nameOf(config.ConnConfig), batchMost: batchMost, changing: make(chan struct{}, 1)}
	if s.receipts, err = codec.NewReceipts(writesMost); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), openWithin)
	defer cancel()
	if err := s.open(ctx, config, options); err != nil {
		return nil, errors.Join(s.cannotOpen(config.ConnConfig, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, config *pgxpool.Config, options Options) (err error) {
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectWithin
	}
	config.ConnConfig.DialFunc = dialer(config.ConnConfig.ConnectTimeout).DialContext
	config.ConnConfig.OnNotice = noteNotice
	if !strings.Contains(config.ConnString(), "default_query_exec_mode") { // or an administrator knows better
		if config.ConnConfig.DefaultQueryExecMode, err = execMode(ctx, config.ConnConfig); err != nil {
			return err
		}
	}
	config.MaxConns = readsMost
	if s.reads, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	config = config.Copy()
	config.MaxConns = writesMost
	if s.writes, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	conn, err := s.writes.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if err := s.nameLocks(ctx, conn.Conn()); err != nil {
		return err
	}
	if err := s.migrate(ctx, conn.Conn(), options.Read); err != nil {
		return err
	}
	return s.Refresh(ctx)
}

// execMode says how statements are asked for: with names, by which PostgreSQL keeps their plans with the connection, where a connection is to one process of
// PostgreSQL. A pool that gives each transaction any of its connections (PgBouncer) may know nothing of names; it is told by the number of the process,
// which it makes up. Then statements have no names, and what they take and give is remembered here.
func execMode(ctx context.Context, config *pgx.ConnConfig) (pgx.QueryExecMode, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid); err != nil {
		return 0, err
	}
	if pid == conn.PgConn().PID() {
		return pgx.QueryExecModeCacheStatement, nil
	}
	return pgx.QueryExecModeCacheDescribe, nil
}

// nameLocks gives the schema its own locks: two in one database do not wait for each other.
func (s *Store) nameLocks(ctx context.Context, conn *pgx.Conn) error {
	var schema *string
	var version int
	if err := conn.QueryRow(ctx, "SELECT current_schema(), current_setting('server_version_num')::int").Scan(&schema, &version); err != nil {
		return err
	}
	if version < 15_00_00 {
		return fmt.Errorf("it is PostgreSQL %d; 15 or later is needed", version/10_000)
	}
	if schema == nil {
		return errors.New("this user has no schema to keep tables in; CREATE SCHEMA farebox AUTHORIZATION the_user, and ALTER ROLE the_user SET search_path = farebox")
	}
	key := func(what string) int64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte("farebox " + what + " " + *schema))
		return int64(h.Sum64())
	}
	s.locks = locks{change: key("change"), journal: key("journal"), months: key("months")}
	return nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.closed.Store(true)
	for _, pool := range []*pgxpool.Pool{s.reads, s.writes} {
		if pool != nil {
			pool.Close()
		}
	}
	return nil
}

// Backup implements store.Store: this store makes no backups in files.
func (s *Store) Backup(context.Context, string) error {
	return problem.New(problem.Conflict, "books in PostgreSQL are backed up by its own tools: pg_dump %s, or pg_basebackup with archived logs (docs/OPERATIONS.md)", s.name)
}

// Check implements store.Store: it tells of pages that PostgreSQL found damaged, if the cluster has checksums.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	var failures *int64
	err := s.reads.QueryRow(ctx, "SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()").Scan(&failures)
	if err != nil {
		return nil, store.Unavailable(err)
	}
	if failures != nil && *failures > 0 {
		return []string{fmt.Sprintf("PostgreSQL found %d pages with a wrong checksum; see its log", *failures)}, nil
	}
	return nil, nil
}

// Name returns what a URL names, without its password.
func Name(url string) string {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return "the database"
	}
	return nameOf(config)
}

func nameOf(c *pgx.ConnConfig) string {
	hosts := []string{fmt.Sprintf("%s:%d", c.Host, c.Port)}
	for _, other := range c.Fallbacks {
		if host := fmt.Sprintf("%s:%d", other.Host, other.Port); !slices.Contains(hosts, host) { // one is there with TLS and without
			hosts = append(hosts, host)
		}
	}
	return fmt.Sprintf("postgres://%s@%s/%s", c.User, strings.Join(hosts, ","), c.Database)
}

// translate makes an error of the driver a problem.
func translate(err *error) { *err = store.Unavailable(*err) }

// storable says whether PostgreSQL can have a text. What it cannot have is not there, and asking for it would fail everybody's batch.
func storable(text string) bool {
	return strings.ToValidUTF8(text, "\x00") == text && !strings.Contains(text, "\x00")
}
