package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/farebox/farebox/export"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

type usageExportCmd struct {
	Format     export.Format `enum:"csv,ndjson,parquet" default:"csv" help:"csv, ndjson or parquet."`
	To         string        `default:"-" help:"A file; a folder (with a / at its end, or one that is there) or file:/// or s3:// for a file a day; - for the standard output." placeholder:"FILE|FOLDER|URL"`
	Follow     bool          `help:"Go on as events come, until stopped. Started again, it goes on where it was."`
	Until      moment        `help:"Only before this time." placeholder:"TIME"`
	eventFlags `embed:""`
	database   `embed:""`
}

func (cmd *usageExportCmd) filter() *usage.Filter { return cmd.filterUntil(cmd.Until) }

// Help adds to --help.
func (*usageExportCmd) Help() string {
	return `Reads the database also while it is served. A file is written whole, or with --follow grows (csv and ndjson); FILE.position tells how
far it goes. A folder or object store gets date=2026-01-31/usage-….parquet, each day when it is over (UTC), and only what is not there yet:
_farebox-export.json tells how far it goes. Whatever happens, each event is there once. See docs/EXPORT.md.

  farebox usage export --format parquet --to january.parquet --from 2026-01-01T00:00:00Z --until 2026-02-01T00:00:00Z
  farebox usage export --format ndjson --to events.ndjson --follow
  farebox usage export --format parquet --to s3://bucket/usage?region=eu-central-1`
}

// Run is the verb.
func (cmd *usageExportCmd) Run() error {
	days := strings.Contains(cmd.To, "://") || isFolder(cmd.To)
	switch {
	case cmd.Follow && cmd.To == "-":
		return usageError("--follow needs a --to, beside which it can keep how far it has come")
	case cmd.Follow && !days && cmd.Format == export.Parquet:
		return usageError("a Parquet file cannot grow; give --to a folder, or take csv or ndjson")
	}
	s, err := cmd.open(opening{read: true})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch {
	case days:
		err = cmd.days(ctx, s)
	case cmd.Follow:
		err = cmd.grow(ctx, s)
	case cmd.To == "-":
		err = cmd.whole(ctx, s, os.Stdout)
	default:
		err = export.WriteFile(cmd.To, func(w io.Writer) error { return cmd.whole(ctx, s, w) })
	}
	if cmd.Follow && ctx.Err() != nil {
		err = nil // it was stopped, and goes on when it is started again
	}
	return errors.Join(err, s.Close())
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return strings.HasSuffix(name, "/") || err == nil && info.IsDir()
}

// whole writes what one state has.
func (cmd *usageExportCmd) whole(ctx context.Context, s store.Store, to io.Writer) error {
	buffered := bufio.NewWriterSize(to, 1<<16)
	w := export.NewWriter(cmd.Format, buffered)
	err := s.View(ctx, func(r store.Reader) error { return eachEvent(r, cmd.filter(), w.Write) })
	if err != nil {
		return err
	}
	return errors.Join(w.Close(), buffered.Flush())
}

// followEvery is how often is looked for what is new.
const followEvery = time.Second

// repeat calls advance until it has nothing more to do, and with --follow until ctx ends.
func (cmd *usageExportCmd) repeat(ctx context.Context, advance func() (more bool, err error)) error {
	for {
		more, err := advance()
		if err != nil || !more && !cmd.Follow {
			return err
		}
		wait := followEvery
		if more {
			wait = 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (cmd *usageExportCmd) grow(ctx context.Context, s store.Store) error {
	f, err := export.OpenFile(cmd.To, cmd.Format, *cmd.filter())
	if err != nil {
		return err
	}
	err = cmd.repeat(ctx, func() (more bool, err error) {
		err = s.View(ctx, func(r store.Reader) error {
			more, err = f.Advance(r)
			return err
		})
		return more, err
	})
	return errors.Join(err, f.Close())
}

func (cmd *usageExportCmd) days(ctx context.Context, s store.Store) error {
	bucket, err := openBucket(ctx, cmd.To)
	if err != nil {
		return err
	}
	days, err := export.ResumeDays(ctx, bucket, cmd.Format, *cmd.filter())
	if err == nil {
		err = cmd.repeat(ctx, func() (bool, error) {
			nowMS, err := timeOf(ctx, s)
			if err != nil {
				return false, err
			}
			return days.Advance(ctx, s, nowMS)
		})
	}
	return errors.Join(err, bucket.Close())
}

func openBucket(ctx context.Context, to string) (*export.Bucket, error) {
	if strings.Contains(to, "://") {
		return export.OpenBucket(ctx, to)
	}
	return export.OpenFolder(to)
}

// timeOf returns the time of a database, as nowOf.
func timeOf(ctx context.Context, s store.Store) (nowMS int64, err error) {
	err = s.View(ctx, func(r store.Reader) error {
		nowMS, err = nowOf(r)
		return err
	})
	return nowMS, err
}

// eventFlags select events.
type eventFlags struct {
	Instance      []string `help:"Only of this instance; may be repeated." placeholder:"ID" sep:"none"`
	LineItem      string   `help:"Only of this line item." placeholder:"ACTIVATION-ID"`
	Item          string   `help:"Only of this item." placeholder:"NAME"`
	Requester     string   `help:"Only by this requester (its value)." placeholder:"VALUE"`
	RequesterType string   `help:"Only by this type of requester." placeholder:"TYPE"`
	Kind          string   `help:"Only of this kind, one of: ${kindsToRead}." enum:",${kinds}" default:"" placeholder:"KIND"`
	From          moment   `help:"From this time on: a date or a time such as 2026-01-31T08:00:00Z." placeholder:"TIME"`
}

func (f *eventFlags) filterUntil(to moment) *usage.Filter {
	filter := &usage.Filter{
		InstanceIDs: f.Instance, ActivationID: f.LineItem, Item: f.Item, RequesterValue: f.Requester, RequesterType: f.RequesterType, Kind: usage.Kind(f.Kind),
	}
	f.From.setMS(&filter.FromMS)
	to.setMS(&filter.ToMS)
	return filter
}
