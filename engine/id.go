package engine

import (
	"time"

	"github.com/google/uuid"
)

// receiptID makes a correlation id that begins with the time at which the receipt is made, so that the receipt is found by it; by a test
// clock as well.
func (e *Engine) receiptID(madeMS int64) string {
	text := e.newID()
	id, err := uuid.Parse(text)
	if err != nil || id.Version() != 7 {
		return text
	}
	for i := range 6 {
		id[i] = byte(madeMS >> (8 * (5 - i)))
	}
	return id.String()
}

// madeMS reads when a receipt was made off its correlation id; false if this cannot be one.
func madeMS(correlationID string) (int64, bool) {
	id, err := uuid.Parse(correlationID)
	if err != nil || id.Version() != 7 || id.String() != correlationID {
		return 0, false
	}
	sec, nsec := id.Time().UnixTime()
	return time.Unix(sec, nsec).UnixMilli(), true
}
