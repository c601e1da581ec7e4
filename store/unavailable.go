package store

import (
	"errors"

	"github.com/farebox/farebox/problem"
)

// Unavailable makes a failure of a store's driver a problem of the kind Unavailable, since whatever it was, nothing was written. Problems, and nil, stay as they are.
func Unavailable(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*problem.Error](err); ok {
		return err
	}
	return problem.Wrap(problem.Unavailable, err, "the store cannot do this now; nothing was changed. Try again")
}
