package middleware

import (
	"fmt"
	"slices"

	"github.com/farebox/farebox/client"
	"github.com/farebox/farebox/token"
)

// ByBytes settles one of an item for so many bytes of the answer that were sent, begun ones too: 1000 bytes by 300 are 4.
func ByBytes(item client.Item, bytes int64) Settle {
	if bytes < 1 {
		panic("ByBytes: at least one byte")
	}
	return func(a *Answered) ([]client.Item, error) {
		n := a.Bytes / bytes
		if a.Bytes%bytes > 0 {
			n++
		}
		if n == 0 {
			return nil, nil
		}
		of := item
		of.Count = client.Count(n)
		return []client.Item{of}, nil
	}
}

// ByHeader settles as many of an item as a header or trailer of the answer says, which the handler sets, such as Tokens-Used: 17.5. An answer without it came to
// nothing if it failed or is an error (400 and more); else that is a fault, and what was asked for is settled.
func ByHeader(item client.Item, header string) Settle {
	return func(a *Answered) ([]client.Item, error) {
		// A trailer that was not announced is set with a prefix (http.TrailerPrefix).
		texts := slices.Concat(a.Header.Values(header), a.Header.Values("Trailer:"+header))
		switch {
		case len(texts) == 0 && (a.Failed || a.Status >= 400):
			return nil, nil
		case len(texts) != 1:
			return nil, fmt.Errorf("the header %s is there %d times in the answer", header, len(texts))
		}
		count, err := token.Parse(texts[0])
		if err != nil || count.Sign() < 0 {
			return nil, fmt.Errorf("the header %s has %q, which is no count", header, texts[0])
		}
		of := item
		of.Count = &count
		return []client.Item{of}, nil
	}
}
