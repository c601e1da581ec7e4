// Package webhook sends events over HTTP as Standard Webhooks has it (standardwebhooks.com): signed, bounded in time and size, and to nobody
// inside the network it is sent from.
package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Timeout is how long an attempt takes at most.
const Timeout = 15 * time.Second

// Further bounds of an attempt.
const (
	headerBytes = 16 << 10
	answerBytes = 1024 // that are kept of an answer's body; no more is read
)

// patience is how long a receiver is waited for.
type patience struct {
	connect, header time.Duration // header: from the request to the answer's header
	all             time.Duration
}

var usual = patience{5 * time.Second, 10 * time.Second, Timeout}

// Sender sends events. It is safe for concurrent use.
type Sender struct {
	client  *http.Client
	private bool
}

// NewSender returns a sender. With private it may send to http and to addresses that are not public. It follows no redirect and
// uses no proxy. Receivers stands in for the network, if it is not nil.
func NewSender(private bool, receivers http.RoundTripper) *Sender {
	s := newSender(private, usual)
	if receivers != nil {
		s.client.Transport = receivers
	}
	return s
}

func newSender(private bool, p patience) *Sender {
	dialer := &net.Dialer{Timeout: p.connect}
	if !private {
		// Called with the address that a name stands for, right before it is dialled: what a name stands for later does not matter.
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return checkDial(address) }
	}
	return &Sender{private: private, client: &http.Client{
		Timeout:       p.all,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: p.connect, ResponseHeaderTimeout: p.header,
			MaxResponseHeaderBytes: headerBytes, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 1, DisableCompression: true,
		},
	}}
}

// Private reports whether a sender may send to addresses that are not public.
func (s *Sender) Private() bool { return s.private }

// Close lets go of idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Message is an event on its way.
type Message struct {
	URL     string
	ID      string // stable over all attempts, so that a receiver can tell that it has it
	Time    time.Time
	Body    []byte   // JSON
	Secrets []string // whsec_…; each signs, so that secrets can be changed while events go on
}

// Answer is what came back from an attempt.
type Answer struct {
	Status int    // of HTTP; 0: none came
	Body   string // its first bytes, as text
	Took   time.Duration
	Err    error // why none came

	RetryAfter time.Duration // for how long the receiver asks to be left alone; 0: it does not
}

// Delivered reports whether the receiver has taken the event: any status from 200 to 299.
func (a *Answer) Delivered() bool { return a.Status/100 == 2 }

// Send makes one attempt.
func (s *Sender) Send(ctx context.Context, m *Message) *Answer {
	started := time.Now()
	a := new(Answer)
	a.Err = s.send(ctx, m, a)
	a.Took = time.Since(started)
	return a
}

func (s *Sender) send(ctx context.Context, m *Message, a *Answer) error {
	if err := CheckURL(m.URL, s.private); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	signature, err := Sign(m)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "farebox")
	req.Header.Set(standard.HeaderWebhookID, m.ID)
	req.Header.Set(standard.HeaderWebhookTimestamp, strconv.FormatInt(m.Time.Unix(), 10))
	req.Header.Set(standard.HeaderWebhookSignature, signature)
	resp, err := s.client.Do(req)
	if err != nil {
		return brief(err)
	}
	defer resp.Body.Close()
	a.Status = resp.StatusCode
	if !a.Delivered() {
		a.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerBytes))
	a.Body = strings.ReplaceAll(strings.ToValidUTF8(string(text), "\ufffd"), "\x00", "\ufffd")
	if err != nil && !a.Delivered() { // of an event that was taken, what else is said does not matter
		return brief(err)
	}
	return nil
}

// brief leaves out the URL, which the reader knows, and words a timeout.
func brief(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			return errors.New("no answer came in time")
		}
		return e.Err
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return errors.New("the answer did not come in time")
	}
	return err
}

// Sign returns the signatures of a message, one a secret, as they stand in the header.
func Sign(m *Message) (string, error) {
	var all []string
	for _, secret := range m.Secrets {
		w, err := standard.NewWebhook(secret)
		if err != nil {
			return "", err
		}
		signature, err := w.Sign(m.ID, m.Time, m.Body)
		if err != nil {
			return "", err
		}
		all = append(all, signature)
	}
	if len(all) == 0 {
		return "", errors.New("there is no secret to sign with")
	}
	return strings.Join(all, " "), nil
}

// NewSecret returns a new secret of 32 random bytes.
func NewSecret() string {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(key[:])
}
