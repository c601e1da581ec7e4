package export

import (
	"fmt"
	"io"
	"math/big"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// decimal is DECIMAL(38,12): two's complement, the most significant byte first. It holds more than what one line item can ever have
// been charged (token.Max), and 38 digits are the most that readers of Parquet agree on.
type decimal [16]byte

// columns are usage.Columns in their order, with their types. What CSV has empty is NULL.
type columns struct {
	CorrelationID string   `parquet:"CORRELATION_ID"`
	TenantID      string   `parquet:"TENANT_ID,dict"`
	UsageTime     int64    `parquet:"USAGE_TIME,timestamp(millisecond:utc)"`
	WriteTime     int64    `parquet:"WRITE_TIME,timestamp(millisecond:utc)"`
	ConsumerID    string   `parquet:"CONSUMER_ID,dict"`
	ConsumerType  string   `parquet:"CONSUMER_TYPE,dict"`
	AccountID     string   `parquet:"ACCOUNT_ID,dict"`
	InstanceID    string   `parquet:"INSTANCE_ID,dict"`
	ActivationID  *string  `parquet:"ACTIVATION_ID,dict,optional"`
	EntitledCount *int64   `parquet:"MAPPED_ENTITLED_COUNT,optional"`
	Used          *decimal `parquet:"USED,decimal(12:38),optional"`
	Item          string   `parquet:"ITEM,dict"`
	ItemVersion   *string  `parquet:"ITEM_VERSION,dict,optional"`
	Count         decimal  `parquet:"COUNT,decimal(12:38)"`
	Rate          *decimal `parquet:"RATE,decimal(12:38),optional"`
	Tokens        decimal  `parquet:"TOKENS,decimal(12:38)"`
	Overdraft     decimal  `parquet:"OVERDRAFT,decimal(12:38)"`
	Kind          string   `parquet:"KIND,dict"`
	Status        string   `parquet:"STATUS,dict"`
	SessionID     *string  `parquet:"SESSION_ID,optional"`
	Series        *string  `parquet:"RATE_TABLE_SERIES,dict,optional"`
	TableVersion  *string  `parquet:"RATE_TABLE_VERSION,dict,optional"`
	MetaData      *string  `parquet:"METADATA,optional"`
	Dictionary    *string  `parquet:"CONSUMER_DICTIONARY,dict,optional"`
	UnitPrice     *decimal `parquet:"UNIT_PRICE,decimal(12:38),optional"`
	Currency      *string  `parquet:"CURRENCY,dict,optional"`
	Money         *decimal `parquet:"MONEY,decimal(12:38),optional"`
	Requests      int64    `parquet:"REQUESTS"`
	SourceAddress *string  `parquet:"SOURCE_ADDRESS,dict,optional"`
	UserAgent     *string  `parquet:"USER_AGENT,dict,optional"`
	RefundOf      *string  `parquet:"REFUND_OF,optional"`
	CorrectedBy   *string  `parquet:"CORRECTED_BY,dict,optional"`
	Reason        *string  `parquet:"REASON,dict,optional"`
	HoldID        *string  `parquet:"HOLD_ID,optional"`
	Late          *bool    `parquet:"LATE,optional"`
	Overdrawn     *decimal `parquet:"OVERDRAWN,decimal(12:38),optional"`
	LeaseID       *string  `parquet:"LEASE_ID,optional"`
}

// groupRows is how many rows are kept until they are written, and so how much memory a file takes, however long it is.
const groupRows = 20_000

type parquetWriter struct {
	w   *parquet.GenericWriter[columns]
	row [1]columns
}

func newParquet(to io.Writer) *parquetWriter {
	return &parquetWriter{w: parquet.NewGenericWriter[columns](to, parquet.Compression(&zstd.Codec{Level: zstd.SpeedDefault}),
		parquet.MaxRowsPerRowGroup(groupRows), parquet.CreatedBy("farebox", "", ""))}
}

func (w *parquetWriter) Write(e *usage.Event) error {
	if err := w.row[0].set(e); err != nil {
		return err
	}
	_, err := w.w.Write(w.row[:])
	return err
}

func (w *parquetWriter) Close() error { return w.w.Close() }

func (c *columns) set(e *usage.Event) error {
	d := decimals{of: e}
	*c = columns{
		CorrelationID: e.CorrelationID, TenantID: usage.Tenant, UsageTime: e.UsageTimeMS, WriteTime: e.WriteTimeMS,
		ConsumerID: e.Requester.Value, ConsumerType: e.Requester.Type, AccountID: e.AccountID, InstanceID: e.InstanceID,
		ActivationID: known(e.ActivationID), Item: e.Item, ItemVersion: known(e.ItemVersion),
		Count: d.exact("COUNT", e.Count), Tokens: d.exact("TOKENS", e.Tokens), Overdraft: d.exact("OVERDRAFT", e.Overdraft),
		Kind: string(e.Kind), Status: string(e.Status), SessionID: known(e.SessionID),
		Series: known(e.RateTableSeries), TableVersion: known(e.RateTableVersion),
		MetaData: known(string(e.MetaData)), Dictionary: known(string(e.Requester.Dictionary)), Currency: known(e.Currency), Requests: int64(e.Requests),
		RefundOf: known(e.RefundOf), CorrectedBy: known(e.By), Reason: known(e.Reason), HoldID: known(e.HoldID), LeaseID: known(e.LeaseID),
	}
	if e.Kind != usage.Denial {
		used, rate := d.exact("USED", e.Used), d.exact("RATE", e.Rate)
		c.EntitledCount, c.Used, c.Rate = &e.EntitledCount, &used, &rate
	}
	if e.Kind == usage.Settlement || e.Kind == usage.LeaseReport {
		overdrawn := d.exact("OVERDRAWN", e.Overdrawn)
		c.Late, c.Overdrawn = &e.Late, &overdrawn
	}
	if e.Currency != "" {
		price, money := d.exact("UNIT_PRICE", e.UnitPrice), d.exact("MONEY", e.Money())
		c.UnitPrice, c.Money = &price, &money
	}
	if e.Source != nil {
		c.SourceAddress, c.UserAgent = known(e.Source.Address), known(e.Source.UserAgent)
	}
	return d.err
}

// known is NULL for what is empty.
func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// decimals turns an event's amounts into decimals, and remembers the first that is none.
type decimals struct {
	of  *usage.Event
	err error
}

var decimalEnd = new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)

func (d *decimals) exact(column string, a token.Amount) (to decimal) {
	n := a.Scaled()
	if n.CmpAbs(decimalEnd) >= 0 {
		if d.err == nil {
			d.err = fmt.Errorf("%s of event %s is %s, which has more digits than the 38 of a Parquet decimal; export it as CSV or NDJSON", column, d.of.ID, a)
		}
		return to
	}
	if n.Sign() < 0 {
		n.Add(n, twoTo128)
	}
	n.FillBytes(to[:])
	return to
}

var twoTo128 = new(big.Int).Lsh(big.NewInt(1), 128)
