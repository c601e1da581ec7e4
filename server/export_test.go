package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// deny has n denials recorded.
func (s *shop) deny(t *testing.T, n int) {
	t.Helper()
	for range n {
		s.must(t, 200, "POST", "/dynamicmonetization/elastic/api/v1.1/instances/"+s.instance+"/access-request", s.client,
			`{"requester": {"type": "user", "value": "ann"}, "requestedItems": [{"item": "nothing", "count": 1}, {"item": "more", "count": 1}]}`)
	}
}

// exported asks over a real connection, where trailers are.
func exportOver(t *testing.T, url, token string) (body, next string, err error) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, all)
	}
	return string(all), resp.Trailer.Get("Farebox-Next-Cursor"), err
}

func TestExportsFitTogether(t *testing.T) {
	s := openShop(t)
	web := httptest.NewServer(s.server)
	defer web.Close()
	s.deny(t, 3)
	for _, format := range []string{"csv", "ndjson"} {
		for limit := 1; limit < 8; limit++ {
			path := fmt.Sprintf("%s/farebox/v1/usage/export?format=%s", web.URL, format)
			all, cursor := "", ""
			for {
				piece, next, err := exportOver(t, fmt.Sprintf("%s&limit=%d&cursor=%s", path, limit, cursor), s.admin)
				if err != nil || next == "" {
					t.Fatal(next, err)
				}
				if format == "csv" {
					_, piece, _ = strings.Cut(piece, "\n")
				}
				if piece == "" {
					break
				}
				all, cursor = all+piece, next
			}
			s.deny(t, 1)
			more, _, err := exportOver(t, path+"&cursor="+cursor, s.admin)
			if err != nil {
				t.Fatal(err)
			}
			whole, _, err := exportOver(t, path, s.admin)
			if err != nil {
				t.Fatal(err)
			}
			if format == "csv" {
				_, whole, _ = strings.Cut(whole, "\n")
				_, more, _ = strings.Cut(more, "\n")
			}
			if all+more != whole || strings.Count(more, "\n") != 2 {
				t.Fatalf("%s in pieces of %d:\n%s, and then\n%s, not\n%s", format, limit, all, more, whole)
			}
		}
	}
}

func TestExportKeepsToItsFilterAndToken(t *testing.T) {
	s := openShop(t)
	s.deny(t, 2)
	for _, c := range []struct {
		query, token string
		lines        int
	}{
		{"", s.admin, 4}, {"", s.client, 4}, {"", s.stranger, 0}, {"&item=more", s.client, 2}, {"&kind=CHARGE", s.admin, 0},
		{"&to=2020-01-01T00:00:00Z", s.admin, 0}, {"&instanceId=" + s.instance, s.admin, 4}, {"&limit=3", s.admin, 3},
	} {
		got := s.must(t, 200, "GET", "/farebox/v1/usage/export?format=ndjson"+c.query, c.token, "")
		if n := strings.Count(got.body, "\n"); n != c.lines {
			t.Errorf("%s: %d lines, want %d", c.query, n, c.lines)
		}
	}
	file := s.must(t, 200, "GET", "/farebox/v1/usage/export?format=parquet", s.client, "").body
	f, err := parquet.OpenFile(strings.NewReader(file), int64(len(file)))
	if err != nil || f.NumRows() != 4 {
		t.Errorf("%v of a Parquet file", err)
	}
	s.must(t, 403, "GET", "/farebox/v1/usage/export?instanceId="+s.other, s.client, "")
	for _, wrong := range []string{"format=xml", "limit=0", "cursor=x", "from=never", "form=csv"} {
		s.must(t, 400, "GET", "/farebox/v1/usage/export?"+wrong, s.admin, "")
	}
	if got := s.must(t, 200, "HEAD", "/farebox/v1/usage/export", s.admin, ""); got.body != "" {
		t.Errorf("HEAD is answered %q", got.body)
	}
}

// failingLater is a store whose views fail after a while.
type failingLater struct {
	store.Store
	left int
}

func (f *failingLater) View(ctx context.Context, fn func(store.Reader) error) error {
	if f.left--; f.left < 0 {
		return problem.New(problem.Unavailable, "on purpose")
	}
	return f.Store.View(ctx, fn)
}

// What fails before anything was sent is told; what fails later cuts the connection, so that a part is not taken for the whole.
func TestExportThatFailsIsCutOff(t *testing.T) {
	s := openShop(t)
	s.deny(t, exportPage) // two pages
	for left, want := range []string{"503", "cut", "whole"} {
		e := engine.New(&failingLater{s.store, left}, engine.Options{Now: s.now})
		web := httptest.NewServer(New(e, Options{}))
		req, err := http.NewRequest("GET", web.URL+"/farebox/v1/usage/export?format=ndjson", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.admin)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		got := "whole"
		switch next := resp.Trailer.Get("Farebox-Next-Cursor"); {
		case resp.StatusCode == 503:
			got = "503"
		case errors.Is(err, io.ErrUnexpectedEOF) && next == "":
			got = "cut"
		case err != nil || next == "" || bytes.Count(body, []byte("\n")) != 2*exportPage:
			t.Errorf("%v, %q, %d bytes", err, next, len(body))
		}
		if got != want {
			t.Errorf("with %d views it is %s, not %s", left, got, want)
		}
		_ = resp.Body.Close()
		web.Close()
		e.Stop()
	}
}

type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestEachBitOfAStreamHasItsTime(t *testing.T) {
	d := &deadlines{ResponseWriter: httptest.NewRecorder()}
	bits := 0
	rep := &reply{status: 200, stream: func(w io.Writer) (string, error) {
		for ; bits < 3; bits++ {
			if _, err := io.WriteString(w, "x"); err != nil {
				return "", err
			}
		}
		return "c", nil
	}}
	began := time.Now()
	writeStream(d, httptest.NewRequest("GET", "/", nil), rep)
	if len(d.set) != bits {
		t.Fatalf("%d deadlines of %d bits", len(d.set), bits)
	}
	for _, at := range d.set {
		if at.Before(began.Add(writeTimeout)) {
			t.Errorf("a bit has until %v only", at.Sub(began))
		}
	}
}

func TestStoppingCutsExportsOff(t *testing.T) {
	s := openShop(t)
	s.deny(t, exportPage)
	s.server.stopping.Store(true)
	web := httptest.NewServer(s.server)
	defer web.Close()
	if _, next, err := exportOver(t, web.URL+"/farebox/v1/usage/export", s.admin); err == nil || next != "" {
		t.Errorf("%q, %v", next, err)
	}
}
