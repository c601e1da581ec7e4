package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/problem"
)

// statusOf is the one place where problems become HTTP.
var statusOf = map[problem.Kind]int{
	problem.Invalid:         http.StatusBadRequest,
	problem.Unauthenticated: http.StatusUnauthorized,
	problem.Forbidden:       http.StatusForbidden,
	problem.NotFound:        http.StatusNotFound,
	problem.Conflict:        http.StatusConflict,
	problem.TooLarge:        http.StatusRequestEntityTooLarge,
	problem.Ended:           http.StatusConflict,
	problem.KeyReused:       http.StatusUnprocessableEntity,
	problem.Unavailable:     http.StatusServiceUnavailable,
	problem.Internal:        http.StatusInternalServerError,
}

// shaped is an error with a body of its own, where the reference API has one.
type shaped struct {
	problem *problem.Error
	body    any
}

func (s *shaped) Error() string { return s.problem.Error() }
func (s *shaped) Unwrap() error { return s.problem }

// refuse renders an error. What people can act on is said to them; what they cannot is logged.
func (c *call) refuse(w http.ResponseWriter, err error) *reply {
	p, status := c.problemOf(err)
	switch p.Kind {
	case problem.Unauthenticated:
		w.Header().Set("WWW-Authenticate", `Bearer realm="farebox"`)
	case problem.Unavailable:
		w.Header().Set("Retry-After", "1")
	}
	if s, ok := errors.AsType[*shaped](err); ok {
		body, _ := json.Marshal(s.body)
		return &reply{status: status, contentType: jsonType, body: body}
	}
	return errorReply(c.family, status, p.Field, p.Message)
}

// problemOf returns an error as it is told, with its status, and logs it if it is a fault of ours.
func (c *call) problemOf(err error) (*problem.Error, int) {
	p, ok := errors.AsType[*problem.Error](err)
	if !ok {
		p = problem.Wrap(problem.Internal, err, "something is wrong on our side; the log says what")
	}
	status := statusOf[p.Kind]
	if status >= http.StatusInternalServerError {
		level, gone := slog.LevelError, c.Context().Err() != nil
		refused := p.Kind == problem.Unavailable && p.Cause == nil // nothing has failed: there is more to do than there is room for
		switch {
		case gone && (refused || errors.Is(p.Cause, context.Canceled)):
			level = slog.LevelDebug // whoever asked has gone, as browsers do when another page is opened
		case refused:
			level = slog.LevelWarn
		}
		slog.Log(c.Context(), level, "request failed", "method", c.Method, "path", c.URL.Path, "error", p.Error(), "cause", p.Cause)
	}
	return p, status
}

// wireProblem gives an error the shape of the Farebox API.
func wireProblem(status int, field, detail string) *api.Problem {
	field, detail = strings.ToValidUTF8(field, "\ufffd"), strings.ToValidUTF8(detail, "\ufffd") // a path may be of any bytes
	return &api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Field: field}
}

// errorReply gives an error the shape of its API (decisions.md D31).
func errorReply(f family, status int, field, detail string) *reply {
	told := wireProblem(status, field, detail)
	if f == farebox {
		body, _ := json.Marshal(told)
		return &reply{status: status, contentType: "application/problem+json", body: body}
	}
	if told.Field != "" {
		told.Detail = told.Field + ": " + told.Detail
	}
	body, _ := json.Marshal(api.Message{Message: told.Detail})
	return &reply{status: status, contentType: jsonType, body: body}
}
