package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/farebox/farebox/api"
)

// SessionRef names a session. Calls with a client token need the instance, too.
type SessionRef struct{ InstanceID, SessionID string }

// UseRequest asks to use items over time.
type UseRequest struct {
	InstanceID string
	Requester  Requester
	Items      []Item // what is used, from now on; each period is charged at its begin
}

// InUse is a session while work runs. Its methods are safe for concurrent use.
type InUse struct {
	client  *Client
	ref     SessionRef
	request *UseRequest
	ctx     context.Context
	changed chan struct{} // what lies ahead has changed

	mu    sync.Mutex
	ahead api.SessionAhead
	at    time.Time // the local time for which beat was computed
	beat  time.Duration
}

// Ref names the session.
func (s *InUse) Ref() SessionRef { return s.ref }

// Context ends with the caller's, with the work, and when the session has ended; its cause is then the server's refusal of a heartbeat. Who uses what the
// session pays for has to stop then.
func (s *InUse) Context() context.Context { return s.ctx }

// Ahead is what lies ahead of the session, as last told.
func (s *InUse) Ahead() api.SessionAhead {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ahead
}

// Ask changes what is used from now on; no items is a halt, which costs nothing until something is asked for again. When it is denied all stays as it was and
// the error is a *Denied.
func (s *InUse) Ask(ctx context.Context, items []Item, with ...With) (*api.SessionAnswer, error) {
	requester, wired, err := wire(&s.request.Requester, items)
	if err != nil {
		return nil, err
	}
	rollback := true
	answer, at, err := s.client.askInSession(ctx, s.ref, api.SessionRequest[api.RequestedItemV11]{
		Requester: requester, RequestedItems: &wired, RollbackOnDeny: &rollback,
	}, with)
	if err != nil {
		return nil, err
	}
	s.adopt(answer.Session, at)
	return answer, nil
}

// adopt takes over what lies ahead, as of a time of the server.
func (s *InUse) adopt(ahead api.SessionAhead, serverNow time.Time) {
	s.mu.Lock()
	s.ahead, s.at, s.beat = ahead, time.Now(), beatIn(&ahead, serverNow)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Bounds of when a heartbeat is sent.
const (
	never     = time.Duration(1<<63 - 1)
	beatAgain = 5 * time.Second // after one that was not answered
)

// beatIn is how long to wait before the next heartbeat: halfway from the next automatic charge, before which none is needed, to the deadline; or no time at all
// when it is owed already.
func beatIn(ahead *api.SessionAhead, serverNow time.Time) time.Duration {
	switch {
	case ahead.HeartbeatOwed:
		return 0
	case ahead.NextCharge == nil:
		return never
	}
	due := ahead.NextCharge.Due
	half := max(ahead.HeartbeatDue-due, 0) / 2
	return max(time.UnixMilli(due+half).Sub(serverNow), 0)
}

// Use opens a session, asks for the items, and does the work while heartbeats are sent; then the session is closed and what is unused is given back, whether the
// work returns an error, panics, or its caller goes away. If the items are denied the work is not done and the error is a *Denied. If the process dies, the
// missing heartbeat ends the session.
func (c *Client) Use(ctx context.Context, r *UseRequest, work func(*InUse) error) (err error) {
	made, err := c.CreateSession(ctx, r.InstanceID)
	if err != nil {
		return err
	}
	s := &InUse{client: c, ref: SessionRef{r.InstanceID, made.SessionID}, request: r, changed: make(chan struct{}, 1)}
	var cancel context.CancelCauseFunc
	s.ctx, cancel = context.WithCancelCause(ctx)
	var beating sync.WaitGroup
	defer func() {
		cancel(errDone)
		beating.Wait()
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
		defer stop()
		if closed := c.CloseSession(end, s.ref); closed != nil {
			err = errors.Join(err, fmt.Errorf("session %s could not be closed, and ends when a heartbeat is missed: %w", s.ref.SessionID, closed))
		}
	}()
	if _, err := s.Ask(ctx, r.Items); err != nil {
		return err
	}
	beating.Go(func() { s.keep(cancel) })
	return work(s)
}

// keep sends heartbeats when they are needed, and ends the context when the session has ended.
func (s *InUse) keep(ended context.CancelCauseFunc) {
	for s.ctx.Err() == nil {
		if !s.waitForBeat() {
			continue
		}
		ahead, at, err := s.client.heartbeat(s.ctx, s.ref)
		refusal, refused := errors.AsType[*Refusal](err)
		switch {
		case err == nil && ahead.HeartbeatOwed: // which a heartbeat should have changed; do not hurry
			s.postpone()
		case err == nil:
			s.adopt(*ahead, at)
		case refused && !refusal.temporary():
			ended(err)
		default:
			s.postpone()
		}
	}
}

func (s *InUse) postpone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.beat = time.Now(), beatAgain
}

// waitForBeat reports whether it is time; if not, something has changed.
func (s *InUse) waitForBeat() bool {
	s.mu.Lock()
	at, beat := s.at, s.beat
	s.mu.Unlock()
	var timer <-chan time.Time
	if beat != never {
		t := time.NewTimer(beat - time.Since(at))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
		return true
	case <-s.changed:
	case <-s.ctx.Done():
	}
	return false
}

const sessionsPath = fareboxRoot + "/sessions"

func (r *SessionRef) call(c *call) *call {
	c.instance = r.InstanceID
	return c
}

func (r *SessionRef) path(root string, rest ...string) string {
	return path(root, append([]string{r.SessionID}, rest...)...)
}

// CreateSession opens a session, which is IDLE and costs nothing until something is asked for.
func (c *Client) CreateSession(ctx context.Context, instanceID string, with ...With) (*api.SessionID, error) {
	in := send(http.MethodPost, sessionsPath, api.NewSession{InstanceID: instanceID}, with)
	in.instance = instanceID
	return read[*api.SessionID](ctx, c, in)
}

// Sessions are the live sessions of an instance, newest first.
func (c *Client) Sessions(ctx context.Context, instanceID string) iter.Seq2[api.Session, error] {
	first := get(sessionsPath, query("instanceId", instanceID))
	return pages(ctx, c, first, func(p *api.Sessions) ([]api.Session, *call) { return p.Sessions, first.turned("cursor", p.Next) })
}

// Session returns a session, also one that has ended.
func (c *Client) Session(ctx context.Context, r SessionRef) (*api.Session, error) {
	return read[*api.Session](ctx, c, r.call(get(r.path(sessionsPath), nil)))
}

// AskInSession says what a session uses from now on. When it is denied the error is a *Denied, which tells how the session stands.
func (c *Client) AskInSession(
	ctx context.Context, r SessionRef, request api.SessionRequest[api.RequestedItemV11], with ...With,
) (*api.SessionAnswer, error) {
	answer, _, err := c.askInSession(ctx, r, request, with)
	return answer, err
}

func (c *Client) askInSession(
	ctx context.Context, r SessionRef, request api.SessionRequest[api.RequestedItemV11], with []With,
) (*api.SessionAnswer, time.Time, error) {
	in := r.call(send(http.MethodPut, r.path(sessionsPath), request, with))
	answer, err := read[*api.SessionAnswer](ctx, c, in)
	if err != nil {
		return nil, in.answered, orDenied(err)
	}
	return answer, in.answered, nil
}

// Heartbeat says that whoever uses a session is still there, and returns what lies ahead.
func (c *Client) Heartbeat(ctx context.Context, r SessionRef) (*api.SessionAhead, error) {
	ahead, _, err := c.heartbeat(ctx, r)
	return ahead, err
}

func (c *Client) heartbeat(ctx context.Context, r SessionRef) (*api.SessionAhead, time.Time, error) {
	in := r.call(get(r.path(sessionsPath, "heartbeat"), nil))
	ahead, err := read[*api.SessionAhead](ctx, c, in)
	return ahead, in.answered, err
}

// CloseSession ends a session and gives back what is unused. To close one again does nothing.
func (c *Client) CloseSession(ctx context.Context, r SessionRef, with ...With) error {
	return c.done(ctx, r.call(send(http.MethodDelete, r.path(sessionsPath), nil, with)))
}

// ReferenceSessions are the operations of sessions as the reference API has them, for those who compare; the Farebox API's say more.
type ReferenceSessions struct{ client *Client }

// ReferenceSessions returns the operations of sessions as the reference API has them.
func (c *Client) ReferenceSessions() ReferenceSessions { return ReferenceSessions{c} }

const referenceSessionsPath = referenceRoot + "/sessions"

// Create opens a session.
func (s ReferenceSessions) Create(ctx context.Context, instanceID string, with ...With) (*api.SessionID, error) {
	in := send(http.MethodPost, referenceSessionsPath, api.NewSession{InstanceID: instanceID}, with)
	in.instance = instanceID
	return read[*api.SessionID](ctx, s.client, in)
}

// List returns the newest 100 live sessions of an instance.
func (s ReferenceSessions) List(ctx context.Context, instanceID string) ([]api.ListedSession, error) {
	return read[[]api.ListedSession](ctx, s.client, get(referenceSessionsPath, query("instanceId", instanceID)))
}

// Session returns a session.
func (s ReferenceSessions) Session(ctx context.Context, r SessionRef) (*api.SessionWithItems, error) {
	return read[*api.SessionWithItems](ctx, s.client, r.call(get(r.path(referenceSessionsPath), nil)))
}

// Ask says what a session uses from now on. When it is denied the error is a *Denied.
func (s ReferenceSessions) Ask(
	ctx context.Context, r SessionRef, request api.SessionRequest[api.RequestedItemV11], with ...With,
) (*api.AccessAnswer, error) {
	answer, err := read[*api.AccessAnswer](ctx, s.client, r.call(send(http.MethodPut, r.path(referenceSessionsPath), request, with)))
	if err != nil {
		return nil, orDenied(err)
	}
	return answer, nil
}

// Heartbeat fails when the session has ended.
func (s ReferenceSessions) Heartbeat(ctx context.Context, r SessionRef) error {
	return s.client.done(ctx, r.call(get(r.path(referenceSessionsPath, "heartbeat"), nil)))
}

// Close ends a session.
func (s ReferenceSessions) Close(ctx context.Context, r SessionRef, with ...With) error {
	return s.client.done(ctx, r.call(send(http.MethodDelete, r.path(referenceSessionsPath), nil, with)))
}
