package usage

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"

	"github.com/farebox/farebox/token"
)

// A column is one field of consecutive events, as bytes. Its first byte says which of three kinds it is:
//
//	texts    1, number of values, values, width, an index into them for each event
//	numbers  2, digits, least value, width, how much more than that each event has
//	amounts  3, the decimal text of each event: for those that do not fit the others
//
// Indexes and numbers take as many bytes an event as the largest needs, from 0 (all are the same) to 8, little endian; behind them are
// 8 bytes of nothing, so that each can be read as 8 bytes. The last four bytes are a checksum.
const (
	textColumn   = 1
	numberColumn = 2
	amountColumn = 3

	padding     = 8
	checksummed = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errColumn = errors.New("a column of usage cannot be read; `farebox usage rebuild` makes it anew")

func seal(data []byte) []byte {
	return binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
}

// CheckColumn fails if a column is not as it was written. Adders trust columns: whoever reads them from elsewhere checks them.
func CheckColumn(data []byte) error {
	end := len(data) - checksummed
	if end < 1 || crc32.Checksum(data[:end], castagnoli) != binary.LittleEndian.Uint32(data[end:]) {
		return errColumn
	}
	return nil
}

// packed is a whole number for each event, in few bytes.
type packed struct {
	data  []byte
	width int
	mask  uint64
}

func (p *packed) at(i uint32) uint64 {
	return binary.LittleEndian.Uint64(p.data[int(i)*p.width:]) & p.mask
}

// read reads those of some rows (nil: of all); they are indexes.
func (p *packed) read(into, rows []uint32) {
	data, width, mask := p.data, p.width, uint32(p.mask)
	if rows == nil {
		for i := range into {
			into[i] = binary.LittleEndian.Uint32(data) & mask
			data = data[width:]
		}
		return
	}
	for i, row := range rows {
		into[i] = binary.LittleEndian.Uint32(data[int(row)*width:]) & mask
	}
}

func appendPacked(out []byte, n int, most uint64, at func(int) uint64) []byte {
	width := (bits.Len64(most) + 7) / 8
	out = append(out, byte(width))
	var buf [8]byte
	for i := range n {
		binary.LittleEndian.PutUint64(buf[:], at(i))
		out = append(out, buf[:width]...)
	}
	return append(out, make([]byte, padding)...)
}

// unpack reads what appendPacked has written for so many events, up to the checksum.
func unpack(data []byte, rows int) (p packed, err error) {
	if len(data) == 0 || data[0] > 8 || len(data) != 1+int(data[0])*rows+padding+checksummed {
		return p, errColumn
	}
	p.width = int(data[0])
	p.mask = ^uint64(0)
	if p.width < 8 {
		p.mask = 1<<(8*p.width) - 1
	}
	p.data = data[1:]
	return p, nil
}

// textsMaker makes a column of values of which many are the same.
type textsMaker struct {
	values []Value
	index  map[Value]uint32
	ids    []uint32
}

func (c *textsMaker) add(v Value) {
	if n := len(c.ids); n > 0 && c.values[c.ids[n-1]] == v { // as the one before: many are
		c.ids = append(c.ids, c.ids[n-1])
		return
	}
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

// addText adds a text, and keeps a copy if it is new.
func (c *textsMaker) addText(text []byte) {
	if id, known := c.index[Value{Text: string(text)}]; known { // looked up without a copy
		c.ids = append(c.ids, id)
		return
	}
	c.add(Value{Text: string(text)})
}

// pad has the events up to one have no value.
func (c *textsMaker) pad(to int) {
	for len(c.ids) < to {
		c.add(Value{None: true})
	}
}

func (c *textsMaker) encode() []byte {
	out := binary.AppendUvarint([]byte{textColumn}, uint64(len(c.values)))
	for _, v := range c.values {
		if v.None {
			out = append(out, 0)
			continue
		}
		out = binary.AppendUvarint(out, uint64(len(v.Text))+1)
		out = append(out, v.Text...)
	}
	return seal(appendPacked(out, len(c.ids), uint64(max(len(c.values), 1)-1), func(i int) uint64 { return uint64(c.ids[i]) }))
}

// texts is a column of values, to be read.
type texts struct {
	packed
	values []Value
}

func readTexts(data []byte, rows int) (c texts, err error) {
	if len(data) < 2 || data[0] != textColumn {
		return c, errColumn
	}
	count, n := binary.Uvarint(data[1:])
	if n <= 0 || count > uint64(len(data)) || count == 0 && rows > 0 {
		return c, errColumn
	}
	data = data[1+n:]
	c.values = make([]Value, count)
	for i := range c.values {
		size, n := binary.Uvarint(data)
		switch {
		case n <= 0 || size > uint64(len(data)-n):
			return c, errColumn
		case size == 0:
			c.values[i].None = true
			data = data[n:]
		default:
			c.values[i].Text = string(data[n : n+int(size)-1])
			data = data[n+int(size)-1:]
		}
	}
	c.packed, err = unpack(data, rows)
	return c, err
}

// encodeAmounts makes a column of amounts, in the least number of digits that holds them all exactly.
func encodeAmounts(amounts []token.Amount) []byte {
	digits := 0
	for i := range amounts {
		digits = max(digits, amounts[i].Digits())
	}
	units := make([]int64, len(amounts))
	for i := range amounts {
		n, fits := amounts[i].Units(digits)
		if !fits {
			return encodeTexts(amounts)
		}
		units[i] = n
	}
	return encodeUnits(units, digits)
}

func encodeUnits(units []int64, digits int) []byte {
	var least, most int64
	if len(units) > 0 {
		least, most = units[0], units[0]
	}
	for _, n := range units {
		least, most = min(least, n), max(most, n)
	}
	out := binary.LittleEndian.AppendUint64([]byte{numberColumn, byte(digits)}, uint64(least))
	return seal(appendPacked(out, len(units), uint64(most)-uint64(least), func(i int) uint64 { return uint64(units[i]) - uint64(least) }))
}

func encodeTexts(amounts []token.Amount) []byte {
	out := []byte{amountColumn}
	for i := range amounts {
		text := amounts[i].String()
		out = binary.AppendUvarint(out, uint64(len(text)))
		out = append(out, text...)
	}
	return seal(out)
}

// numbers is a column of numbers, to be read.
type numbers struct {
	packed
	least   uint64 // that all are more than, modulo 2^64
	digits  int    // after the point
	amounts []token.Amount
}

func readNumbers(data []byte, rows int) (c numbers, err error) {
	if len(data) > checksummed && data[0] == amountColumn {
		c.amounts, err = readAmounts(data[1:len(data)-checksummed], rows)
		return c, err
	}
	if len(data) < 10 || data[0] != numberColumn || data[1] > token.FractionDigits {
		return c, errColumn
	}
	c.digits, c.least = int(data[1]), binary.LittleEndian.Uint64(data[2:])
	c.packed, err = unpack(data[10:], rows)
	return c, err
}

func readAmounts(data []byte, rows int) ([]token.Amount, error) {
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

func (c *numbers) units(row uint32) int64 { return int64(c.least + c.at(row)) }

func (c *numbers) amount(row uint32) token.Amount {
	if c.amounts != nil {
		return c.amounts[row]
	}
	return token.FromUnits(c.units(row), c.digits)
}

// wide is a sum of whole numbers that cannot overflow: high x 2^32 + low, of up to 2^31 numbers.
type wide struct {
	high int64
	low  uint64
}

// add adds the numbers of some rows (nil: all) up, each to the sum of its group.
func (c *numbers) add(sums []wide, groups, rows []uint32) {
	data, width, mask, least := c.data, c.width, c.mask, c.least
	if rows == nil {
		for _, g := range groups {
			n := int64(least + binary.LittleEndian.Uint64(data)&mask)
			data = data[width:]
			sums[g].high += n >> 32
			sums[g].low += uint64(uint32(n))
		}
		return
	}
	for i, g := range groups {
		n := int64(least + binary.LittleEndian.Uint64(data[int(rows[i])*width:])&mask)
		sums[g].high += n >> 32
		sums[g].low += uint64(uint32(n))
	}
}

func (w wide) amount(digits int) token.Amount {
	if w.high == 0 && w.low < 1<<62 {
		return token.FromUnits(int64(w.low), digits)
	}
	return token.FromWideUnits(w.high, w.low, digits)
}
