package bench

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
)

const bareLineItem = `"activationId":"A-1"`

// ServeBare is a net/http server that decodes access requests and encodes answers, with the same library into the same types as Farebox, and does nothing
// else: no authentication, no price, no books. What it makes is what HTTP and JSON alone allow on this machine.
func ServeBare(ctx context.Context, l net.Listener) error {
	s := &http.Server{Handler: http.HandlerFunc(bare)}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	slog.Info("serving", "addr", l.Addr().String())
	if err := s.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

func bare(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/readyz" {
		return
	}
	body, err := io.ReadAll(r.Body)
	var in api.AccessRequest[api.RequestedItemV11]
	if err == nil {
		err = json.Unmarshal(body, &in, json.RejectUnknownMembers(true))
	}
	if err != nil || in.Requester == nil {
		http.Error(w, "not an access request", http.StatusBadRequest)
		return
	}
	answer := api.AccessAnswer{
		CorrelationID: "0197d2c4-0000-7000-8000-000000000000", Requester: *in.Requester, RequestedItems: make([]api.AnsweredItem, len(in.RequestedItems)),
	}
	for i := range in.RequestedItems {
		item := &in.RequestedItems[i]
		answer.RequestedItems[i] = api.AnsweredItem{
			Item: item.Item, Count: *item.Count, LineItems: []api.ChargedLineItem{{ActivationID: "A-1"}}, Status: api.Status{Code: "1101", Description: "Access granted"},
		}
	}
	out, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	_, _ = w.Write(out)
}
