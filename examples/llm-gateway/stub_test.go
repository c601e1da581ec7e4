package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
)

// model is a stub of a model: asked to "say 7" it answers with 7 tokens of 4 bytes. It counts what it has done, apart from everybody else.
type model struct {
	gate  sync.Mutex
	mu    sync.Mutex
	works map[string]*modelWork // by X-Request-Id
	steps int
	step  func(n int) // told of each step, from 1

	silent bool // it tells no usage
	cutAt  int  // it breaks off after so many tokens; 0: never
	status int  // it answers with this error; 0: none
}

// modelWork is one piece of it.
type modelWork struct {
	times         int
	input, output int64 // what it would come to whole
	sent          int64
	finished      bool
}

// stepped counts a step. While step is at work nobody else makes one.
func (m *model) stepped() {
	m.gate.Lock()
	defer m.gate.Unlock()
	m.mu.Lock()
	m.steps++
	n, step := m.steps, m.step
	m.mu.Unlock()
	if step != nil {
		step(n)
	}
}

func (m *model) begin(id string, input, output int64) *modelWork {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.works == nil {
		m.works = map[string]*modelWork{}
	}
	if m.works[id] == nil {
		m.works[id] = &modelWork{}
	}
	w := m.works[id]
	w.times++
	w.input, w.output = input, output
	return w
}

func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Messages []struct {
			Content string `json:"content"`
		} `json:"messages"`
		Stream bool `json:"stream"`
	}
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, &in); err != nil || len(in.Messages) == 0 {
		w.WriteHeader(400)
		return
	}
	if m.status != 0 {
		w.WriteHeader(m.status)
		_, _ = io.WriteString(w, `{"error":{"message":"no"}}`)
		return
	}
	var n int64
	_, _ = fmt.Sscanf(in.Messages[0].Content, "say %d", &n)
	work := m.begin(r.Header.Get("X-Request-Id"), int64(len(in.Messages[0].Content)), n)
	if in.Stream {
		m.stream(w, r, work)
		return
	}
	m.stepped()
	usage := ""
	if !m.silent {
		usage = fmt.Sprintf(`,"usage":{"prompt_tokens":%d,"completion_tokens":%d}`, work.input, work.output)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"choices":[{"message":{"role":"assistant","content":%q}}]%s}`, strings.Repeat("tok ", int(n)), usage)
	m.finish(work, n)
}

func (m *model) finish(work *modelWork, sent int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	work.sent, work.finished = sent, true
}

func (m *model) stream(w http.ResponseWriter, r *http.Request, work *modelWork) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	say := func(event string) bool {
		_, err := io.WriteString(w, event+"\n\n")
		return err == nil && out.Flush() == nil && r.Context().Err() == nil
	}
	for i := range work.output {
		if m.cutAt > 0 && int(i) == m.cutAt {
			panic(http.ErrAbortHandler)
		}
		m.stepped()
		if !say(`data: {"choices":[{"delta":{"content":"tok "}}]}`) {
			return
		}
		m.mu.Lock()
		work.sent = i + 1
		m.mu.Unlock()
	}
	m.stepped()
	if !m.silent && !say(fmt.Sprintf(`data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, work.input, work.output)) {
		return
	}
	if say("data: [DONE]") {
		m.finish(work, work.output)
	}
}
