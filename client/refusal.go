package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/api"
)

// Refusal is an answer of the server that is not what was asked for: it did not understand, may not, or cannot now. Find one with errors.As.
// That tokens do not suffice is no refusal but a *Denied.
type Refusal struct {
	Operation  string        // such as "POST /farebox/v1/transfers"
	Status     int           // of HTTP: 400, 401, 403, 404, 409, 413, 422, 500, 503 ...
	Field      string        // the part of the request that was wrong, such as requestedItems[0].count; or empty
	Detail     string        // what was wrong and what to do, for people; it may change
	RetryAfter time.Duration // what the server asked for; or 0

	body []byte
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("%s: %d %s", r.Operation, r.Status, http.StatusText(r.Status))
	if r.Field != "" {
		text += ": " + r.Field
	}
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	return text
}

// temporary reports whether the same request may be answered differently later.
func (r *Refusal) temporary() bool {
	switch r.Status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// StatusOf returns the status of HTTP that an error was answered with, or 0.
func StatusOf(err error) int {
	if r, is := errors.AsType[*Refusal](err); is {
		return r.Status
	}
	return 0
}

// refusedMost is how much is read of an answer that refuses.
const refusedMost = 4 << 20

// refusalOf reads an answer. Whoever stands between may answer, too: what is neither problem details nor a message is told as it is.
func refusalOf(in *call, answer *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, refusedMost))
	if err != nil {
		return fmt.Errorf("%s %s: the answer broke off: %w", in.method, in.path, err)
	}
	r := &Refusal{Operation: in.method + " " + in.path, Status: answer.StatusCode, RetryAfter: retryAfter(answer.Header), body: body}
	var said struct {
		Detail  string         `json:"detail"`
		Field   string         `json:"field"`
		Error   string         `json:"error"`
		Message jsontext.Value `json:"message"` // a text, or a list of them
		Errors  jsontext.Value `json:"errors"`
	}
	if json.Unmarshal(body, &said) != nil {
		r.Detail = strings.TrimSpace(string(body[:min(len(body), 200)]))
		return r
	}
	r.Field, r.Detail = said.Field, said.Detail
	if r.Detail != "" {
		return r
	}
	r.Detail = said.Error + texts(said.Message) + texts(said.Errors)
	if field, rest, has := strings.Cut(r.Detail, ": "); has && r.Status == http.StatusBadRequest && !strings.Contains(field, " ") {
		r.Field, r.Detail = field, rest // as the reference API writes it
	}
	return r
}

// texts reads a text, or several.
func texts(v jsontext.Value) string {
	var one string
	var all []string
	if json.Unmarshal(v, &one) == nil {
		return one
	}
	_ = json.Unmarshal(v, &all)
	return strings.Join(all, "; ")
}

// retryAfter reads the header of that name, which has seconds or a date.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// Denied is the answer that tokens, prices or rules do not allow what was asked for; nothing was charged. It is an answer like any other: recorded, and
// final for its idempotency key. Find one with errors.As.
type Denied struct {
	CorrelationID string             // its receipt's
	Code          string             // of the item that was the reason, such as 1306: insufficient tokens. Treat one that you do not know as a denial
	Description   string             // of the code
	Item          string             // the item that was the reason
	Items         []api.AnsweredItem // all items, in the order of the request
	Session       *api.SessionAhead  // of a request in a session: how that stands now
}

func (d *Denied) Error() string {
	return fmt.Sprintf("denied: %s: %s (%s)", d.Item, d.Description, d.Code)
}

// Codes of items (api/openapi.yaml, Statuses of items). More may come.
const (
	Granted      = "1101"
	NoStatus     = "1102" // nothing kept this item from being granted but another
	NotFound     = "1201"
	NoLineItems  = "1301"
	ByRules      = "1302"
	LimitReached = "1303"
	NoPrice      = "1304"
	NegativeRate = "1305"
	Insufficient = "1306"
)

// deniedBy returns what a list of answered items denies, or nil.
func deniedBy(correlationID string, items []api.AnsweredItem) error {
	reason := -1
	for i := range items {
		switch code := items[i].Status.Code; {
		case code == Granted:
		case reason < 0 || items[reason].Status.Code == NoStatus:
			reason = i
		}
	}
	if reason < 0 {
		return nil
	}
	of := &items[reason]
	return &Denied{CorrelationID: correlationID, Code: of.Status.Code, Description: of.Status.Description, Item: of.Item, Items: items}
}

// orDenied reads the denial that a refusal with 403 may be.
func orDenied(err error) error {
	r, is := errors.AsType[*Refusal](err)
	if !is || r.Status != http.StatusForbidden || !bytes.Contains(r.body, []byte(`"requestedItems"`)) {
		return err
	}
	var answer struct {
		api.AccessAnswer
		Session *api.SessionAhead `json:"session"`
	}
	if json.Unmarshal(r.body, &answer) != nil {
		return err
	}
	denial := deniedBy(answer.CorrelationID, answer.RequestedItems)
	if d, is := errors.AsType[*Denied](denial); is {
		d.Session = answer.Session
		return d
	}
	return err
}
