package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/farebox/farebox/auth"
)

// TokenSource gives the JSON Web Token that a request carries. It must be safe for concurrent use.
type TokenSource interface {
	Token(context.Context) (string, error)
}

// forgetful sources can be told that the token they gave was refused.
type forgetful interface{ forget() }

// forget has a token that was refused made anew; it reports whether there is somebody to make it.
func (c *Client) forget() bool {
	f, can := c.tokens.(forgetful)
	if can {
		f.forget()
	}
	return can
}

// tokenError is that of a token source: no server was asked.
type tokenError struct{ cause error }

func (e *tokenError) Error() string { return "no token to call with: " + e.cause.Error() }
func (e *tokenError) Unwrap() error { return e.cause }

// Static is a source of one token, such as `farebox token` prints.
func Static(token string) TokenSource { return static(token) }

type static string

func (s static) Token(context.Context) (string, error) { return string(s), nil }

// Refreshing is a source that keeps a token and gets another a minute before it expires, or once it was refused. If that fails, the error is the caller's and
// the next call tries again. While one is got, the others wait for it.
func Refreshing(get func(context.Context) (token string, expires time.Time, err error)) TokenSource {
	r := &refreshing{get: get, turn: make(chan struct{}, 1)}
	return r
}

type refreshing struct {
	get  func(context.Context) (string, time.Time, error)
	turn chan struct{} // has whoever is getting a token

	mu      sync.Mutex
	token   string
	expires time.Time
}

const refreshBefore = time.Minute

func (r *refreshing) kept() (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.token, r.token != "" && time.Now().Before(r.expires)
}

func (r *refreshing) Token(ctx context.Context) (string, error) {
	if token, good := r.kept(); good {
		return token, nil
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if token, good := r.kept(); good { // somebody has got it meanwhile
		return token, nil
	}
	token, expires, err := r.get(ctx)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.token, r.expires = token, expires.Add(-refreshBefore)
	return token, nil
}

func (r *refreshing) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.token = ""
}

// Admin is a source that signs administration tokens itself, valid for 10 minutes each, with a private key in PEM (PKCS #8, PKCS #1 or SEC 1) whose public
// half is registered. KeyID is the id under which it is; empty: the key's RFC 7638 thumbprint.
func Admin(privatePEM []byte, keyID string) (TokenSource, error) {
	return signing(privatePEM, keyID, auth.Admin, nil)
}

// ForInstances is as Admin, for client tokens that may act on these instances.
func ForInstances(privatePEM []byte, keyID string, instanceIDs ...string) (TokenSource, error) {
	if len(instanceIDs) == 0 {
		return nil, fmt.Errorf("a client token is for at least one instance: give its id")
	}
	return signing(privatePEM, keyID, auth.Client, instanceIDs)
}

const signedFor = 10 * time.Minute

func signing(privatePEM []byte, keyID string, role auth.Role, instanceIDs []string) (TokenSource, error) {
	pair, err := auth.ParsePrivate(privatePEM)
	if err != nil {
		return nil, fmt.Errorf("the private key %w", err)
	}
	if keyID == "" {
		keyID = pair.ID
	}
	return Refreshing(func(context.Context) (string, time.Time, error) {
		now := time.Now()
		token, err := auth.Sign(pair, role, keyID, instanceIDs, now, signedFor)
		return token, now.Add(signedFor), err
	}), nil
}
