// Package middleware charges the requests that an http.Handler answers: each before it is handled, or by a hold that is settled for what its
// answer came to. What cannot be paid for is not handled.
package middleware

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/client"
)

// Ask is what a request is to be charged, or held, for.
type Ask struct {
	InstanceID string
	Requester  client.Requester
	Items      []client.Item // of a hold: the most that is expected
	// Key is the idempotency key of the charge or hold; empty: one is made. A key that comes from whoever calls makes their second request free: it is handled
	// again and charged once. After a hold that was released it is refused.
	Key string
	TTL time.Duration // of a hold; 0: a minute. It is extended while the request is handled
}

// Of says what a request is to be charged for; nil means nothing: it is free. An error is answered 400 with its text: it should say what was wrong with the request.
type Of func(*http.Request) (*Ask, error)

// Answered is what has become of a request with a hold.
type Answered struct {
	Request *http.Request
	Status  int         // of HTTP; 0: nothing was sent
	Header  http.Header // as the handler left it, trailers among them
	Bytes   int64       // of the body as written (none of an answer to HEAD), or of all that was written to a hijacked connection
	Failed  bool        // the handler panicked, or the hold was lost or the caller gone before it returned
}

// Settle says what a request came to; no items are nothing. An error is for the log: then what was asked for is settled, since the work may have been done.
type Settle func(*Answered) ([]client.Item, error)

// Options of a middleware. The zero value is right: it fails closed.
type Options struct {
	// FailOpen has requests handled, for nothing, while Farebox does not answer. That is a choice to give away what cannot be charged rather than to refuse
	// customers who have paid; what is given away is recorded nowhere but in the log. A denial stays a denial, and so does what Farebox refuses, such as a token
	// that is not valid.
	FailOpen bool
	// Unsettled is told what could not be settled, so that it can be settled later; nil: it is logged.
	Unsettled func(*client.Unsettled)
	// Log is where is told what callers cannot act upon; nil: slog.Default().
	Log *slog.Logger
}

func (o *Options) log() *slog.Logger {
	if o.Log != nil {
		return o.Log
	}
	return slog.Default()
}

// CorrelationHeader is in answers to requests that were charged: the id of the receipt.
const CorrelationHeader = "Farebox-Correlation-Id"

// Charge charges a request before it is handled, all items or none. It is not given back when the handler fails: use Hold for what may fail.
func Charge(c *client.Client, of Of, next http.Handler, options Options) http.Handler {
	return of.then(next, func(w http.ResponseWriter, r *http.Request, ask *Ask) {
		answer, err := c.Charge(r.Context(), ask.InstanceID, ask.Requester, ask.Items, ask.with()...)
		if err != nil {
			options.unpaid(w, r, next, err)
			return
		}
		w.Header().Set(CorrelationHeader, answer.CorrelationID)
		next.ServeHTTP(w, r)
	})
}

// then has what is asked for paid as pay does; requests that ask for nothing go to next.
func (of Of) then(next http.Handler, pay func(http.ResponseWriter, *http.Request, *Ask)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch ask, err := of(r); {
		case err != nil:
			refuse(w, http.StatusBadRequest, err.Error())
		case ask == nil:
			next.ServeHTTP(w, r)
		default:
			pay(w, r, ask)
		}
	})
}

func (a *Ask) with() []client.With {
	if a.Key == "" {
		return nil
	}
	return []client.With{client.Key(a.Key)}
}

// Hold holds what a request may come to, has it handled, and settles for what it came to, also when the handler panics or the caller goes away. The context of
// the request ends when the hold is lost. An answer that fits a buffer is sent once it is settled.
func Hold(c *client.Client, of Of, settle Settle, next http.Handler, options Options) http.Handler {
	return of.then(next, func(w http.ResponseWriter, r *http.Request, ask *Ask) {
		handled := false
		_, err := c.Hold(r.Context(), &client.HoldRequest{InstanceID: ask.InstanceID, Requester: ask.Requester, Items: ask.Items, TTL: ask.TTL}, func(h *client.Held) error {
			handled = true
			options.handle(h, ask, settle, next, w, r)
			return nil
		}, ask.with()...)
		unsettled, lost := errors.AsType[*client.Unsettled](err)
		switch {
		case err == nil:
		case !handled:
			options.unpaid(w, r, next, err)
		case lost && options.Unsettled != nil:
			options.Unsettled(unsettled)
		default:
			options.log().Error("a request that was handled could not be settled", "path", r.URL.Path, "error", err)
		}
	})
}

// handle has a request handled, and tells the hold what that came to.
func (o *Options) handle(h *client.Held, ask *Ask, settle Settle, next http.Handler, w http.ResponseWriter, r *http.Request) {
	counted := &counter{ResponseWriter: w, head: r.Method == http.MethodHead}
	returned := false
	defer func() {
		items, err := settle(&Answered{
			Request: r, Status: counted.status, Header: w.Header(), Bytes: counted.bytes.Load(), Failed: !returned || h.Context().Err() != nil,
		})
		if err != nil {
			o.log().Error("what a request came to is not known, so what was asked for is settled", "path", r.URL.Path, "error", err)
			items = ask.Items
		}
		h.Used(items...)
	}()
	next.ServeHTTP(counted, r.WithContext(h.Context()))
	returned = true
}

// unpaid answers a request that could not be paid for.
func (o *Options) unpaid(w http.ResponseWriter, r *http.Request, next http.Handler, err error) {
	denied, isDenied := errors.AsType[*client.Denied](err)
	status := client.StatusOf(err)
	switch {
	case isDenied && denied.Code == client.LimitReached:
		refuse(w, http.StatusTooManyRequests, denied.Description)
	case isDenied && denied.Code == client.ByRules:
		refuse(w, http.StatusForbidden, denied.Description)
	case isDenied:
		refuse(w, http.StatusPaymentRequired, denied.Description)
	case r.Context().Err() != nil: // nobody is there to be answered, or to be given anything
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests:
		o.log().Error("Farebox refuses to charge", "path", r.URL.Path, "error", err)
		refuse(w, http.StatusInternalServerError, "this request cannot be charged; the log says why")
	case o.FailOpen:
		o.log().Warn("a request is handled for nothing: Farebox does not answer", "path", r.URL.Path, "error", err)
		next.ServeHTTP(w, r)
	default:
		o.log().Error("a request is refused: Farebox does not answer", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "this request cannot be charged now; it was not handled. Try again later")
	}
}

// refuse answers with problem details (RFC 9457), as Farebox does.
func refuse(w http.ResponseWriter, status int, detail string) {
	body, _ := json.Marshal(api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail})
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
