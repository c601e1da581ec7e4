package api

// SignIn opens a link that signs in, with a secret of whoever opens it.
type SignIn struct {
	Link   *string `json:"link"`
	Secret *string `json:"secret"`
}

// SignedIn is the token of whoever has opened a link. Expires is in milliseconds since 1970.
type SignedIn struct {
	Token   string `json:"token"`
	Expires int64  `json:"expires"`
}
