package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

// demoClient calls the HTTP API with one token, as any application would.
type demoClient struct {
	base, token string
	instance    string // that session calls are about; empty of an administrator
}

// demoRefusal is an answer that is none of success.
type demoRefusal struct {
	method, path string
	status       int
	body         []byte
}

func (r *demoRefusal) Error() string {
	return fmt.Sprintf("%s %s: %d %s: %s", r.method, r.path, r.status, http.StatusText(r.status), r.body)
}

// demoHTTP is patient enough for a slow disk, and keeps a connection for each requester.
var demoHTTP = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
}

// call sends in as JSON, unless it is nil, and reads the answer into out, unless that is nil. It tells whether the
// answer is one that was given before to the same idempotency key.
func (c *demoClient) call(method, path, key string, in, out any) (replayed bool, err error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return false, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, c.base+path, body)
	if err != nil {
		return false, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.instance != "" {
		request.Header.Set("x-instance-id", c.instance)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := demoHTTP.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return false, err
	case response.StatusCode/100 != 2:
		return false, &demoRefusal{method, path, response.StatusCode, text}
	case out != nil:
		err = json.Unmarshal(text, out)
	}
	return response.Header.Get("Idempotent-Replayed") == "true", err
}
