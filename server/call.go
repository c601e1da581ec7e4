package server

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// call is one request on its way through a route.
type call struct {
	*http.Request
	server    *Server
	family    family
	principal *auth.Principal // nil on public routes
	body      []byte
	once      *engine.Once // nil without an Idempotency-Key
}

// reply is an answer that is not written yet.
type reply struct {
	status      int
	contentType string
	body        []byte
	stream      stream // instead of body: an answer that is not kept in memory
	duplex      bool   // the stream is written while the request's body is still read
	live        bool   // the stream goes on as long as there is news, has no cursor, and ends in any way
	replayed    bool
}

const jsonType = "application/json"

func jsonReply(status int, v any) (*reply, error) {
	body, err := json.Marshal(v)
	return &reply{status: status, contentType: jsonType, body: body}, err
}

func message(status int, text string) (*reply, error) {
	return jsonReply(status, api.Message{Message: text})
}

// handler wraps a route once with all that routes share: measuring, authentication, the body and its bound, errors.
func (s *Server) handler(r route) http.Handler {
	answered := s.latency.MustCurryWith(map[string]string{"route": r.method + " " + r.path})
	ok := answered.WithLabelValues("200")
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		started := time.Now()
		rep := s.answer(r, w, req)
		if rep.stream != nil {
			writeStream(w, req, rep)
		} else {
			write(w, rep)
		}
		took := time.Since(started).Seconds()
		switch {
		case rep.live: // how long somebody watches says nothing about the server
		case rep.status == http.StatusOK:
			ok.Observe(took)
		default:
			answered.WithLabelValues(strconv.Itoa(rep.status)).Observe(took)
		}
		if log := slog.Default(); log.Enabled(req.Context(), slog.LevelDebug) { // or the arguments would be made for nobody
			log.Debug("answered", "method", req.Method, "path", req.URL.Path, "status", rep.status, "seconds", took)
		}
	})
}

func (s *Server) answer(r route, w http.ResponseWriter, req *http.Request) (rep *reply) {
	defer func() {
		if fault := recover(); fault != nil {
			slog.Error("fault in a handler", "route", r.path, "fault", fault, "stack", string(debug.Stack()))
			rep = errorReply(r.family, http.StatusInternalServerError, "", "something is wrong on our side; the log says what")
		}
	}()
	c := &call{Request: req, server: s, family: r.family}
	if err := c.prepare(r, w); err != nil {
		return c.refuse(w, err)
	}
	rep, err := r.handle(c)
	if err != nil {
		return c.refuse(w, err)
	}
	return rep
}

// prepare authenticates, checks the address and reads the body, in this order: strangers cannot make the server read.
func (c *call) prepare(r route, w http.ResponseWriter) (err error) {
	if r.audience != public {
		if c.principal, err = c.server.engine.Authenticate(c.Header.Get("Authorization")); err != nil {
			return err
		}
		if err := c.authorize(r.audience); err != nil {
			return err
		}
	}
	if !utf8.ValidString(c.URL.Path) { // ids are text, and answers are too
		return problem.New(problem.Invalid, "the path is not UTF-8")
	}
	if c.URL.RawQuery != "" {
		if _, err := url.ParseQuery(c.URL.RawQuery); err != nil { // Query would leave out what is wrong, a filter as well
			return problem.Wrap(problem.Invalid, err, "the parameters cannot be read: %s", err)
		}
	}
	if c.body, err = readBody(w, c.Request, r.bodyMost); err != nil {
		return err
	}
	if r.method != http.MethodGet {
		c.once, err = c.idempotency()
	}
	return err
}

func (c *call) authorize(a audience) error {
	switch {
	case c.principal.Role == auth.Admin:
		return nil
	case a == adminOnly:
		return problem.New(problem.Forbidden, "this needs an administration token")
	case a == ofInstance && !c.principal.MayReach(c.PathValue("instanceId")):
		return errNotForInstance
	}
	return nil
}

// hides reports whether a client must not be told whether something is there that a path names by an id of its own: it is of an instance that the
// token is not for, or, which must look the same, it was not found.
func (c *call) hides(err error, instanceID func() string) bool {
	if err != nil {
		return c.principal.Role != auth.Admin && problem.KindOf(err) == problem.NotFound
	}
	return !c.principal.MayReach(instanceID())
}

var errNotForInstance = problem.New(problem.Forbidden, "this token is not for that instance")

func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength > max(most, -most) && most != 0 {
		return nil, tooLarge(max(most, -most))
	}
	if most <= 0 {
		return nil, nil
	}
	var body []byte
	var err error
	if r.ContentLength >= 0 {
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, body)
	} else {
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, tooLarge(most)
	}
	if err != nil {
		return nil, problem.Wrap(problem.Invalid, err, "the body did not arrive whole")
	}
	return body, nil
}

func tooLarge(most int64) error {
	return problem.New(problem.TooLarge, "the body is larger than %d bytes", most)
}

// keyBytesMost is how long an idempotency key may be.
const keyBytesMost = 255

func (c *call) idempotency() (*engine.Once, error) {
	values := c.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	if key := values[0]; len(values) > 1 || len(key) == 0 || len(key) > keyBytesMost {
		return nil, problem.Field("Idempotency-Key", "must be one header of 1 to %d bytes", keyBytesMost)
	}
	if why := unfitKey(values[0]); why != "" {
		return nil, problem.Field("Idempotency-Key", "%s", why)
	}
	return &engine.Once{Key: values[0], Fingerprint: c.fingerprint()}, nil
}

// unfitKey says what keeps a text from being an idempotency key, or "" when nothing does.
func unfitKey(key string) string {
	if len(key) == 0 || len(key) > keyBytesMost {
		return fmt.Sprintf("must have 1 to %d bytes", keyBytesMost)
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return "must be printable ASCII"
		}
	}
	return ""
}

// fingerprint tells requests apart.
func (c *call) fingerprint() []byte {
	sum := sha256.New()
	var room [256]byte
	line := append(append(append(room[:0], c.Method...), ' '), c.URL.RequestURI()...)
	sum.Write(append(line, '\n'))
	sum.Write(c.body)
	return sum.Sum(nil)[:16]
}

// change runs a verb that writes; its reply is kept with the request's idempotency key, if there is one.
func (c *call) change(fn func(*engine.Change) (*reply, error)) (*reply, error) {
	answer, replayed, err := c.server.engine.Change(c.Context(), c.PathValue("instanceId"), c.once, func(tx *engine.Change) (*store.Answer, error) {
		rep, err := fn(tx)
		if err != nil {
			return nil, err
		}
		return &store.Answer{Status: rep.status, Body: rep.body}, nil
	})
	if err != nil {
		return nil, err
	}
	return &reply{status: answer.Status, contentType: jsonType, body: answer.Body, replayed: replayed}, nil
}

// changeTo runs a verb that writes, and answers with what it made, as it is on the wire.
func changeTo[T, Wire any](c *call, status int, wire func(T) Wire, fn func(*engine.Change) (T, error)) (*reply, error) {
	return c.change(func(tx *engine.Change) (*reply, error) {
		made, err := fn(tx)
		if err != nil {
			return nil, err
		}
		return jsonReply(status, wire(made))
	})
}

// remove runs a verb that leaves nothing to tell of.
func (c *call) remove(fn func(*engine.Change) error) (*reply, error) {
	return c.change(func(tx *engine.Change) (*reply, error) { return &reply{status: http.StatusNoContent}, fn(tx) })
}

func (c *call) view(fn func(store.Reader) error) error {
	return c.server.engine.View(c.Context(), fn)
}

// show answers with what is read from one state of the books.
func (c *call) show(read func(store.Reader) (any, error)) (*reply, error) {
	var out any
	err := c.view(func(r store.Reader) (err error) {
		out, err = read(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, out)
}

// Values of headers that all answers share; nobody changes them.
var (
	ofJSON  = []string{jsonType}
	noSniff = []string{"nosniff"}
	noStore = []string{"no-store"}
)

func write(w http.ResponseWriter, rep *reply) {
	h := w.Header()
	switch {
	case len(rep.body) == 0:
	case rep.contentType == jsonType:
		h["Content-Type"] = ofJSON
	default:
		h.Set("Content-Type", rep.contentType)
	}
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
	if rep.replayed {
		h.Set("Idempotent-Replayed", "true")
	}
	if rep.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(rep.body)))
	}
	w.WriteHeader(rep.status)
	if len(rep.body) > 0 {
		_, _ = w.Write(rep.body)
	}
}
