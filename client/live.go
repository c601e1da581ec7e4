package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/farebox/farebox/api"
)

// LiveQuery says what is watched; what is empty is left out.
type LiveQuery struct {
	InstanceIDs []string
	By          string // instance or account: rows of each
	Top         int64
	Every       time.Duration // whole seconds
}

// Live is what one server decides, as it happens, until ctx ends. The server ends a stream after an hour: the last pair is an error then, and whoever goes on
// watching asks again.
func (c *Client) Live(ctx context.Context, l LiveQuery) iter.Seq2[api.Live, error] {
	in := get(fareboxRoot+"/live", of(query("by", l.By, "top", number(l.Top), "every", number(int64(l.Every/time.Second))), l.InstanceIDs))
	return func(yield func(api.Live, error) bool) {
		answer, err := c.stream(ctx, in)
		if err != nil {
			yield(api.Live{}, err)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		for line, err := range textLines(answer.Body) {
			data, is := bytes.CutPrefix(line, []byte("data:"))
			if err == nil && !is {
				continue
			}
			var event api.Live
			if err == nil {
				err = decode(in, data, &event)
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
		yield(api.Live{}, fmt.Errorf("the live stream has ended: %w", io.EOF))
	}
}
