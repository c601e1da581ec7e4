package bench

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// httpConn sends prepared requests over one connection and reads the answers: HTTP/1.1 without what net/http does around it, since the
// load shares the processor with the server that is measured.
type httpConn struct {
	network string // host:port
	tls     *tls.Config
	in      *bufio.Reader
	body    []byte

	mu     sync.Mutex // over the two below, for close
	conn   net.Conn
	closed bool
}

// newHTTPConn is for an http:// or https:// address.
func newHTTPConn(base *url.URL) *httpConn {
	c := &httpConn{network: base.Host, in: bufio.NewReaderSize(nil, 16<<10)}
	port := "80"
	if base.Scheme == "https" {
		port, c.tls = "443", &tls.Config{ServerName: base.Hostname()}
	}
	if base.Port() == "" {
		c.network = net.JoinHostPort(base.Hostname(), port)
	}
	return c
}

const dialTimeout = 10 * time.Second

func (c *httpConn) connect() error {
	conn, err := net.DialTimeout("tcp", c.network, dialTimeout)
	if err != nil {
		return err
	}
	if c.tls != nil {
		conn = tls.Client(conn, c.tls)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.Join(net.ErrClosed, conn.Close())
	}
	c.conn = conn
	c.in.Reset(conn)
	return nil
}

// roundTrip sends a request. The body it returns is good until the next call.
func (c *httpConn) roundTrip(request []byte) (httpAnswer, error) {
	if c.conn == nil {
		if err := c.connect(); err != nil {
			return httpAnswer{}, err
		}
	}
	var a httpAnswer
	_, err := c.conn.Write(request)
	if err == nil {
		a, err = readAnswer(c.in, c.body)
		c.body = a.body
	}
	if err != nil || a.close {
		c.hangUp()
	}
	return a, err
}

func (c *httpConn) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.Close()
	if !c.closed {
		c.conn = nil
	}
}

// close ends the connection for good.
func (c *httpConn) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed = true; c.conn != nil {
		return c.conn.Close()
	}
	return nil
}

// httpAnswer is what was answered. close: no other request can be sent over this connection.
type httpAnswer struct {
	status int
	body   []byte
	close  bool
}

const answerMost = 64 << 20 // bytes

// readAnswer reads an HTTP/1.1 answer to anything but HEAD, its body into the room of buffer.
func readAnswer(in *bufio.Reader, buffer []byte) (httpAnswer, error) {
	for {
		a, length, err := readHead(in)
		if err != nil {
			return a, err
		}
		if a.status < 200 { // there is more to come
			continue
		}
		a.body = buffer[:0]
		switch {
		case a.status == 204 || a.status == 304:
		case length == chunked:
			a.body, err = readChunks(in, a.body)
		case length == untilEnd:
			a.close = true
			rest, fault := io.ReadAll(io.LimitReader(in, answerMost))
			a.body, err = append(a.body, rest...), fault
		default:
			a.body, err = readBody(in, a.body, length)
		}
		return a, err
	}
}

// What the head of an answer may say instead of a length.
const (
	untilEnd = -1
	chunked  = -2
)

func readHead(in *bufio.Reader) (a httpAnswer, length int, err error) {
	line, err := readLine(in)
	if err != nil {
		return a, 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return a, 0, fmt.Errorf("not an answer of HTTP/1.1: %.80q", line)
	}
	a.close = line[7] == '0'
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil || a.status < 100 {
		return a, 0, fmt.Errorf("not an answer of HTTP/1.1: %.80q", line)
	}
	length = untilEnd
	for {
		if line, err = readLine(in); err != nil || len(line) == 0 {
			return a, length, err
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			return a, 0, fmt.Errorf("not a header: %.80q", line)
		}
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "Content-Length") && length != chunked:
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 || length > answerMost {
				return a, 0, fmt.Errorf("a Content-Length of %.80q", value)
			}
		case is(name, "Transfer-Encoding") && is(value, "chunked"):
			length = chunked
		case is(name, "Connection") && is(value, "close"):
			a.close = true
		}
	}
}

func is(name []byte, other string) bool {
	return len(name) == len(other) && bytes.EqualFold(name, []byte(other))
}

// readLine returns a line without its end; it is good until the next read.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, errors.New("a header of the answer is too long")
	case errors.Is(err, io.EOF) && len(line) == 0:
		return nil, errors.New("the connection was closed without an answer")
	case err != nil:
		return nil, fmt.Errorf("the answer did not arrive whole: %w", err)
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'}), nil
}

func readBody(in *bufio.Reader, body []byte, length int) ([]byte, error) {
	before := len(body)
	if need := before + length; need > cap(body) {
		body = append(make([]byte, 0, need), body...)
	}
	body = body[:before+length]
	if _, err := io.ReadFull(in, body[before:]); err != nil {
		return body, fmt.Errorf("the answer did not arrive whole: %w", err)
	}
	return body, nil
}

func readChunks(in *bufio.Reader, body []byte) ([]byte, error) {
	for {
		line, err := readLine(in)
		if err != nil {
			return body, err
		}
		size, _, _ := bytes.Cut(line, []byte{';'})
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 31)
		if err != nil || len(body)+int(n) > answerMost {
			return body, fmt.Errorf("a chunk of %.80q", line)
		}
		if n > 0 {
			if body, err = readBody(in, body, int(n)); err != nil {
				return body, err
			}
		}
		for { // the end of the chunk's line; of the last one, trailers too
			if line, err = readLine(in); err != nil {
				return body, err
			}
			if len(line) == 0 {
				break
			}
			if n > 0 {
				return body, fmt.Errorf("a chunk is longer than it says: %.80q", line)
			}
		}
		if n == 0 {
			return body, nil
		}
	}
}
