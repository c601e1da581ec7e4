package server

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
)

// overtaken is a store with which something else happens just before a commit, once.
type overtaken struct {
	store.Store
	by func()
}

func (o *overtaken) Commit(ctx context.Context, want store.Want, decide func(*store.Loaded) store.Decided) error {
	if by := o.by; by != nil {
		o.by = nil
		by()
	}
	return o.Store.Commit(ctx, want, decide)
}

// Whoever comes second is told how the hold stands, not how it stood when they asked.
func TestReleasesAtTheSameTime(t *testing.T) {
	s := bulkShop(t)
	s.openHold(t)
	path := "/farebox/v1/holds/" + s.hold
	books := &overtaken{Store: s.store, by: func() {
		s.must(t, 200, "POST", path+"/settle", s.client, `{"requestedItems": [{"item": "render", "count": 2}], "final": false}`)
		s.must(t, 200, "DELETE", path, s.client, "")
	}}
	e := engine.New(books, engine.Options{Now: s.now})
	defer e.Stop()
	req := httptest.NewRequest("DELETE", path, nil)
	got := s.send(t, New(e, Options{}), req, s.client, "")
	if got.status != 200 || !strings.Contains(got.body, `"state":"RELEASED"`) || !strings.Contains(got.body, `"tokensSettled":2`) {
		t.Errorf("the second release was answered %d %s", got.status, got.body)
	}
}
