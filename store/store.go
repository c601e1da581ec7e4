// Package store is the contract of the books: what every store promises, whatever it is made of. A store loads, locks and
// writes; it never decides.
package store

import (
	"context"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/usage"
)

// OnceRetention is how long idempotency keys are kept at least.
const OnceRetention = 7 * 24 * time.Hour

// Store keeps instances, line items, rate tables, keys, configuration and receipts. Its methods are safe for concurrent
// use. When the store cannot do its work (disk full, locked, damaged) they fail with a problem of the kind Unavailable,
// and then nothing was written.
type Store interface {
	// Commit is the hot path: one durable transaction for a batch of requests. It loads and locks what want names, calls
	// decide, writes what decide returns with the balances that follow from its receipts, and returns once that would
	// survive a power cut. Decide books on the loaded books, waits for nothing, and may be called again on
	// freshly loaded ones if the transaction must be repeated. If Commit fails, nothing was booked.
	Commit(ctx context.Context, want Want, decide func(*Loaded) Decided) error

	// Change runs a transaction of everything that is not a charge. It is durable when Change returns nil, and leaves
	// nothing behind when fn or the commit fails; an error of fn is returned as it is. Changes are made one at a time,
	// and none while a batch commits.
	Change(ctx context.Context, fn func(Tx) error) error

	// View runs fn on one consistent, committed state.
	View(ctx context.Context, fn func(Reader) error) error

	// Settings returns the keys, configuration and rate tables now in force, without waiting: all changes made through
	// this store, and those of others up to the last Refresh or Commit.
	Settings() *Settings

	// Refresh takes notice of what others have changed in the same database.
	Refresh(ctx context.Context) error

	// Forget drops idempotency keys that were used before a time, and covers and holds that ended by time before it; leases only
	// if they were over LeaseLonger before it. Of consumption it may drop
	// that in periods of a limit that were over by settledMS, as of before which nothing is charged any more.
	Forget(ctx context.Context, beforeMS, settledMS int64) error

	// Backup writes a consistent copy to a new file while the store is in use.
	Backup(ctx context.Context, file string) error

	// Check looks for damage below the books, as the storage engine can see it, and returns what it found.
	Check(ctx context.Context) ([]string, error)

	// Close ends the use of the store. No method may be running or called after.
	Close() error
}

// Want names what a batch needs.
type Want struct {
	Instances []string // may repeat
	Once      []usage.OnceID
	Sessions  []string // ids, may repeat; the books of their instances come with them
	Due       *Due     // nil: none
	// NowMS is the time of the batch, and Holds are the ids of those that it is about; the books of their instances are to be named, too.
	NowMS int64
	Holds []string
	// Requesters are those whose standing is needed; those of the sessions that are loaded come with them.
	Requesters []ledger.RequesterKey
	Charges    []string // correlation ids of receipts that may be refunded; may repeat
}

// Due claims sessions about which something is to be done by a time. Those that another server has claimed, and not let go
// of by committing, are left to it.
type Due struct {
	ByMS int64
	Most int // how many: the ones due first
}

// Loaded is what a batch decides on. All of it is locked until the batch is committed: a session by the lock of its book.
type Loaded struct {
	// Books are by instance id; there is none for an instance that does not exist. Each has the holds on its instance that were neither settled
	// for good nor released, and are live at Want.NowMS or later.
	Books    map[string]*ledger.Book
	Earlier  map[usage.OnceID]*usage.Receipt
	Sessions map[string]*access.Session // by id, those that were claimed among them; none that does not exist
	Due      []*access.Session          // claimed, the ones due first in front
	Holds    map[string]*access.Hold    // by id; none that does not exist
	// Standings are those of the requesters, as far as anything that is loaded asks for them: a requester that has none here
	// has nothing behind it. Never nil.
	Standings map[ledger.RequesterKey]*ledger.Standing
	Given     map[string][]usage.GivenBack // of Charges, what refunds gave back of each, in their order; nil: nothing of any
	Settings  *Settings
}

// Decided is what a batch has come to. Without anything in it nothing is written, and what decide did to the books is
// forgotten. Balances, allocations, consumption, covers, holds and what was given back follow from the receipts (usage.EffectsOf).
type Decided struct {
	Receipts []*usage.Receipt
	Sessions []*access.Session // new (with Number 0, which is then set) and changed, each once
}

// Clock is how a database's time passes. It is decided when the database is first served, and for good.
type Clock struct {
	Test  bool  // by being told to; else as in the world
	NowMS int64 // with Test: the time
}

// Settings are what requests are judged by, besides the books. They do not change; a change makes new ones.
type Settings struct {
	Keys          []auth.Key
	Configuration map[string]ConfigValue // what was changed from its default
	Rates         *rate.Catalog
}

// ConfigValue is a configuration value that was changed.
type ConfigValue struct {
	Name       string
	Value      string
	ModifiedMS int64
	UpdatedBy  string // the id of the key whose token changed it
}

// Instance is where an account's line items live.
type Instance struct {
	Number     int64 // the store's name for it; instances are listed in its order
	ID         string
	ShortName  string
	AccountID  string
	Default    bool // the first of its account
	CreatedMS  int64
	ModifiedMS int64
}

// Pack is what a producer sells, as a template for line items. Body is JSON, the engine's.
type Pack struct {
	Name       string
	CreatedMS  int64
	ModifiedMS int64
	Body       []byte
}

// Sale is one order of a pack. Body is JSON, the engine's: what was asked for.
type Sale struct {
	OrderNumber  string
	InstanceID   string
	Pack         string
	ActivationID string
	TimeMS       int64
	Body         []byte
}

// LineItemChange is how a line item was told to be from a time on. Its use, actions and limit are not part of it.
type LineItemChange struct {
	TimeMS   int64
	LineItem ledger.LineItem // with Deleted, it was deleted or removed
}

// Follower is someone who reads the record at their own pace, and how far they have come.
type Follower struct {
	Name     string
	Position usage.Position // where to go on from
	Body     []byte         // what else they have to remember
}

// Removed is how much of the oldest record was removed. The zero value: nothing.
type Removed struct {
	Next       usage.Position // behind the last receipt that was removed, which is the last one of its commit
	EarliestMS int64          // all receipts are there whose time is not before
}

// Answer is what was answered to a request other than a charge that came with an idempotency key.
type Answer struct {
	TimeMS      int64
	Fingerprint []byte // of the request
	Status      int
	Body        []byte
}

// Reader reads one consistent state. What does not exist is nil, not an error.
type Reader interface {
	NoticeReader

	Instance(id string) (*Instance, error)
	DefaultInstance(accountID string) (*Instance, error)
	Instances(afterNumber int64, limit int) ([]Instance, error)

	// LineItem and LineItems return deleted ones too: their use still counts.
	LineItem(activationID string) (*ledger.LineItem, error)
	LineItems(instanceID string) ([]*ledger.LineItem, error) // empty id: of all instances, by number
	// LineItemChanges returns how an instance's line items (empty id: all) were told to be, in the order in which they were told.
	LineItemChanges(instanceID string) ([]LineItemChange, error)
	Settings() (*Settings, error)
	Follower(name string) (*Follower, error)
	Followers() ([]Follower, error) // by name

	// Removed returns how much of the record was removed, and Opening what was put in place of it; nil of nothing.
	Removed() (Removed, error)
	Opening() ([]byte, error)

	Session(id string) (*access.Session, error)
	// LiveSessions returns those of an instance that have not ended, newest first, from before a number on (0: from the newest).
	LiveSessions(instanceID string, beforeNumber int64, limit int) ([]*access.Session, error)
	// NextDue returns when something is first to be done about any session; 0 when nothing ever is.
	NextDue() (int64, error)
	// EachSession calls fn with all sessions, ended ones too, and EachCover with all covers, in any order.
	EachSession(fn func(*access.Session) error) error
	EachCover(fn func(*ledger.Cover) error) error
	// Hold returns a hold, also one that has ended, until it was forgotten.
	Hold(id string) (*access.Hold, error)
	// LiveHolds returns those of an instance that have neither ended nor lapsed by a time, leases or others, newest first, from before a number on (0:
	// from the newest), and Held returns what all of both keep, in any order.
	LiveHolds(instanceID string, leases bool, nowMS, beforeNumber int64, limit int) ([]*access.Hold, error)
	Held(instanceID string, nowMS int64) ([]*ledger.Hold, error)
	// LeaseKeys returns the keys that sign leases, the oldest first.
	LeaseKeys() ([]LeaseKey, error)
	// Answer returns what was answered to a change that had this idempotency key.
	Answer(usage.OnceID) (*Answer, error)
	// EachHold calls fn with all holds that were not forgotten, in any order.
	EachHold(fn func(*access.Hold) error) error
	// Conditions returns an instance's conditions in their order.
	Conditions(instanceID string) ([]*ledger.Condition, error)
	// Consumed returns what requesters consumed in a period of the limit of a line item, in the order of their type and value,
	// from after one on (nil: from the first).
	Consumed(of ledger.PeriodKey, after *ledger.RequesterKey, limit int) ([]ledger.Consumed, error)
	// EachConsumed calls fn with all consumption that was not forgotten, in any order.
	EachConsumed(fn func(*ledger.Consumed) error) error
	// Standing returns what a requester has behind it; never nil.
	Standing(ledger.RequesterKey) (*ledger.Standing, error)
	Pack(name string) (*Pack, error)
	Packs() ([]Pack, error) // by name
	Sale(orderNumber string) (*Sale, error)
	// Clock returns nil of a database that was never served.
	Clock() (*Clock, error)

	// Buckets returns the headers of the buckets that can have events of a time range (toMS 0: without end), in the order of the
	// record; BucketColumns those columns of a bucket that have one of some names and that it has.
	Buckets(fromMS, toMS int64) ([]usage.BucketHeader, error)
	BucketColumns(number int64, names []string) (map[string][]byte, error)

	// Receipts calls fn with the receipts from a position on, in order, until fn returns false or an error. Receipts that
	// the filter cannot select may be left out. It stops after about bound receipts looked at (0: never) and returns
	// the position to go on from; the zero Position when there is no more.
	Receipts(from usage.Position, filter *usage.Filter, bound int, fn func(usage.Position, *usage.Receipt) (bool, error)) (usage.Position, error)
	// Receipt finds a receipt by its correlation id among those of the commits whose latest receipt was made (usage.Receipt.MadeMS) at a time, or in
	// the few commits before it; nil if it is none of these.
	Receipt(correlationID string, madeMS int64) (*usage.Receipt, error)
	// Given returns what refunds gave back of a charge, in their order; EachGiven calls fn with all that refunds gave back, in any.
	Given(correlationID string) ([]usage.GivenBack, error)
	EachGiven(fn func(*usage.GivenBack) error) error
}

// Tx reads and writes one state.
type Tx interface {
	Reader
	NoticeWriter

	InsertInstance(*Instance) error // sets Number

	// PutLineItem writes a line item, new or not, with its actions and limit, but never the use of one that exists, nor that of
	// allocations; that of actions which are gone is forgotten. It sets Number.
	PutLineItem(*ledger.LineItem) error
	// Charged reports whether a line item has usage events, or might get some, since there are holds on its instance that were not forgotten. Its
	// use does not tell: it is 0 after a charge of 0 tokens.
	Charged(activationID string) (bool, error)
	// RemoveLineItem removes a line item that was never charged, with every trace but its changes.
	RemoveLineItem(activationID string) error
	// AddLineItemChange remembers how a line item was told to be.
	AddLineItemChange(LineItemChange) error
	PutFollower(Follower) error
	DeleteFollower(name string) error

	// RemoveReceipts removes the receipts of all commits up to that of Next, with their idempotency keys, which must be past their
	// time, and puts what they came to, in the caller's words. It fails if that would leave no commit.
	RemoveReceipts(removed Removed, opening []byte) error

	InsertRateTable(*rate.Table) error // sets Serial
	DeleteRateTable(series, version string) error

	InsertLeaseKey(LeaseKey) error
	PutKey(auth.Key) error // of a key that exists, CreatedMS is kept
	DeleteKey(role auth.Role, id string) error
	PutConfigValue(ConfigValue) error
	PutClock(Clock) error

	// PutConditions replaces an instance's conditions.
	PutConditions(instanceID string, all []*ledger.Condition) error
	// ForgetConsumed forgets what requesters consumed from a line item, in all periods.
	ForgetConsumed(lineItem int64) error
	PutPack(Pack) error
	DeletePack(name string) error
	InsertSale(Sale) error

	InsertBucket(*usage.Bucket) error // sets Number, which no bucket has had before
	DeleteBucket(number int64) error  // with its columns

	PutAnswer(usage.OnceID, *Answer) error
	// Earlier returns the receipt of a charge that had this idempotency key.
	Earlier(usage.OnceID) (*usage.Receipt, error)
}
