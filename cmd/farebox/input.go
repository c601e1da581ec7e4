package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/farebox/farebox/rate"
)

// input is what a verb reads: a file, or the standard input, which is named -.
type input string

const standard input = "-"

// inputBytes is how much of the standard input is read: more than any verb takes.
const inputBytes = rate.FileBytes + 1

func (in input) read() ([]byte, error) {
	if in != standard {
		return os.ReadFile(string(in))
	}
	content, err := io.ReadAll(io.LimitReader(os.Stdin, inputBytes))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", in.name(), err)
	case len(bytes.TrimSpace(content)) == 0:
		return nil, errors.New("the standard input is empty; pipe something into it, or name a file in place of -")
	}
	return content, nil
}

// name is what messages call it.
func (in input) name() string {
	if in == standard {
		return rate.Unnamed
	}
	return string(in)
}

// version is what a table is called that does not say so itself: as its file is. Empty of what has no name.
func (in input) version() string {
	if in == standard {
		return ""
	}
	return strings.TrimSuffix(filepath.Base(string(in)), filepath.Ext(string(in)))
}
