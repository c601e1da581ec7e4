package engine

import (
	"context"
	"crypto/subtle"
	"net/http"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// linkScope keeps the names of links apart from idempotency keys, whose scope is an instance's id or empty.
const linkScope = "sign-in"

// OpenLink has whoever opens a link first be signed in by it: from then on it is a token together with their secret (auth.LinkToken). To open it again with the
// same secret changes nothing. It fails with a problem: Invalid, Unauthenticated, Ended (somebody else has opened it, or it is too late to), or Unavailable.
func (e *Engine) OpenLink(ctx context.Context, text, secret string) (*auth.Link, error) {
	if err := auth.ValidateSecret(secret); err != nil {
		return nil, err
	}
	link, err := e.verifier.Link(text, e.now())
	if err != nil {
		return nil, err
	}
	once := &Once{Key: link.ID, Fingerprint: auth.Holder(secret)}
	_, _, err = e.Change(ctx, linkScope, once, func(*Change) (*store.Answer, error) {
		if e.now().After(link.Opens) {
			return nil, problem.New(problem.Ended, "the link had to be opened by %s; `farebox console` prints another", link.Opens.UTC().Format("15:04:05 UTC on 2006-01-02"))
		}
		return &store.Answer{Status: http.StatusOK}, nil
	})
	if problem.KindOf(err) == problem.KeyReused {
		err = problem.New(problem.Ended, "the link was opened before, and signs in once; `farebox console` prints another")
	}
	return link, err
}

// holdsLink fails with a problem unless a link was opened by that holder.
func (e *Engine) holdsLink(link string, holder []byte) error {
	var opened *store.Answer
	err := e.View(context.Background(), func(r store.Reader) (err error) {
		opened, err = r.Answer(usage.NewOnceID(linkScope, link))
		return err
	})
	if err == nil && (opened == nil || subtle.ConstantTimeCompare(opened.Fingerprint, holder) == 0) {
		err = problem.New(problem.Unauthenticated, "the link was not opened with this secret")
	}
	return err
}
