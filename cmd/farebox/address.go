package main

import (
	"fmt"
	"net"
)

// address is where to listen, HOST:PORT. It is checked before anything is opened or made.
type address string

// UnmarshalText reads an address. An empty one would be any port of every network.
func (a *address) UnmarshalText(text []byte) error {
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT such as 127.0.0.1:8080", text)
	}
	*a = address(text)
	return nil
}
