package server

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/jsonwriter"
	"github.com/farebox/farebox/problem"
)

// Bounds of bulks.
const (
	bulkMost      = 32 << 20 // bytes
	bulkLinesMost = 10_000
	bulksMost     = 16 // under way at a time, since each may be in memory whole

	portionsMost = bulkLinesMost/engine.BulkMost + bulkMost/engine.BulkBytesMost + 3 // each but the last is full by lines or by bytes
)

const linesType = "application/x-ndjson"

// line is a line of a bulk: a charge, or why it is none.
type line struct {
	number int64
	charge *engine.Charge
	err    error
}

// chargeInBulk makes many charges, a line each, and answers line by line. A portion of them is one commit (engine.Bulk), and is answered when
// that is durable. Lines are read while portions are charged and answered, and wait for neither: a caller may send all before it reads anything.
func chargeInBulk(c *call) (*reply, error) {
	if c.once != nil {
		return nil, problem.Field("Idempotency-Key", "has no meaning for a bulk; each line has an idempotencyKey of its own")
	}
	select {
	case c.server.bulks <- struct{}{}:
	default:
		return nil, problem.New(problem.Unavailable, "%d bulks are under way, and no more can be; ask again", bulksMost)
	}
	portions := make(chan []line, portionsMost)
	go func() {
		defer close(portions)
		c.readLines(portions)
	}()
	return &reply{status: http.StatusOK, contentType: linesType, duplex: true, stream: func(w io.Writer) (string, error) {
		defer func() { <-c.server.bulks }()
		var failed error
		for portion := range portions { // to the end: whoever asked may hang up, but what came whole is charged
			answers := c.answerLines(portion)
			if failed == nil {
				_, failed = w.Write(answers)
			}
		}
		return "", failed
	}}, nil
}

// readLines reads a bulk portion by portion, until its end or what cannot be gone on from.
func (c *call) readLines(portions chan<- []line) {
	in := bufio.NewReaderSize(http.MaxBytesReader(nil, c.Body, bulkMost), 64<<10)
	var portion []line
	size := 0
	send := func() {
		if len(portion) > 0 {
			portions <- portion
		}
		portion, size = nil, 0
	}
	defer send()
	taken := 0
	for number := int64(1); ; number++ {
		text, err := readLine(in)
		if err == errLineTooLong {
			portion = append(portion, line{number: number, err: problem.New(problem.TooLarge, "the line is larger than %d bytes", bodyMost)})
			continue
		}
		if _, over := errors.AsType[*http.MaxBytesError](err); over {
			portion = append(portion, line{number: number, err: tooLarge(bulkMost)})
			return
		}
		if err != nil && err != io.EOF {
			portion = append(portion, line{number: number, err: problem.Wrap(problem.Invalid, err, "the body ended here, before it was whole")})
			return
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			if taken++; taken > bulkLinesMost {
				portion = append(portion, line{number: number, err: problem.New(problem.TooLarge, "a bulk has at most %d lines; this one and those after it are not done", bulkLinesMost)})
				return
			}
			portion, size = append(portion, c.readCharge(number, text)), size+len(text)
		}
		if err == io.EOF {
			return
		}
		if len(portion) >= engine.BulkMost || size >= engine.BulkBytesMost {
			send()
		}
	}
}

var errLineTooLong = errors.New("the line is too long")

// readLine returns the next line; with io.EOF the last one, which may be empty. One that is too long is read to its end.
func readLine(in *bufio.Reader) ([]byte, error) {
	var text []byte
	tooLong := false
	for {
		part, err := in.ReadSlice('\n')
		if tooLong = tooLong || len(text)+len(part) > bodyMost; !tooLong {
			text = append(text, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case tooLong && (err == nil || err == io.EOF):
			return nil, errLineTooLong
		}
		return text, err
	}
}

// readCharge reads a line as a charge that the caller may make.
func (c *call) readCharge(number int64, text []byte) (l line) {
	defer func() { // nobody else would recover here, and it must not stop the process
		if fault := recover(); fault != nil {
			slog.Error("fault in reading a line of a bulk", "fault", fault, "stack", string(debug.Stack()))
			l = line{number: number, err: problem.New(problem.Internal, "something is wrong on our side; the log says what")}
		}
	}()
	charge, err := c.wireCharge(text)
	return line{number, charge, err}
}

func (c *call) wireCharge(text []byte) (*engine.Charge, error) {
	var in api.BulkCharge
	if err := decode(text, &in); err != nil {
		return nil, err
	}
	switch {
	case in.InstanceID == "":
		return nil, problem.Field("instanceId", "is required: whose line items pay")
	case !c.principal.MayReach(in.InstanceID):
		return nil, errNotForInstance
	case in.IdempotencyKey == "":
		return nil, problem.Field("idempotencyKey", "is required: by it the line counts once, however often it is sent")
	}
	if why := unfitKey(in.IdempotencyKey); why != "" {
		return nil, problem.Field("idempotencyKey", "%s", why)
	}
	request, err := wireOneOff(&api.AccessRequest[api.RequestedItemV11]{
		Requester: in.Requester, RequestedItems: in.RequestedItems, AllowPartial: in.AllowPartial, AllOrNothing: in.AllOrNothing,
	}, itemAsItIs)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	sum.Write([]byte("bulk\n"))
	sum.Write(text)
	once := &engine.Once{Key: in.IdempotencyKey, Fingerprint: sum.Sum(nil)[:16]}
	return &engine.Charge{InstanceID: in.InstanceID, Request: request, Once: once, Source: c.source(), Size: len(text)}, nil
}

// answerLines makes the charges of a portion, and answers all of its lines.
func (c *call) answerLines(portion []line) []byte {
	charges := make([]*engine.Charge, 0, len(portion))
	for i := range portion {
		if portion[i].err == nil {
			charges = append(charges, portion[i].charge)
		}
	}
	charged := c.server.engine.Bulk(charges)
	w := jsonwriter.Writer{B: make([]byte, 0, 512*len(portion))}
	for i := range portion {
		l, done := &portion[i], engine.Charged{Err: portion[i].err}
		if l.err == nil {
			done, charged = charged[0], charged[1:]
		}
		c.answerLine(&w, l.number, &done)
	}
	return w.B
}

// answerLine writes a line of the answer.
func (c *call) answerLine(w *jsonwriter.Writer, number int64, done *engine.Charged) {
	var answer []byte
	if done.Err == nil {
		answer, done.Err = accessAnswer(c.family, done.Receipt)
	}
	if done.Err != nil {
		p, status := c.problemOf(done.Err)
		field := p.Field
		if p.Kind == problem.KeyReused {
			field = "idempotencyKey" // a line has no headers
		}
		body, _ := json.Marshal(api.BulkAnswer{Line: number, Status: int64(status), Problem: wireProblem(status, field, p.Message)})
		w.B = append(append(w.B, body...), '\n')
		return
	}
	w.B = append(w.B, '{')
	w.Int("line", number)
	w.Int("status", http.StatusOK)
	w.TrueIf("replayed", done.Replayed)
	w.Name("answer")
	w.B = append(append(w.B, answer...), "}\n"...)
}
