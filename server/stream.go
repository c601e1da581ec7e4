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
	out := &patient{w: w, connection: http.NewResponseController(w), flush: rep.live || rep.duplex}
	switch {
	case rep.duplex:
		_ = out.connection.EnableFullDuplex() // where it is not supported, as in HTTP/2, it need not be enabled
	case rep.live:
		h.Set("X-Accel-Buffering", "no") // or a proxy in front keeps back what there is
	default:
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
	if !rep.duplex && !rep.live {
		h.Set(nextCursor, cursor)
	}
}

// patient gives every bit of an answer the time that a whole one has otherwise: a long answer may take hours, a reader that has
// stopped reading may not.
type patient struct {
	w          io.Writer
	connection *http.ResponseController
	flush      bool // every bit is to arrive at once
}

func (p *patient) Write(b []byte) (int, error) {
	// Who answers in a test without a connection has no deadlines.
	if err := p.connection.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := p.w.Write(b)
	if err == nil && p.flush {
		if err = p.connection.Flush(); errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	return n, err
}
