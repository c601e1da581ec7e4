package middleware

import (
	"bufio"
	"net"
	"net/http"
	"sync/atomic"
)

// counter counts what is written to a ResponseWriter. What that can do besides, http.ResponseController finds through Unwrap; flushing and hijacking are here as
// well, since many handlers look for them by type, and so that a hijacked connection is counted, too.
type counter struct {
	http.ResponseWriter
	head   bool // the request is for the head alone: what is written of a body is not sent
	status int
	bytes  atomic.Int64 // a hijacked connection is written to by anybody
}

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *counter) WriteHeader(status int) {
	if c.status < 200 { // informational answers may come before
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(p []byte) (int, error) {
	if c.status < 200 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(p)
	if !c.head {
		c.bytes.Add(int64(n))
	}
	return n, err
}

func (c *counter) FlushError() error {
	if c.status < 200 {
		c.status = http.StatusOK
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}

func (c *counter) Flush() { _ = c.FlushError() }

func (c *counter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, both, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	c.status = http.StatusSwitchingProtocols
	counted := &countedConn{conn, &c.bytes}
	return counted, bufio.NewReadWriter(both.Reader, bufio.NewWriter(counted)), nil
}

type countedConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}
