package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/token"
)

// call is one operation on its way to the server.
type call struct {
	method, path string
	query        url.Values
	instance     string // told in the header x-instance-id, which calls of sessions need
	body         []byte
	key          string
	unsafe       bool // it does something, and the server knows no key for it
	keyed        bool // its lines have keys, and it must have none
	contentType  string
	replayed     *bool
	failed       error     // what kept it from being made
	answered     time.Time // by the server's clock, to the second; by ours if it does not tell
}

// Roots of the two APIs.
const (
	fareboxRoot      = "/farebox/v1"
	referenceRoot    = "/dynamicmonetization/api/v1.1"
	provisioningRoot = "/dynamicmonetization/provisioning/api/v1.1"
	elasticRoot      = "/dynamicmonetization/elastic/api/v1.1"
	floatingRoot     = "/dynamicmonetization/floating/api/v1.1"
)

// path joins a root and segments, which may have any characters in them. Dots alone are escaped, too: they would be steps.
func path(root string, segments ...string) string {
	for _, s := range segments {
		if s == "." || s == ".." {
			root += "/" + strings.ReplaceAll(s, ".", "%2E")
			continue
		}
		root += "/" + url.PathEscape(s)
	}
	return root
}

func get(path string, query url.Values) *call {
	return &call{method: http.MethodGet, path: path, query: query}
}

// send is a call with a body, if there is one, which is written once: retries have to be the same to the byte.
func send(method, path string, body any, with []With) *call {
	c := &call{method: method, path: path}
	if body != nil {
		c.body, c.failed = json.Marshal(body, json.Deterministic(true))
	}
	return c.with(with)
}

func (c *call) with(with []With) *call {
	for _, w := range with {
		w(c)
	}
	return c
}

// read makes a call and reads its answer, which is JSON, into a T.
func read[T any](ctx context.Context, c *Client, in *call) (T, error) {
	var out T
	body, err := c.do(ctx, in)
	if err != nil {
		return out, err
	}
	return out, decode(in, body, &out)
}

// sums are amounts as the server tells them: more digits than it takes, where many are added up.
var sums = json.WithUnmarshalers(json.UnmarshalFromFunc(token.RestoreJSONFrom))

func decode(in *call, body []byte, out any) error {
	if err := json.Unmarshal(body, out, sums); err != nil {
		return fmt.Errorf("%s %s: the answer cannot be read: %w", in.method, in.path, err)
	}
	return nil
}

// pages reads what a list has, page by page; more says what is on a page and with which call to go on, nil on the last.
func pages[P, T any](ctx context.Context, c *Client, first *call, more func(*P) ([]T, *call)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for next := first; next != nil; {
			p, err := read[P](ctx, c, next)
			if err != nil {
				yield(none, err)
				return
			}
			var all []T
			all, next = more(&p)
			for _, one := range all {
				if !yield(one, nil) {
					return
				}
			}
		}
	}
}

// turned is the call for the page after, or nil.
func (c *call) turned(name, cursor string) *call {
	if cursor == "" || cursor == "0" {
		return nil
	}
	next := *c
	next.query = url.Values{}
	for k, v := range c.query {
		next.query[k] = v
	}
	next.query.Set(name, cursor)
	return &next
}

// do makes a call and returns the body of its answer. What is not answered with success is a *Refusal; what was not answered at all is the
// error of the last try.
func (c *Client) do(ctx context.Context, in *call) ([]byte, error) {
	var body []byte
	_, err := c.try(ctx, in, func(r *http.Response) (err error) {
		body, err = io.ReadAll(r.Body)
		return err
	})
	return body, err
}

// stream makes a call and returns its answer while it comes.
func (c *Client) stream(ctx context.Context, in *call) (*http.Response, error) {
	return c.try(ctx, in, nil)
}

// try makes a call, again and again while that is safe and may help. The answer is taken within the try if it can be, so that one that breaks off is asked for
// again.
func (c *Client) try(ctx context.Context, in *call, take func(*http.Response) error) (*http.Response, error) {
	switch {
	case in.failed != nil:
		return nil, fmt.Errorf("%s %s: the request cannot be written: %w", in.method, in.path, in.failed)
	case strings.Contains(in.path, "//") || strings.HasSuffix(in.path, "/"): // segments have none
		return nil, fmt.Errorf("%s %s: an id in the path is empty", in.method, in.path)
	}
	if in.method != http.MethodGet && in.key == "" && !in.unsafe && !in.keyed {
		in.key = c.newKey()
	}
	stale := false // the token was refused, and another was got
	for tries := 0; ; tries++ {
		r, err := c.once(ctx, in, take)
		if err == nil {
			if in.answered, err = http.ParseTime(r.Header.Get("Date")); err != nil {
				in.answered = time.Now()
			}
			if in.replayed != nil {
				*in.replayed = r.Header.Get("Idempotent-Replayed") == "true"
			}
			return r, nil
		}
		refusal, answered := errors.AsType[*Refusal](err)
		if answered && refusal.Status == http.StatusUnauthorized && !stale && c.forget() {
			stale = true
			continue
		}
		if _, ours := errors.AsType[*tokenError](err); ours || in.unsafe || tries >= c.retries.Most || answered && !refusal.temporary() {
			return nil, err
		}
		if wait(ctx, c.retries.pause(tries, refusal)) != nil {
			return nil, errors.Join(context.Cause(ctx), err)
		}
	}
}

// pause is how long to wait before the next try: at random up to twice what it was before, so that many callers do not come back together; but
// not less than the server has told.
func (r *Retries) pause(tries int, refusal *Refusal) time.Duration {
	most := min(r.Least<<min(tries, 20), r.Longest)
	pause := most/2 + rand.N(most/2+1)
	if refusal != nil && refusal.RetryAfter > pause {
		pause = min(refusal.RetryAfter+rand.N(most/2+1), r.Longest)
	}
	return pause
}

// wait passes time, unless ctx ends before.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// once is one try. The answer is taken within its bound; a stream, which is not taken, has none.
func (c *Client) once(ctx context.Context, in *call, take func(*http.Response) error) (*http.Response, error) {
	if take == nil {
		return c.exchange(ctx, in)
	}
	ctx, cancel := context.WithTimeout(ctx, c.retries.Attempt)
	defer cancel()
	r, err := c.exchange(ctx, in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Body.Close() }()
	if err := take(r); err != nil {
		return nil, fmt.Errorf("%s %s: the answer broke off: %w", in.method, in.path, err)
	}
	return r, nil
}

// exchange sends a request and gets the head of an answer that is a success.
func (c *Client) exchange(ctx context.Context, in *call) (*http.Response, error) {
	address := c.base + in.path
	if len(in.query) > 0 {
		address += "?" + in.query.Encode()
	}
	var body io.Reader
	if in.body != nil {
		body = bytes.NewReader(in.body)
	}
	req, err := http.NewRequestWithContext(ctx, in.method, address, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", c.agent)
	for name, value := range map[string]string{"Idempotency-Key": in.key, "x-instance-id": in.instance} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if in.body != nil {
		req.Header.Set("Content-Type", cmp.Or(in.contentType, "application/json"))
	}
	if c.tokens != nil {
		token, err := c.tokens.Token(ctx)
		if err != nil {
			return nil, &tokenError{err}
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	r, err := c.http.Do(req)
	if err == nil && (r.StatusCode < 200 || r.StatusCode > 299) {
		defer func() { _ = r.Body.Close() }()
		return nil, refusalOf(in, r)
	}
	return r, err
}

// query collects parameters; empty ones are left out.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// number writes a parameter; 0 leaves it out.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// moment writes the number of milliseconds of a time; the zero time leaves it out.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// done makes a call of whose answer nothing is wanted.
func (c *Client) done(ctx context.Context, in *call) error {
	_, err := c.do(ctx, in)
	return err
}

// reading is a call with a body that changes nothing: it may be repeated without a key, but is sent with one so that it may be.
func reading(method, path string, body any) *call { return send(method, path, body, nil) }
