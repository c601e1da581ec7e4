package rules

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The commands in this file speak plain HTTP.

// request makes a request of the words METHOD PATH [as=TOKEN] [chunked] [pad=BYTES].
func (w *world) request(a args) request {
	r := request{as: a.or("as", ""), chunked: a.flag("chunked"), header: http.Header{}}
	if len(a.alone) != 2 {
		w.Fatalf("%q is not METHOD PATH", a.alone)
	}
	r.method, r.path = a.alone[0], w.expand(a.alone[1])
	return r
}

var headerLine = regexp.MustCompile(`^([A-Za-z-]+): (.*)$`)

// http: http METHOD PATH ..., then header lines, then the body. It prints the whole answer, or with show=status its status.
func (w *world) http(a args, input string) string {
	r := w.request(a)
	for {
		line, rest, _ := strings.Cut(input, "\n")
		header := headerLine.FindStringSubmatch(line)
		if header == nil {
			break
		}
		r.header.Add(header[1], w.expand(header[2]))
		input = rest
	}
	r.body = w.body(a, input)
	answer := w.try(r)
	if a.or("show", "") == "status" {
		return strconv.Itoa(answer.status)
	}
	return show(answer)
}

// body expands a body and fills it up with spaces to the size that pad asks for.
func (w *world) body(a args, input string) string {
	body := w.expand(input)
	if size, found := a.named["pad"]; found {
		n, err := strconv.Atoi(size)
		if err != nil || n < len(body) {
			w.Fatalf("pad=%s: the body has %d bytes already", size, len(body))
		}
		body += strings.Repeat(" ", n-len(body))
	}
	return body
}

// show prints status, the headers that matter and the body.
func show(answer response) string {
	lines := []string{strconv.Itoa(answer.status)}
	for _, name := range []string{"Idempotent-Replayed", "WWW-Authenticate", "Allow", "Retry-After", "Location"} {
		if value := answer.header.Get(name); value != "" {
			lines = append(lines, name+": "+value)
		}
	}
	if kind := answer.header.Get("Content-Type"); answer.body != "" && kind != "application/json" {
		lines = append(lines, "Content-Type: "+kind)
	}
	if answer.body != "" {
		lines = append(lines, strings.TrimSuffix(answer.body, "\n"))
	}
	return strings.Join(lines, "\n")
}

// each: each METHOD PATH ..., then bodies, one a line. It prints a line an answer: its status, and the body of
// a refusal, or with show=body of any.
func (w *world) each(a args, bodies []string) string {
	var out []string
	r := w.request(a)
	for _, body := range bodies {
		r.body = w.body(a, body)
		answer := w.try(r)
		line := strconv.Itoa(answer.status)
		if answer.status >= 300 || a.or("show", "") == "body" {
			line += " " + answer.body
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// What stands for something else in bodies and paths.
var (
	timeNotation   = regexp.MustCompile(`@\d{4}-\d\d-\d\d(T[\d:.]+Z)?`)
	nameNotation   = regexp.MustCompile(`\{(pem:)?[a-z][a-z0-9-]*\}`)
	repeatNotation = regexp.MustCompile(`<<(\d+)(,?)\*((?:[^<]|<[^<])*?)>>`)
	byteNotation   = regexp.MustCompile(`\\x[0-9a-f]{2}`)
)

// expand replaces what README.md calls the notation: @2026-03-01, {acme}, {pem:KEY}, \xff, <<300*x>> and <<3,*{"n":#}>>.
func (w *world) expand(text string) string {
	text = timeNotation.ReplaceAllStringFunc(text, func(s string) string { return strconv.FormatInt(w.time(s[1:]), 10) })
	text = nameNotation.ReplaceAllStringFunc(text, func(s string) string {
		name := strings.Trim(s, "{}")
		if key, isKey := strings.CutPrefix(name, "pem:"); isKey {
			return quotedPEM(registered(key))
		}
		if name == "nowhere" {
			return nowhere
		}
		if s, found := w.sessions[name]; found {
			return s.id
		}
		if id, found := w.rules[name]; found {
			return id
		}
		return w.instance(name)
	})
	text = byteNotation.ReplaceAllStringFunc(text, func(s string) string {
		b, err := hex.DecodeString(s[2:])
		if err != nil {
			w.Fatal(err)
		}
		return string(b)
	})
	for repeatNotation.MatchString(text) { // inner ones first
		text = repeatNotation.ReplaceAllStringFunc(text, repeat)
	}
	return text
}

func repeat(notation string) string {
	parts := repeatNotation.FindStringSubmatch(notation)
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(parts[2])
		}
		b.WriteString(strings.ReplaceAll(parts[3], "#", strconv.Itoa(i)))
	}
	return b.String()
}

var (
	ids   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7000-8000-0*(\d+)`)
	times = regexp.MustCompile(`\b(1[6-9]|2\d)\d{11}\b`)
)

// readable is expand backwards, for what is printed.
func (w *world) readable(text string) string {
	for name, id := range w.instances {
		text = strings.ReplaceAll(text, id, "{"+name+"}")
	}
	for name, s := range w.sessions {
		text = strings.ReplaceAll(text, s.id, "{"+name+"}")
	}
	for name, id := range w.rules {
		text = strings.ReplaceAll(text, id, "{"+name+"}")
	}
	text = strings.ReplaceAll(text, nowhere, "{nowhere}")
	if strings.Contains(text, "BEGIN PUBLIC KEY") {
		text = namePublicKeys(text)
	}
	text = ids.ReplaceAllString(text, "{id-$1}")
	text = times.ReplaceAllStringFunc(text, func(s string) string {
		ms, _ := strconv.ParseInt(s, 10, 64)
		return "@" + readableTime(ms)
	})
	return runs(text)
}

// runs writes long runs of one character as <<300*x>>, but for the blanks of tables.
func runs(text string) string {
	const long = 40
	var b strings.Builder
	for i := 0; i < len(text); {
		n := 1
		for i+n < len(text) && text[i+n] == text[i] {
			n++
		}
		if n < long || text[i] == ' ' {
			b.WriteString(text[i : i+n])
		} else {
			fmt.Fprintf(&b, "<<%d*%c>>", n, text[i])
		}
		i += n
	}
	return b.String()
}

var timeLayouts = []string{time.DateOnly, "2006-01-02T15:04:05Z", "2006-01-02T15:04:05.000Z"}

func parseTime(text string) (ms int64, ok bool) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// readableTime writes a time as short as it can be.
func readableTime(ms int64) string {
	layout := timeLayouts[2]
	switch {
	case ms%(24*time.Hour).Milliseconds() == 0:
		layout = timeLayouts[0]
	case ms%1000 == 0:
		layout = timeLayouts[1]
	}
	return time.UnixMilli(ms).UTC().Format(layout)
}

// shortTime leaves out the date if it is the clock's.
func (w *world) shortTime(ms int64) string {
	t := time.UnixMilli(ms).UTC()
	switch {
	case t.Format(time.DateOnly) != w.now().Format(time.DateOnly):
		return readableTime(ms)
	case ms%60_000 == 0:
		return t.Format("15:04")
	case ms%1000 == 0:
		return t.Format("15:04:05")
	}
	return t.Format("15:04:05.000")
}
