package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/go-json-experiment/json"
)

// chunk is an event of a stream.
type chunk struct {
	Usage   *usage `json:"usage"`
	Choices []struct {
		Delta said `json:"delta"`
	} `json:"choices"`
}

// eventMost is how long an event may be, in bytes.
const eventMost = 4 << 20

// stream passes on a stream of server-sent events, each after it was written down what it is paid for. Its end is kept until all is paid for.
func (x *work) stream(body io.Reader) error {
	n := counts{Input: x.asked.estimate.Input} // counted, until the usage is told
	told := false
	events := bufio.NewScanner(body)
	events.Buffer(nil, eventMost)
	events.Split(splitEvents)
	for events.Scan() {
		event := events.Bytes()
		data, is := bytes.CutPrefix(event, []byte("data:"))
		data = bytes.TrimSpace(data)
		switch {
		case !is: // a comment or the like
		case string(data) == "[DONE]":
			if err := x.used(n, true); err != nil {
				return err
			}
			end := bytes.Clone(event)
			x.last = func() { x.send(end) }
			return nil
		default:
			var c chunk
			if err := json.Unmarshal(data, &c); err != nil {
				return fmt.Errorf("the stream has what is no chunk: %w", err)
			}
			if c.Usage != nil {
				n, told = counts{c.Usage.Prompt, c.Usage.Completion}, true
			}
			for i := range c.Choices {
				if !told {
					n.Output += c.Choices[i].Delta.tokens()
				}
			}
			if err := x.used(n, told); err != nil {
				return err
			}
			if c.Usage != nil && len(c.Choices) == 0 && !x.asked.wantsLast {
				continue // we asked for it, not the caller
			}
		}
		x.begun = true
		x.send(event)
	}
	if err := events.Err(); err != nil {
		return err
	}
	return fmt.Errorf("the stream ended before its end: %w", io.ErrUnexpectedEOF)
}

// send passes on an event. A caller who is gone ends the context, which ends the stream.
func (x *work) send(event []byte) {
	_, _ = x.w.Write(append(event[:len(event):len(event)], '\n', '\n'))
	_ = http.NewResponseController(x.w).Flush()
}

// splitEvents cuts at blank lines (bufio.SplitFunc).
func splitEvents(data []byte, atEOF bool) (advance int, event []byte, err error) {
	for _, blank := range []string{"\n\n", "\r\n\r\n"} {
		if i := bytes.Index(data, []byte(blank)); i >= 0 {
			return i + len(blank), data[:i], nil
		}
	}
	return 0, nil, nil // what is not ended is no event
}
