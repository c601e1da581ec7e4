package api

// NewKey is a public key to save.
type NewKey struct {
	ID        string `json:"id"`
	PublicKey string `json:"publicKey"`
}

// Key is a saved public key; Type is administration-key or client-key.
type Key struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	PublicKey string `json:"publicKey"`
	Created   int64  `json:"created"`
	Modified  int64  `json:"modified"`
}

// Keys is a page of keys; Next is 0 on the last.
type Keys struct {
	Keys []Key `json:"keys"`
	Next int64 `json:"next"`
}
