package client

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
)

// Bounds of bulks.
const (
	bulkMost       = 10_000   // lines
	answerLineMost = 32 << 20 // bytes of a line of an answer
)

// ChargeInBulk sends up to 10,000 access requests of any instances at once, and returns an answer to each, in their order. A line without an idempotency key is
// given one, in place, which retries keep: send the same lines again after an error, and each counts once. A line that is denied or refused is no error: see its
// answer. One that was answered 503 is not sent again by itself; send it as it is.
func (c *Client) ChargeInBulk(ctx context.Context, lines []api.BulkCharge) ([]api.BulkAnswer, error) {
	if len(lines) > bulkMost {
		return nil, fmt.Errorf("%d lines are more than the %d of a bulk: send several, one after the other", len(lines), bulkMost)
	}
	var body bytes.Buffer
	for i := range lines {
		if lines[i].IdempotencyKey == "" {
			lines[i].IdempotencyKey = c.newKey()
		}
		line, err := json.Marshal(&lines[i], json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("line %d cannot be written: %w", i+1, err)
		}
		body.Write(append(line, '\n'))
	}
	var answers []api.BulkAnswer
	in := &call{method: http.MethodPost, path: fareboxRoot + "/access-requests", body: body.Bytes(), contentType: "application/x-ndjson", keyed: true}
	text, err := c.do(ctx, in)
	if err != nil {
		return nil, err
	}
	for line, err := range textLines(bytes.NewReader(text)) {
		var answer api.BulkAnswer
		if err == nil {
			err = decode(in, line, &answer)
		}
		if err != nil {
			return answers, err
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(lines) {
		return answers, fmt.Errorf("%d lines were sent and %d answered: %w", len(lines), len(answers), io.ErrUnexpectedEOF)
	}
	return answers, nil
}

// textLines yields the lines of a text that have something on them.
func textLines(r io.Reader) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, answerLineMost)
		for lines.Scan() {
			if len(lines.Bytes()) > 0 && !yield(lines.Bytes(), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, err)
		}
	}
}
