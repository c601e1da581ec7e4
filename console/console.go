// Package console serves the web console that is built from console/web. It knows nothing of the server: the console talks to the public
// API, with the token of whoever looks at it, as any other client does.
package console

import (
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// built has site/ once the console was built, and a README always, so that it embeds without.
//
//go:embed all:dist
var built embed.FS

// policy keeps a page with a token in it to this server: nothing inline runs, nothing is fetched from or sent elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const missing = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Farebox console</title>
<h1>This binary has no console in it</h1>
<p>It was built without Node. With Node 20 or later, in the source of Farebox:</p>
<pre>make build</pre>
<p>The API is all there: <a href="/docs/">its documentation</a>.</p>
</html>
`

// Handler answers GET and HEAD below /console/: files of the build, and for every other path the page, whose script shows the view that
// the path names. Without a build it says how to make one.
func Handler() http.Handler {
	site, err := fs.Sub(built, "dist/site")
	if err != nil {
		panic(err) // the path is valid
	}
	return handler(site)
}

func handler(site fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/console/")
		hashed := strings.HasPrefix(name, "assets/")
		if !isFile(site, name) {
			if hashed { // of another version: the page would not run as a script
				http.Error(w, "there is no such file in this version of the console", http.StatusNotFound)
				return
			}
			name = "index.html"
		}
		if !isFile(site, name) {
			write(w, r, "text/html; charset=utf-8", []byte(missing))
			return
		}
		if hashed { // its name changes with its content
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		body, err := read(w, r, site, name)
		if err != nil {
			http.Error(w, "the console's file cannot be read", http.StatusInternalServerError)
			return
		}
		write(w, r, contentType(name), body)
	})
}

func isFile(site fs.FS, name string) bool {
	info, err := fs.Stat(site, name)
	return err == nil && !info.IsDir()
}

// read returns a file as the caller takes it: compressed by the build, or as it is.
func read(w http.ResponseWriter, r *http.Request, site fs.FS, name string) ([]byte, error) {
	w.Header().Add("Vary", "Accept-Encoding")
	for _, coding := range []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if takes(r, coding.name) && isFile(site, name+coding.suffix) {
			w.Header().Set("Content-Encoding", coding.name)
			return fs.ReadFile(site, name+coding.suffix)
		}
	}
	return fs.ReadFile(site, name)
}

// takes reports whether Accept-Encoding names a coding with a weight above 0 (RFC 9110, section 12.5.3).
func takes(r *http.Request, coding string) bool {
	for _, value := range r.Header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(value, ",") {
			name, weight, weighted := strings.Cut(part, ";")
			if !strings.EqualFold(strings.TrimSpace(name), coding) {
				continue
			}
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q="), 64)
			return !weighted || err == nil && q > 0
		}
	}
	return false
}

// contentType does not ask the machine, whose list of types may be odd.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func write(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // whoever went away needs no answer
	}
}
