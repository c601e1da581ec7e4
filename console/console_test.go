package console

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestHandler(t *testing.T) {
	site := fstest.MapFS{
		"index.html":          {Data: []byte("page")},
		"index.html.br":       {Data: []byte("page in brotli")},
		"assets/a-1a2b.js":    {Data: []byte("script")},
		"assets/a-1a2b.js.gz": {Data: []byte("script in gzip")},
	}
	const forever = "public, max-age=31536000, immutable"
	for _, c := range []struct {
		what, path, accepts         string
		status                      int
		body, coding, cache, isType string
	}{
		{"the page", "/console/", "", 200, "page", "", "no-cache", "text/html"},
		{"compressed", "/console/", "gzip, br", 200, "page in brotli", "br", "no-cache", "text/html"},
		{"not as refused", "/console/", "br;q=0", 200, "page", "", "no-cache", "text/html"},
		{"a view", "/console/customers/x/y", "", 200, "page", "", "no-cache", "text/html"},
		{"a hashed file", "/console/assets/a-1a2b.js", "", 200, "script", "", forever, "text/javascript"},
		{"a hashed file, compressed", "/console/assets/a-1a2b.js", "gzip;q=0.5", 200, "script in gzip", "gzip", forever, "text/javascript"},
		{"a file of another version", "/console/assets/b.js", "", 404, "", "", "no-cache", "text/plain"},
		{"a folder", "/console/assets", "", 200, "page", "", "no-cache", "text/html"},
		{"a way out", "/console/../../etc/passwd", "", 200, "page", "", "no-cache", "text/html"},
	} {
		r := httptest.NewRequest("GET", c.path, nil)
		r.Header.Set("Accept-Encoding", c.accepts)
		w := httptest.NewRecorder()
		handler(site).ServeHTTP(w, r)
		h := w.Header()
		if w.Code != c.status || c.body != "" && w.Body.String() != c.body || h.Get("Content-Encoding") != c.coding ||
			h.Get("Cache-Control") != c.cache || !strings.HasPrefix(h.Get("Content-Type"), c.isType) {
			t.Errorf("%s: %d %q %v", c.what, w.Code, w.Body, h)
		}
		if p := h.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || !strings.Contains(p, "frame-ancestors 'none'") ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", c.what, h)
		}
	}
}

func TestWithoutBuildItSaysHow(t *testing.T) {
	w := httptest.NewRecorder()
	handler(fstest.MapFS{}).ServeHTTP(w, httptest.NewRequest("GET", "/console/overview", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "make build") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
