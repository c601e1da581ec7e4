package usage

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"

	"github.com/farebox/farebox/token"
)

// A column is one field of consecutive events, as bytes. Its first byte says which of three kinds it is:
//
//	texts    1, width, number of values, values, an index into them for each event
//	numbers  2, width, digits, least value, how much more than that each event has
//	amounts  3, the decimal text of each event: for those that do not fit the others
//
// Indexes and numbers take as few bytes an event as the largest needs: 0 (all are the same), 1, 2, 4 or 8, little endian.
const (
	textColumn   = 1
	numberColumn = 2
	amountColumn = 3
)

// texts is a column of values of which many are the same.
type texts struct {
	values []Value
	index  map[Value]uint32
	ids    []uint32
}

func (c *texts) add(v Value) {
	id, known := c.index[v]
	if !known {
		if c.index == nil {
			c.index = map[Value]uint32{}
		}
		id = uint32(len(c.values))
		c.index[v] = id
		c.values = append(c.values, v)
	}
	c.ids = append(c.ids, id)
}

func (c *texts) encode() []byte {
	width := widthOf(uint64(max(len(c.values), 1) - 1))
	out := make([]byte, 0, 16+16*len(c.values)+width*len(c.ids))
	out = append(out, textColumn, byte(width))
	out = binary.AppendUvarint(out, uint64(len(c.values)))
	for _, v := range c.values {
		if v.None {
			out = append(out, 0)
			continue
		}
		out = binary.AppendUvarint(out, uint64(len(v.Text))+1)
		out = append(out, v.Text...)
	}
	for _, id := range c.ids {
		out = appendInt(out, width, uint64(id))
	}
	return out
}

// numbers is a column of amounts, or of whole numbers.
type numbers struct {
	amounts []token.Amount
}

// encode chooses the least number of digits that holds all amounts exactly, if their sum then cannot overflow.
func (c *numbers) encode() []byte {
	digits := 0
	for i := range c.amounts {
		digits = max(digits, c.amounts[i].Digits())
	}
	units := make([]int64, len(c.amounts))
	most := uint64(math.MaxInt64) / uint64(max(len(units), 1))
	for i := range c.amounts {
		n, fits := c.amounts[i].Units(digits)
		if !fits || magnitude(n) > most {
			return c.encodeAmounts()
		}
		units[i] = n
	}
	return encodeUnits(units, digits)
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-n)
	}
	return uint64(n)
}

func encodeUnits(units []int64, digits int) []byte {
	var least, most int64
	if len(units) > 0 {
		least, most = units[0], units[0]
	}
	for _, n := range units {
		least, most = min(least, n), max(most, n)
	}
	width := widthOf(uint64(most) - uint64(least))
	out := make([]byte, 0, 16+width*len(units))
	out = append(out, numberColumn, byte(width), byte(digits))
	out = binary.LittleEndian.AppendUint64(out, uint64(least))
	for _, n := range units {
		out = appendInt(out, width, uint64(n)-uint64(least))
	}
	return out
}

func (c *numbers) encodeAmounts() []byte {
	out := []byte{amountColumn}
	for i := range c.amounts {
		text := c.amounts[i].String()
		out = binary.AppendUvarint(out, uint64(len(text)))
		out = append(out, text...)
	}
	return out
}

// widthOf returns how many bytes a number needs.
func widthOf(most uint64) int {
	switch n := bits.Len64(most); {
	case n == 0:
		return 0
	case n <= 8:
		return 1
	case n <= 16:
		return 2
	case n <= 32:
		return 4
	}
	return 8
}

func appendInt(out []byte, width int, n uint64) []byte {
	switch width {
	case 1:
		return append(out, byte(n))
	case 2:
		return binary.LittleEndian.AppendUint16(out, uint16(n))
	case 4:
		return binary.LittleEndian.AppendUint32(out, uint32(n))
	case 8:
		return binary.LittleEndian.AppendUint64(out, n)
	}
	return out
}

var errColumn = errors.New("a column of usage cannot be read; `farebox usage rebuild` makes it anew")

// textsOf reads a column of texts: its values, and the index of each event into them. ids is used again if it is large enough.
func textsOf(data []byte, rows int, ids []uint32) ([]Value, []uint32, error) {
	if len(data) < 3 || data[0] != textColumn {
		return nil, nil, errColumn
	}
	width := int(data[1])
	data = data[2:]
	count, n := binary.Uvarint(data)
	if n <= 0 || count > uint64(rows)+1 {
		return nil, nil, errColumn
	}
	data = data[n:]
	values := make([]Value, count)
	for i := range values {
		size, n := binary.Uvarint(data)
		switch {
		case n <= 0 || size > uint64(len(data)-n)+1:
			return nil, nil, errColumn
		case size == 0:
			values[i].None = true
			data = data[n:]
		default:
			values[i].Text = string(data[n : n+int(size)-1])
			data = data[n+int(size)-1:]
		}
	}
	if len(data) != width*rows {
		return nil, nil, errColumn
	}
	ids = grown(ids, rows)
	switch width {
	case 0:
		clear(ids)
	case 1:
		for i := range ids {
			ids[i] = uint32(data[i])
		}
	case 2:
		for i := range ids {
			ids[i] = uint32(binary.LittleEndian.Uint16(data[2*i:]))
		}
	case 4:
		for i := range ids {
			ids[i] = binary.LittleEndian.Uint32(data[4*i:])
		}
	default:
		return nil, nil, errColumn
	}
	for _, id := range ids {
		if uint64(id) >= count {
			return nil, nil, errColumn
		}
	}
	return values, ids, nil
}

// unitsOf reads a column of numbers: in units of how many digits they are, or as amounts if they do not fit.
func unitsOf(data []byte, rows int, units []int64) (_ []int64, digits int, amounts []token.Amount, err error) {
	if len(data) > 0 && data[0] == amountColumn {
		amounts, err = amountsOf(data[1:], rows)
		return nil, 0, amounts, err
	}
	if len(data) < 11 || data[0] != numberColumn || data[2] > token.FractionDigits {
		return nil, 0, nil, errColumn
	}
	width, digits := int(data[1]), int(data[2])
	least := int64(binary.LittleEndian.Uint64(data[3:]))
	data = data[11:]
	if len(data) != width*rows {
		return nil, 0, nil, errColumn
	}
	units = grown(units, rows)
	switch width {
	case 0:
		for i := range units {
			units[i] = least
		}
	case 1:
		for i := range units {
			units[i] = least + int64(data[i])
		}
	case 2:
		for i := range units {
			units[i] = least + int64(binary.LittleEndian.Uint16(data[2*i:]))
		}
	case 4:
		for i := range units {
			units[i] = least + int64(binary.LittleEndian.Uint32(data[4*i:]))
		}
	case 8:
		for i := range units {
			units[i] = int64(uint64(least) + binary.LittleEndian.Uint64(data[8*i:]))
		}
	default:
		return nil, 0, nil, errColumn
	}
	return units, digits, nil, nil
}

func amountsOf(data []byte, rows int) ([]token.Amount, error) {
	amounts := make([]token.Amount, rows)
	for i := range amounts {
		size, n := binary.Uvarint(data)
		if n <= 0 || size > uint64(len(data)-n) {
			return nil, errColumn
		}
		var err error
		if amounts[i], err = token.Restore(string(data[n : n+int(size)])); err != nil {
			return nil, errColumn
		}
		data = data[n+int(size):]
	}
	return amounts, nil
}

// grown returns a slice of a length, the one that is there if it has the room.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
