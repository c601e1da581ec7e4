package engine

import (
	"context"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// SessionRef names a session: its id, and the instance that the caller says it is of, or nothing. A session of another instance
// is as unknown as one that does not exist.
type SessionRef struct {
	ID         string
	InstanceID string
}

// CreateSession makes an IDLE session on an instance. The receipt has its id. It fails with a problem: NotFound, KeyReused or
// Unavailable.
func (e *Engine) CreateSession(instanceID string, once *Once, source *usage.Source) (receipt *usage.Receipt, replayed bool, err error) {
	o := e.do(&request{instanceID: instanceID, once: once, source: source, decide: func(d *decision) outcome {
		book := d.Books[instanceID]
		if book == nil {
			return outcome{err: NoInstance(instanceID)}
		}
		s := access.NewSession(e.newID(), instanceID, d.nowMS)
		d.touch(s)
		d.Loaded.Sessions[s.ID] = s
		move := &access.Move{Operation: access.Create, AtMS: d.nowMS}
		return outcome{receipt: d.record(usage.NewMoveReceipt(e.receiptID(d.nowMS), d.nowMS, book, s, move))}
	}})
	return o.receipt, o.replayed, o.err
}

// SessionRequest is an access request of a session.
type SessionRequest struct {
	Session        SessionRef
	Request        *access.Request
	RollbackOnDeny bool // a denial leaves the session as it was; else it ends the session
	Forecast       bool // put one into the receipt
	Once           *Once
	Source         *usage.Source // nil: not recorded
	Size           int           // of the request in bytes, about
}

// Ask makes an access request of a session, and returns its receipt once that is durable. A denial is a receipt too. It fails with a
// problem: NotFound, Ended, KeyReused or Unavailable, and then nothing was done.
func (e *Engine) Ask(r *SessionRequest) (receipt *usage.Receipt, replayed bool, err error) {
	instanceID := r.Session.InstanceID
	if instanceID == "" { // what the requester has behind it is known by the instance
		s, err := e.Session(context.Background(), r.Session)
		if err != nil {
			return nil, false, err
		}
		instanceID = s.InstanceID
	}
	o := e.do(&request{
		instanceID: instanceID, sessionID: r.Session.ID, once: r.Once, source: r.Source, size: r.Size,
		requester: &r.Request.Requester,
		decide: func(d *decision) outcome {
			s, err := d.session(r.Session)
			if err != nil {
				return outcome{err: err}
			}
			return outcome{receipt: d.move(s, r.Forecast, func() *access.Move {
				return s.Ask(&d.world, r.Request, r.RollbackOnDeny, d.nowMS)
			})}
		},
	})
	return o.receipt, o.replayed, o.err
}

// Heartbeat takes note that the application of a session is still there, and returns the session's state. It fails with a
// problem: NotFound, Ended or Unavailable.
func (e *Engine) Heartbeat(ref SessionRef, forecast bool) (*usage.Session, error) {
	o := e.do(&request{sessionID: ref.ID, decide: func(d *decision) outcome {
		s, err := d.session(ref)
		if err != nil {
			return outcome{err: err}
		}
		s.Beat(d.nowMS)
		d.touch(s)
		state := usage.StateOf(s, "")
		if forecast {
			state.Forecast = s.Forecast(&d.world)
		}
		return outcome{session: state}
	}})
	return o.session, o.err
}

// CloseSession ends a session. One that has ended stays as it is, which is no error. It fails with a problem: NotFound, KeyReused
// or Unavailable.
func (e *Engine) CloseSession(ref SessionRef, once *Once, source *usage.Source) (replayed bool, err error) {
	o := e.do(&request{instanceID: ref.InstanceID, sessionID: ref.ID, once: once, source: source, decide: func(d *decision) outcome {
		s, err := d.session(ref)
		if problem.KindOf(err) == problem.Ended {
			return outcome{}
		}
		if err != nil {
			return outcome{err: err}
		}
		return outcome{receipt: d.move(s, false, func() *access.Move { return s.Close(&d.world, d.nowMS) })}
	}})
	return o.replayed, o.err
}

// catchUpMost bounds what one request makes up for its session.
const catchUpMost = 10_000

// session returns a live session that is up to date.
func (d *decision) session(ref SessionRef) (*access.Session, error) {
	s := d.Loaded.Sessions[ref.ID]
	if s == nil || ref.InstanceID != "" && ref.InstanceID != s.InstanceID {
		return nil, NoSession(ref.ID)
	}
	for range catchUpMost {
		due := s.Due()
		if due == 0 {
			return nil, ended(s)
		}
		if due > d.nowMS {
			d.on(s.InstanceID)
			return s, nil
		}
		d.step(s)
	}
	return nil, problem.New(problem.Unavailable, "this session's automatic charges are being made up for; try again")
}

// move makes a move of a session, books it and records it.
func (d *decision) move(s *access.Session, forecast bool, make func() *access.Move) *usage.Receipt {
	d.on(s.InstanceID)
	move := make()
	d.touch(s)
	receipt := usage.NewMoveReceipt(d.engine.receiptID(d.nowMS), d.nowMS, d.world.Book, s, move)
	if forecast {
		receipt.Session.Forecast = s.Forecast(&d.world)
	}
	return d.record(receipt)
}

// NoSession is the problem of a session that there is not, or not where the caller looks for it.
func NoSession(id string) error { return problem.New(problem.NotFound, "there is no session %q", id) }

// ended is the problem of a session that can never be used again.
func ended(s *access.Session) error {
	why := map[access.Reason]string{
		access.Closed:          "it was closed",
		access.Denied:          "a request without rollbackOnDeny was denied",
		access.NotCovered:      "an automatic charge could not be covered",
		access.HeartbeatMissed: "a heartbeat was missed",
		access.Lapsed:          "it was idle for 30 days",
	}[s.Reason]
	return problem.New(problem.Ended, "the session is %s, since %s; create a new one", s.State, why)
}

// Session returns a session as it was last written. It fails with a problem NotFound.
func (e *Engine) Session(ctx context.Context, ref SessionRef) (s *access.Session, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		s, err = r.Session(ref.ID)
		return err
	})
	if err == nil && (s == nil || ref.InstanceID != "" && ref.InstanceID != s.InstanceID) {
		err = NoSession(ref.ID)
	}
	return s, err
}

// LiveSessions returns the sessions of an instance that have not ended, newest first, from before a number on (0: from the
// newest).
func (e *Engine) LiveSessions(ctx context.Context, instanceID string, before int64, limit int) (all []*access.Session, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		i, err := r.Instance(instanceID)
		if err == nil && i == nil {
			err = NoInstance(instanceID)
		}
		if err == nil {
			all, err = r.LiveSessions(instanceID, before, limit)
		}
		return err
	})
	return all, err
}
