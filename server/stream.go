package server

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// stream writes an answer bit by bit and returns the cursor to go on from. An error cuts the connection: whoever reads must not take
// a part for the whole.
type stream func(io.Writer) (cursor string, err error)

// nextCursor is the trailer that ends an answer which is streamed.
const nextCursor = "Farebox-Next-Cursor"

var errStopping = errors.New("the server is stopping")

func writeStream(w http.ResponseWriter, r *http.Request, rep *reply) {
	h := w.Header()
	h.Set("Content-Type", rep.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	out := &patient{w: w, deadline: http.NewResponseController(w)}
	if rep.duplex {
		_ = out.deadline.EnableFullDuplex() // where it is not supported, as in HTTP/2, it need not be enabled
	} else {
		h.Set("Trailer", nextCursor)
	}
	w.WriteHeader(rep.status)
	if r.Method == http.MethodHead {
		return
	}
	cursor, err := rep.stream(out)
	if err != nil {
		if r.Context().Err() == nil {
			slog.Warn("an answer was cut off", "path", r.URL.Path, "error", err)
		}
		panic(http.ErrAbortHandler) // the only way to end a connection so that the other side sees that something is missing
	}
	if !rep.duplex {
		h.Set(nextCursor, cursor)
	}
}

// patient gives every bit of an answer the time that a whole one has otherwise: a long answer may take hours, a reader that has
// stopped reading may not.
type patient struct {
	w        io.Writer
	deadline *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	// Who answers in a test without a connection has no deadlines.
	if err := p.deadline.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}

// Flush sends what was written so far.
func (p *patient) Flush() error {
	if err := p.deadline.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
