package simulation

import (
	"context"
	"time"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// Store is a store that fails by a script.
type Store struct {
	store.Store
	// Script says what happens to the next call. It is asked before each, by whoever makes it.
	Script func(Op) Fault
	// Wait lets time pass while a call is slow.
	Wait func(time.Duration)
	// Done is told how each call ended, for whoever keeps a trace.
	Done func(Op, Fault, error)
}

// Op is a kind of call.
type Op string

// The calls that can fail.
const (
	Commit Op = "commit"
	Change Op = "change"
	View   Op = "view"
)

// Fault is what happens to a call, besides what it is for.
type Fault struct {
	Slow  time.Duration // it takes so long
	Fails bool          // and does nothing
	Lost  bool          // it does what it is for, but the answer is lost: the caller is told that it failed
}

func (s *Store) do(op Op, call func() error) (err error) {
	fault := s.Script(op)
	defer func() { s.Done(op, fault, err) }()
	if fault.Slow > 0 {
		s.Wait(fault.Slow)
	}
	if fault.Fails {
		return problem.New(problem.Unavailable, "the store fails, by its script")
	}
	if err = call(); err == nil && fault.Lost {
		err = problem.New(problem.Unavailable, "the store's answer is lost, by its script")
	}
	return err
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, want store.Want, decide func(*store.Loaded) store.Decided) error {
	return s.do(Commit, func() error { return s.Store.Commit(ctx, want, decide) })
}

// Change implements store.Store.
func (s *Store) Change(ctx context.Context, fn func(store.Tx) error) error {
	return s.do(Change, func() error { return s.Store.Change(ctx, fn) })
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	return s.do(View, func() error { return s.Store.View(ctx, fn) })
}
