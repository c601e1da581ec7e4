package main

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/farebox/farebox/auth"
)

type consoleCmd struct {
	signing `embed:""`
	TTL     time.Duration `default:"8h" help:"How long one stays signed in, up to 24h." name:"ttl"`
	Opens   time.Duration `default:"5m" help:"For how long from now the link can be opened." placeholder:"DURATION"`
	Server  string        `default:"http://127.0.0.1:8080" help:"Where the browser reaches the server." placeholder:"URL" env:"FAREBOX_SERVER"`
}

// Help adds to --help.
func (*consoleCmd) Help() string {
	return `The link signs in once: whoever opens it first stays signed in, in that tab, until --ttl is over, and for anybody else it is good for nothing.
What it carries is behind the # that browsers keep to themselves, so that no server or proxy logs it. Needs the private key only.

  farebox console --admin
  farebox console --client --instance 0197d2c4-… --server https://tokens.example`
}

// Run is the verb.
func (cmd *consoleCmd) Run() error {
	switch {
	case !strings.HasPrefix(cmd.Server, "http://") && !strings.HasPrefix(cmd.Server, "https://"):
		return usageError("--server must begin with http:// or https://")
	case cmd.TTL > auth.LinkMost:
		return usageError("--ttl must be 24h or less; for longer, paste a token of `farebox token` into the console")
	case cmd.Opens <= 0:
		return usageError("--opens must be more than 0")
	}
	pair, id, err := cmd.signer(cmd.TTL)
	if err != nil {
		return err
	}
	link, err := auth.SignLink(pair, cmd.role.role(), id, cmd.Instance, time.Now(), cmd.Opens, cmd.TTL)
	if err != nil {
		return err
	}
	fmt.Println(consoleLink(cmd.Server, link))
	return nil
}

// consoleLink signs in whoever opens it first. The fragment of an address never leaves the browser, and the console takes it out of the address bar.
func consoleLink(base, link string) string {
	return strings.TrimSuffix(base, "/") + "/console/#link=" + link
}

// reachable is an address to connect to, of one to listen on.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
