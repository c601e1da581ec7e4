package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/farebox/farebox/engine"
)

type usageRebuildCmd struct {
	database `embed:""`
}

// Help adds to --help.
func (*usageRebuildCmd) Help() string {
	return `Makes what queries of usage are answered from anew, out of the record. That is never needed unless a query says so. It may be
done beside a running server: queries stay right meanwhile, and are slower. What is interrupted, the server goes on with.

  farebox usage rebuild --db ./farebox.db`
}

// Run is the verb.
func (cmd *usageRebuildCmd) Run() error {
	s, err := cmd.open(opening{})
	if err != nil {
		return err
	}
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	clock, err := clockOf(ctx, s)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	e := engine.New(s, engine.Options{Clock: clock})
	bar, receipts := newBar(os.Stderr, e.Now()), int64(0)
	err = e.RebuildUsage(ctx, func(folded, atMS int64) {
		receipts = folded
		bar.show(atMS)
	})
	bar.clear()
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	e.Stop()
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	fmt.Printf("%d requests are ready for queries, as of %s\n", receipts, time.Now().UTC().Format(time.RFC3339))
	return nil
}
