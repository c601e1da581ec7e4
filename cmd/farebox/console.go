package main

import (
	"fmt"
	"net"
	"strings"
	"time"
)

type consoleCmd struct {
	signing `embed:""`
	TTL     time.Duration `default:"8h" help:"How long one stays signed in." name:"ttl"`
	Server  string        `default:"http://127.0.0.1:8080" help:"Where the browser reaches the server." placeholder:"URL" env:"FAREBOX_SERVER"`
}

// Help adds to --help.
func (*consoleCmd) Help() string {
	return `Whoever has the link is signed in: it carries a token, behind the # that browsers keep to themselves, so that no server or proxy logs it.
Needs the private key only.

  farebox console --admin
  farebox console --client --instance 0197d2c4-… --server https://tokens.example`
}

// Run is the verb.
func (cmd *consoleCmd) Run() error {
	if !strings.HasPrefix(cmd.Server, "http://") && !strings.HasPrefix(cmd.Server, "https://") {
		return usageError("--server must begin with http:// or https://")
	}
	token, err := cmd.sign(cmd.TTL)
	if err != nil {
		return err
	}
	fmt.Println(consoleLink(cmd.Server, token))
	return nil
}

// consoleLink signs in whoever opens it. The fragment of an address never leaves the browser, and the console takes it out of the address bar.
func consoleLink(base, token string) string {
	return strings.TrimSuffix(base, "/") + "/console/#token=" + token
}

// reachable is an address to connect to, of one to listen on.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
