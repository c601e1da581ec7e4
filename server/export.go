package server

import (
	"bytes"
	"io"
	"net/http"
	"slices"

	"github.com/farebox/farebox/export"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/usage"
)

// exportPage is how many events are read at a time, each page on the state of then: one state for all of a long export would keep the
// store from tidying up. As the record only grows at its end, the pages fit together.
const exportPage = 1000

// exportEvents streams what listEvents pages through. Client tokens see their own instances.
func exportEvents(c *call) (*reply, error) {
	filter, err := c.eventFilter("format")
	if err != nil {
		return nil, err
	}
	format := export.Format(c.URL.Query().Get("format"))
	if format == "" {
		format = export.CSV
	}
	if !slices.Contains(export.Formats, format) {
		return nil, problem.Field("format", "must be %s", oneOf(export.Formats))
	}
	most, err := c.queryInt("limit", 0, 1, exportMost)
	if err != nil {
		return nil, err
	}
	x := &exported{call: c, filter: filter, left: int(most), bounded: most > 0}
	if x.from, err = parseCursor(c.URL.Query().Get("cursor")); err != nil {
		return nil, err
	}
	x.writer = export.NewWriter(format, &x.ready)
	if err := x.page(); err != nil { // what fails at once is told as what it is
		return nil, err
	}
	return &reply{status: http.StatusOK, contentType: format.ContentType(), stream: x.stream}, nil
}

// exportMost bounds what limit may say.
const exportMost = 1_000_000_000

// exported is an export under way.
type exported struct {
	*call
	filter  *usage.Filter
	from    usage.Position
	left    int // of the limit
	bounded bool
	more    bool
	writer  export.Writer // into ready
	ready   bytes.Buffer
}

func (x *exported) stream(to io.Writer) (string, error) {
	for {
		if !x.more {
			if err := x.writer.Close(); err != nil {
				return "", err
			}
		}
		if _, err := x.ready.WriteTo(to); err != nil || !x.more {
			return cursor(x.from), err
		}
		if x.server.stopping.Load() {
			return "", errStopping
		}
		if err := x.page(); err != nil {
			return "", err
		}
	}
}

// page makes the next page ready.
func (x *exported) page() error {
	limit := exportPage
	if x.bounded {
		limit = min(limit, x.left)
	}
	page, err := x.server.engine.PageOf(x.Context(), x.from, x.filter, limit)
	if err != nil {
		return err
	}
	for i := range page.Events {
		if err := x.writer.Write(&page.Events[i]); err != nil {
			return err
		}
	}
	x.from, x.left = page.Next, x.left-len(page.Events)
	x.more = page.More && (!x.bounded || x.left > 0)
	return nil
}
