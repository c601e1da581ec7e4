// Package problem is the one error that reaches people: what was wrong, which field, what to do.
package problem

import (
	"errors"
	"fmt"
)

// Kind is the short list that programs act on; the server renders each as one HTTP status.
type Kind int

// The kinds of problem. The zero Kind is a fault of ours.
const (
	Internal        Kind = iota
	Invalid              // the request cannot be understood or asks for something impossible
	Unauthenticated      // no token, or one that proves nothing
	Forbidden            // a good token that may not
	NotFound             // nothing is there
	Conflict             // it contradicts what is there
	TooLarge             // past a documented limit of size
	KeyReused            // an idempotency key was used before with another request
	Ended                // it was there, and can never be used again
	Unavailable          // nothing was done; the same request may succeed later
)

// Error says in Message, for people, what was wrong and what to do. Field names the offending part of the request as a
// path such as "requestedItems[0].count", or is empty. Cause is for logs only and never leaves the server.
type Error struct {
	Kind    Kind
	Field   string
	Message string
	Cause   error
}

func (e *Error) Error() string {
	text := e.Message
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New returns a problem without a field.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Field returns an Invalid problem with one field of the request.
func Field(field, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns a problem with a cause that is kept for the log.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// KindOf returns the kind of the first problem in err's chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
