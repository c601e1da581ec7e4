package move

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// convert returns a value of the file as the database has it: NULL as nil, integers as int64, bytes as []byte, UUIDs as [16]byte.
func (c *column) convert(v any) (any, error) {
	if v == nil {
		if c.null {
			return nil, nil
		}
		return nil, fmt.Errorf("%s is NULL", c.name)
	}
	switch c.kind {
	case "bigint", "integer":
		if n, ok := v.(int64); ok {
			return n, nil
		}
		if b, ok := v.([]byte); ok && len(b) == 2 { // a place in table once
			return int64(binary.BigEndian.Uint16(b)), nil
		}
	case "boolean":
		if n, ok := v.(int64); ok && (n == 0 || n == 1) {
			return n == 1, nil
		}
	case "text":
		if s, ok := v.(string); ok {
			return s, c.storable(s)
		}
	case "bytea":
		switch v := v.(type) {
		case []byte:
			if v == nil { // what the driver makes of no bytes; NULL comes without a type
				v = []byte{}
			}
			return v, nil
		case string:
			return []byte(v), nil
		}
	case "date":
		if s, ok := v.(string); ok {
			return time.Parse(time.DateOnly, s)
		}
	case "uuid":
		switch v := v.(type) {
		case []byte:
			if len(v) == 16 {
				return [16]byte(v), nil
			}
		case string:
			id, err := uuid.Parse(v)
			return [16]byte(id), err
		}
	}
	return nil, fmt.Errorf("%s is %T, which is no %s", c.name, v, c.kind)
}

// storable refuses what no database in PostgreSQL can have.
func (c *column) storable(s string) error {
	if strings.ContainsRune(s, 0) {
		return fmt.Errorf("%s has a NUL character, which PostgreSQL cannot keep", c.name)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not UTF-8, and PostgreSQL keeps nothing else", c.name)
	}
	return nil
}

// same compares a converted value with one that was read from the database.
func same(ours, theirs any) bool {
	switch theirs := theirs.(type) {
	case []byte:
		ours, ok := ours.([]byte)
		return ok && bytes.Equal(ours, theirs)
	case time.Time:
		ours, ok := ours.(time.Time)
		return ok && ours.Equal(theirs)
	case int32:
		return ours == int64(theirs)
	}
	return ours == theirs
}
