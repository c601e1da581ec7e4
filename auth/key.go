// Package auth holds the keys that tokens are signed with, checks JSON Web Tokens, and says who may do what.
package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/farebox/farebox/problem"
)

// Role is what a key's tokens may do, as the claim cnf.jwk.kty spells it (decisions.md D30).
type Role string

// The roles.
const (
	Admin  Role = "ADMIN"  // everything
	Client Role = "CLIENT" // the instances in the token's aud
)

// Key is a registered public key. Its id is the producer's choice; administration and client keys are named apart.
type Key struct {
	Role       Role
	ID         string
	PublicPEM  string
	CreatedMS  int64
	ModifiedMS int64
}

// Validate checks a key before it is registered; its problems name fields as the JSON document has them.
func (k *Key) Validate() *problem.Error {
	if why := problem.Unnamed(k.ID); why != "" {
		return problem.Field("id", "%s", why)
	}
	if strings.Contains(k.PublicPEM, "\x00") { // outside of the block, where anything may stand otherwise
		return problem.Field("publicKey", "has a NUL character; remove it")
	}
	if _, err := ParsePublic(k.PublicPEM); err != nil {
		return problem.Field("publicKey", "%s", err)
	}
	return nil
}

// ParsePublic reads a PEM public key (PKIX or PKCS #1) that is strong enough to sign tokens: RSA of 2048 to 8192 bits, ECDSA on
// P-256 or P-384, or Ed25519.
func ParsePublic(text string) (crypto.PublicKey, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, errors.New("is not PEM: it must have a line -----BEGIN PUBLIC KEY-----, the key, and a line -----END PUBLIC KEY-----")
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errors.New("is a private key; give the public half and keep the private one to yourself")
	case len(strings.TrimSpace(string(rest))) > 0:
		return nil, errors.New("has something after the first PEM block; give one key")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if block.Type == "RSA PUBLIC KEY" {
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("is PEM, but not of an RSA, ECDSA or Ed25519 public key")
	}
	return key, strong(key)
}

func strong(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.Size() < 256 || k.Size() > 1024 {
			return fmt.Errorf("is an RSA key of %d bits; 2048 to 8192 are allowed", k.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return fmt.Errorf("is on the curve %s; P-256 and P-384 are allowed", k.Curve.Params().Name)
		}
	case ed25519.PublicKey:
	default:
		return errors.New("is of a type that cannot sign tokens; RSA, ECDSA and Ed25519 are allowed")
	}
	return nil
}

// Pair is a private key with what is needed to register and use it.
type Pair struct {
	Private    crypto.Signer
	ID         string // RFC 7638 thumbprint, unless chosen
	PrivatePEM []byte // PKCS #8
	PublicPEM  string // PKIX
}

// NewPair makes an Ed25519 key pair. Its id does not begin with a dash: on a command line that would be a flag.
func NewPair() (*Pair, error) {
	for {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		pair, err := newPair(private)
		if err != nil || !strings.HasPrefix(pair.ID, "-") {
			return pair, err
		}
	}
}

// ParsePrivate reads a PEM private key (PKCS #8, PKCS #1 or SEC 1).
func ParsePrivate(text []byte) (*Pair, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("is not PEM: it must begin with -----BEGIN PRIVATE KEY-----")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("is PEM, but not of a private key without a password")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("is a key that cannot sign")
	}
	if err := strong(signer.Public()); err != nil {
		return nil, err
	}
	return newPair(signer)
}

func newPair(private crypto.Signer) (*Pair, error) {
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return nil, err
	}
	id, err := Thumbprint(private.Public())
	if err != nil {
		return nil, err
	}
	return &Pair{
		Private: private, ID: id,
		PrivatePEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
		PublicPEM:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}, nil
}

// Thumbprint returns the SHA-256 thumbprint of a public key (RFC 7638), in base64url.
func Thumbprint(key crypto.PublicKey) (string, error) {
	jwk := jose.JSONWebKey{Key: key}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}

// digest names a token in memory without keeping it.
type digest [sha256.Size]byte

func digestOf(text string) digest {
	var room [1024]byte // more than most tokens need, so that nothing is allocated for each request
	return sha256.Sum256(append(room[:0], text...))
}
