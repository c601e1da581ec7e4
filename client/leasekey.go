package client

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
)

// leaseType is what the header of a lease says that it is, so that nothing else that the service signs is taken for one.
const leaseType = "farebox-lease+jwt"

// verifiedLease returns the claims of a lease, if one of the keys has signed it.
func verifiedLease(text string, keys *api.LeaseKeys) ([]byte, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: it has three parts with dots between", ErrNoLease)
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoLease, err)
		}
	}
	var header struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
		Type      string `json:"typ"`
	}
	if err := json.Unmarshal(decoded[0], &header, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: its header: %w", ErrNoLease, err)
	}
	if header.Algorithm != "EdDSA" || header.Type != leaseType {
		return nil, fmt.Errorf("%w: it is a %q signed with %q", ErrNoLease, header.Type, header.Algorithm)
	}
	key, err := leaseKey(keys, header.KeyID)
	if err != nil {
		return nil, err
	}
	if !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), decoded[2]) {
		return nil, fmt.Errorf("%w: its signature is not that of key %q", ErrNotSigned, header.KeyID)
	}
	return decoded[1], nil
}

func leaseKey(keys *api.LeaseKeys, id string) (ed25519.PublicKey, error) {
	if keys == nil {
		return nil, fmt.Errorf("%w that is known here: ask LeaseKeys while there is a network, and keep them with the lease", ErrNotSigned)
	}
	for _, k := range keys.Keys {
		if k.ID != id {
			continue
		}
		key, err := base64.RawURLEncoding.DecodeString(k.X)
		if k.Type != "OKP" || k.Curve != "Ed25519" || err != nil || len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: key %q is no Ed25519 public key", ErrNotSigned, id)
		}
		return key, nil
	}
	return nil, fmt.Errorf("%w: %q is not among the keys; ask LeaseKeys again, the service may have a new one", ErrNotSigned, id)
}
