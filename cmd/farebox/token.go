package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/farebox/farebox/auth"
)

type tokenCmd struct {
	signing `embed:""`
	TTL     time.Duration `default:"24h" help:"How long the token is valid." name:"ttl"`
}

// Help adds to --help.
func (*tokenCmd) Help() string {
	return `Needs the private key only: no database and no running server.

  TOKEN=$(farebox token --admin)
  farebox token --client --instance 0197d2c4-… --ttl 1h`
}

// Run is the verb.
func (cmd *tokenCmd) Run() error {
	text, err := cmd.sign(cmd.TTL)
	if err != nil {
		return err
	}
	fmt.Println(text)
	return nil
}

// signing says what a token is for, and which key signs it.
type signing struct {
	role     `embed:""`
	Instance []string `help:"An instance that a client token is for; may be repeated." placeholder:"ID" sep:"none"`
	Key      string   `help:"The private key to sign with (PEM), or - for the standard input; the one that serve left beside the database unless given." placeholder:"FILE"`
	KeyID    string   `help:"The id under which the key is registered; its RFC 7638 thumbprint unless given." placeholder:"ID" name:"kid"`
	database `embed:""`
}

// sign returns a token that is valid for a time from now on.
func (s *signing) sign(ttl time.Duration) (string, error) {
	pair, id, err := s.signer(ttl)
	if err != nil {
		return "", err
	}
	return auth.Sign(pair, s.role.role(), id, s.Instance, time.Now(), ttl)
}

// signer returns the key that signs, and the id under which it is registered.
func (s *signing) signer(ttl time.Duration) (*auth.Pair, string, error) {
	switch {
	case s.Client && len(s.Instance) == 0:
		return nil, "", usageError("a client token needs --instance: the instance it is for")
	case slices.Contains(s.Instance, ""): // as a variable that is not set makes it: the token would be good for nothing
		return nil, "", usageError("--instance is empty; give the id of an instance")
	case s.Admin && len(s.Instance) > 0:
		return nil, "", usageError("--instance goes with --client; an administration token is for all instances")
	case ttl <= 0:
		return nil, "", usageError("--ttl must be more than 0")
	}
	file := s.Key
	if file == "" {
		file = pemFile(s.DB, s.role.role())
	}
	pair, err := readPair(input(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("%s is not there; `farebox serve` makes it at its first start, or name another with --key", file)
	}
	if err != nil {
		return nil, "", err
	}
	return pair, cmp.Or(s.KeyID, pair.ID), nil
}
