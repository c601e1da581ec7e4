// Package codec is how stores keep receipts and rate tables as bytes: the same in each, so that books can move between them.
package codec

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"

	"github.com/farebox/farebox/usage"
)

// The codecs of journal rows.
const (
	Plain = 0
	Zstd  = 1

	zstdFrom = 1024 // bytes; less is not worth it
)

// ReceiptsMost is how many receipts a batch may have.
const ReceiptsMost = 1 << 16

// ErrNoReceipt says that a row does not have the receipt that it should have.
var ErrNoReceipt = errors.New("the receipt that an idempotency key points to is missing; run `farebox verify`")

// Receipts turns receipts into bytes and back. It is safe for concurrent use.
type Receipts struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// NewReceipts returns one that packs as many batches at a time as are asked for, others wait.
func NewReceipts(concurrency int) (*Receipts, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(concurrency))
	if err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))
	return &Receipts{encoder, decoder}, err
}

// AppendLines appends receipts as JSON, one a line.
func AppendLines(lines []byte, receipts []*usage.Receipt) (_ []byte, err error) {
	if len(receipts) > ReceiptsMost {
		return lines, fmt.Errorf("a batch of %d receipts; a row of the journal takes %d", len(receipts), ReceiptsMost)
	}
	for _, r := range receipts {
		if lines, err = r.AppendJSON(lines); err != nil {
			return lines, err
		}
		lines = append(lines, '\n')
	}
	return lines, nil
}

// Pack returns lines as they are kept: as they are, or compressed into room.
func (c *Receipts) Pack(lines, room []byte) (codec int, packed []byte) {
	if len(lines) < zstdFrom {
		return Plain, lines
	}
	return Zstd, c.encoder.EncodeAll(lines, room[:0])
}

// Compress returns bytes with Zstd, however few they are.
func (c *Receipts) Compress(b []byte) []byte { return c.encoder.EncodeAll(b, []byte{}) }

// Unpack returns the lines of a journal row.
func (c *Receipts) Unpack(codec int, packed []byte) ([]byte, error) {
	switch codec {
	case Plain:
		return packed, nil
	case Zstd:
		return c.decoder.DecodeAll(packed, nil)
	}
	return nil, fmt.Errorf("journal codec %d is not known", codec)
}

// Decode returns the receipts of a journal row.
func (c *Receipts) Decode(codec int, packed []byte) ([]*usage.Receipt, error) {
	lines, err := c.Unpack(codec, packed)
	if err != nil {
		return nil, err
	}
	var receipts []*usage.Receipt
	for line := range bytes.Lines(lines) {
		r := new(usage.Receipt)
		if err := json.Unmarshal(line, r); err != nil {
			return nil, err
		}
		receipts = append(receipts, r)
	}
	return receipts, nil
}

// Receipt returns the receipt at a place among lines.
func Receipt(lines []byte, place int) (*usage.Receipt, error) {
	at := 0
	for line := range bytes.Lines(lines) {
		if at == place {
			r := new(usage.Receipt)
			return r, json.Unmarshal(line, r)
		}
		at++
	}
	return nil, ErrNoReceipt
}

// Find returns the receipt of a correlation id among lines; nil if none has it.
func Find(lines []byte, correlationID string) (*usage.Receipt, error) {
	for line := range bytes.Lines(lines) {
		if !bytes.Contains(line, []byte(correlationID)) { // as most do not
			continue
		}
		r := new(usage.Receipt)
		if err := json.Unmarshal(line, r); err != nil {
			return nil, err
		}
		if r.CorrelationID == correlationID {
			return r, nil
		}
	}
	return nil, nil
}
