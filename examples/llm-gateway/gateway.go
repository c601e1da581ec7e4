package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/farebox/farebox/client"
)

// gateway has chat completions paid for. It holds what a request may come to, passes it on, and settles what it came to.
type gateway struct {
	client      *client.Client
	journal     *journal
	upstream    string
	upstreamKey string
	customers   map[string]customer
	http        *http.Client
	usualMost   int64 // tokens of an answer to a request that says no bound, to which it is added; 0: 1024
}

const (
	completions = "/v1/chat/completions"
	requestMost = 8 << 20  // bytes
	answerMost  = 32 << 20 // bytes of an answer that is no stream
)

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, known := g.customers[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	switch {
	case !known:
		refuse(w, http.StatusUnauthorized, "invalid_api_key", "this key is not known here")
		return
	case r.Method != http.MethodPost || r.URL.Path != completions: // what has no price is not passed on
		refuse(w, http.StatusNotFound, "not_found", "there is only POST "+completions+" here")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, requestMost))
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request_error", err.Error())
		return
	}
	asked, err := readRequest(body, cmp.Or(g.usualMost, 1024))
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request_error", err.Error())
		return
	}
	(&work{gateway: g, who: who, asked: asked, id: cmp.Or(r.Header.Get("X-Request-Id"), uuid.NewString()), w: w}).do(r.Context())
}

// work is one request on its way.
type work struct {
	*gateway
	who   customer
	asked *request
	id    string
	w     http.ResponseWriter

	held  *client.Held
	begun bool   // something was sent to the caller
	last  func() // sends the end of the answer, once it is paid for
}

// do holds, works and settles. The end of an answer is sent last: who has it whole has paid for it.
func (x *work) do(ctx context.Context) {
	_, err := x.client.Hold(ctx, &client.HoldRequest{
		InstanceID: x.who.Instance, Requester: client.Requester{Type: "user", Value: x.who.User},
		Items: items(x.asked.model, x.asked.estimate, map[string]any{"request": x.id}),
	}, func(h *client.Held) error {
		x.held = h
		if err := x.journal.begin(h.ID(), x.asked.model); err != nil {
			return err
		}
		return x.forward(h.Context())
	})
	if x.held != nil {
		if _, unsettled := errors.AsType[*client.Unsettled](err); unsettled {
			x.journal.leave(x.held.ID()) // it is settled later
		} else {
			x.journal.done(x.held.ID())
		}
	}
	denied, isDenied := errors.AsType[*client.Denied](err)
	switch {
	case isDenied && denied.Code == client.NotFound:
		refuse(x.w, http.StatusNotFound, "model_not_found", fmt.Sprintf("the model %s has no price here", x.asked.model))
	case isDenied:
		refuse(x.w, http.StatusPaymentRequired, "insufficient_quota", denied.Description)
	case err == nil && x.last != nil:
		x.last()
	case err == nil:
	case x.begun:
		slog.Warn("an answer broke off", "request", x.id, "error", err)
		panic(http.ErrAbortHandler) // so that nobody takes it for whole
	case x.held == nil:
		slog.Error("nothing can be held", "request", x.id, "error", err)
		refuse(x.w, http.StatusServiceUnavailable, "server_error", "this request cannot be paid for now; try again later")
	default:
		slog.Error("no answer", "request", x.id, "error", err)
		refuse(x.w, http.StatusBadGateway, "server_error", "the model does not answer")
	}
}

// items are what a count of tokens is charged as: the items input and output, with the model as their version.
func items(model string, n counts, metaData any) []client.Item {
	return []client.Item{
		{Name: "input", Version: model, Count: client.Count(n.Input), MetaData: metaData}, {Name: "output", Version: model, Count: client.Count(n.Output), MetaData: metaData},
	}
}

// used tells what the work has come to: the journal, which outlives this process, and the hold.
func (x *work) used(n counts, whole bool) error {
	if err := x.journal.used(x.held.ID(), n, whole); err != nil {
		return err
	}
	x.held.Used(items(x.asked.model, n, nil)...)
	return nil
}

// forward has the model answer. What nobody was answered is not paid for: then used was not called, and the hold is released.
func (x *work) forward(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.upstream+completions, bytes.NewReader(x.asked.body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", x.id)
	if x.upstreamKey != "" {
		r.Header.Set("Authorization", "Bearer "+x.upstreamKey)
	}
	answer, err := x.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	x.w.Header().Set("X-Request-Id", x.id)
	if kind := answer.Header.Get("Content-Type"); kind != "" {
		x.w.Header().Set("Content-Type", kind)
	}
	switch {
	case answer.StatusCode != http.StatusOK: // an error, which the caller gets as it is and for nothing
		return x.pass(answer, counts{})
	case strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream"):
		return x.stream(answer.Body)
	}
	return x.pass(answer, x.asked.estimate)
}

// pass keeps an answer until it is paid for. Most is what it is taken for if nothing in it tells.
func (x *work) pass(answer *http.Response, most counts) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerMost+1))
	switch {
	case err != nil:
		return fmt.Errorf("the answer broke off: %w", err)
	case len(body) > answerMost:
		return fmt.Errorf("the answer is longer than %d bytes", answerMost)
	}
	if most != (counts{}) {
		most = usedBy(body, x.asked)
	}
	if err := x.used(most, true); err != nil {
		return err
	}
	x.last = func() {
		x.w.WriteHeader(answer.StatusCode)
		_, _ = x.w.Write(body)
	}
	return nil
}

// refuse answers as OpenAI does.
func refuse(w http.ResponseWriter, status int, code, message string) {
	type failure struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Code    string `json:"code"`
	}
	body, _ := json.Marshal(map[string]failure{"error": {message, code, code}})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// recover settles what was not settled when it was due: work of a process that was killed, or that Farebox did not answer for. What was passed on to a caller is
// charged, once, however often this is done; what nobody got anything of is released.
func (g *gateway) recover(ctx context.Context) {
	for _, left := range g.journal.left() {
		var err error
		if left.Used == nil {
			_, err = g.client.ReleaseHold(ctx, left.Hold)
		} else {
			_, err = g.client.SettleHold(ctx, left.Hold, settlementOf(left.Model, *left.Used), client.SettlementKey(left.Hold))
		}
		status := client.StatusOf(err)
		switch {
		case err == nil, status == http.StatusConflict, status == http.StatusUnprocessableEntity, status == http.StatusNotFound: // it was settled or released before
			g.journal.done(left.Hold)
			slog.Info("settled late", "hold", left.Hold, "used", left.Used, "status", status)
		default:
			slog.Error("not settled yet", "hold", left.Hold, "error", err)
		}
	}
}
