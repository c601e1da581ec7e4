// Package api is the promise: openapi.yaml and the types that travel over the wire. Nothing in it runs.
package api

import _ "embed"

// Document is openapi.yaml.
//
//go:embed openapi.yaml
var Document []byte
