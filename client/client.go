// Package client is the Go client of Farebox: every operation of the Farebox API and of the reference API, with what a careful caller
// would otherwise write by hand. Every call that changes something carries an idempotency key that its retries keep; a refusal is a typed
// answer; holds extend themselves while work runs, and sessions send their heartbeats.
//
// Amounts are exact decimals (package token), as in the books: none passes through binary floating point. Times are milliseconds since 1970.
package client

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Client speaks to one Farebox. Its methods are safe for concurrent use, and share connections; make one and keep it.
type Client struct {
	base    string
	tokens  TokenSource
	http    *http.Client
	retries Retries
	agent   string
	newKey  func() string
}

// Options of a client. The zero value is right.
type Options struct {
	// HTTP sends the requests; nil: a client of its own. Unless it has a CheckRedirect no redirects are followed: a redirected POST becomes a GET.
	HTTP *http.Client
	// Retries bounds how often and how long a request is tried.
	Retries Retries
	// UserAgent is told to the server, which may record it; empty: farebox-go.
	UserAgent string
}

// Retries bounds how a request is tried again when no answer came, or one that says that nothing was done (429, 500, 502, 503, 504). Only
// requests that are safe to repeat are: those that read, and those with an idempotency key. The zero value is the usual one.
type Retries struct {
	Most    int           // tries after the first; 0: 5. Less than 0: none
	Least   time.Duration // the first wait is about this, each later one up to twice the one before; 0: 100 ms
	Longest time.Duration // no single wait is longer, whatever Retry-After says; 0: 10 s
	Attempt time.Duration // how long one try may wait for its whole answer; 0: 30 s. Streams have no such bound
}

// New returns a client of the Farebox at an address such as https://tokens.example.com. Tokens prove who calls; nil is for the operations
// that need no token.
func New(address string, tokens TokenSource, options Options) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the address of Farebox: %w", err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("%q is no address of Farebox; it looks like https://tokens.example.com", address)
	}
	c := &Client{
		base: strings.TrimSuffix(address, "/"), tokens: tokens, http: options.HTTP, retries: options.Retries,
		agent: cmp.Or(options.UserAgent, "farebox-go"), newKey: func() string { return uuid.Must(uuid.NewV7()).String() },
	}
	if c.http == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64 // the usual 2 would open a connection a request under load
		c.http = &http.Client{Transport: transport}
	}
	if c.http.CheckRedirect == nil {
		still := *c.http
		still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		c.http = &still
	}
	r := &c.retries
	r.Most = max(cmp.Or(r.Most, 5), 0)
	r.Least, r.Longest, r.Attempt = cmp.Or(r.Least, 100*time.Millisecond), cmp.Or(r.Longest, 10*time.Second), cmp.Or(r.Attempt, 30*time.Second)
	return c, nil
}

// With says something more about one call.
type With func(*call)

// Key has a call carry this idempotency key, in place of one that is made for it: 1 to 255 characters of printable ASCII. A caller that keeps
// it can send the same request again, even after a crash, and it counts once. The same key with another request is refused (422).
func Key(key string) With { return func(c *call) { c.key = key } }

// Replayed has a call tell whether its answer is that of an earlier request with the same key.
func Replayed(told *bool) With { return func(c *call) { c.replayed = told } }
