package export

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

func amount(text string) token.Amount { return token.MustParse(text) }

// samples are n events with every column filled and empty, and amounts as large and as fine as there are.
func samples(n int) []usage.Event {
	all := make([]usage.Event, n)
	for i := range all {
		e := &all[i]
		*e = usage.Event{
			ID: fmt.Sprintf("c%d.0", i), CorrelationID: fmt.Sprintf("c%d", i), Kind: usage.Charge, Status: ledger.Granted,
			UsageTimeMS: 1767225599999 + int64(i), WriteTimeMS: 1767225600000 + int64(i), AccountID: "acme", InstanceID: "i-1", ActivationID: "A-1",
			Requester: access.Requester{Type: "user", Value: "ann, \"the\"\nfirst ü"}, Item: "render", Count: amount("1"),
			Rate: amount("0.000000000001"), Tokens: amount("0.000000000001"), Used: token.Max, EntitledCount: int64(i),
		}
		switch i % 7 {
		case 1:
			e.Kind, e.Tokens, e.Overdraft, e.Count = usage.Refund, token.Max.Neg(), amount("-0.000000000001"), amount("-1.5")
		case 2:
			e.Kind, e.Status, e.ActivationID, e.Rate, e.Tokens, e.Used, e.EntitledCount = usage.Denial, ledger.Status("110"), "", token.Amount{}, token.Amount{}, token.Amount{}, 0
		case 3:
			e.UnitPrice, e.Currency, e.Tokens = amount("0.015"), "EUR", amount("123456789.000000000001")
			e.Source = &usage.Source{Address: "192.0.2.0/24", UserAgent: "curl/8"}
			e.SessionID, e.RateTableSeries, e.RateTableVersion, e.ItemVersion, e.Requests = "s-1", "standard", "1", "2", 1
		case 4:
			e.MetaData, e.Requester.Dictionary = jsontext.Value(`{"n":1.50,"t":"a,b\n"}`), jsontext.Value(`{"team":"x"}`)
			e.Source = &usage.Source{Address: "2001:db8::/48"}
			e.Tokens = amount("9999999999999999999.999999999999")
		case 5:
			e.Kind, e.HoldID, e.Late, e.Overdrawn = usage.Settlement, "h-1", true, amount("0.000000000001")
		case 6:
			e.Kind, e.LeaseID, e.Overdrawn = usage.LeaseReport, "l-1", amount("2")
		}
	}
	return all
}

func written(t *testing.T, format Format, events []usage.Event) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(format, &out)
	for i := range events {
		if err := w.Write(&events[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// parquetRows reads a Parquet file by its own schema and prints each value as Event.Row does.
func parquetRows(t *testing.T, file []byte) (names []string, rows [][]string) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	fields := f.Schema().Fields()
	for _, field := range fields {
		names = append(names, field.Name())
	}
	for _, group := range f.RowGroups() {
		if group.NumRows() > groupRows {
			t.Errorf("a row group has %d rows", group.NumRows())
		}
		reader := group.Rows()
		for {
			var buffer [1]parquet.Row
			n, err := reader.ReadRows(buffer[:])
			if n == 1 {
				row := make([]string, len(fields))
				for i, v := range buffer[0] {
					row[i] = shown(t, fields[i], v)
				}
				rows = append(rows, row)
			}
			if err != nil {
				break
			}
		}
		_ = reader.Close()
	}
	return names, rows
}

func shown(t *testing.T, field parquet.Field, v parquet.Value) string {
	logical := fmt.Sprint(field.Type().LogicalType())
	switch {
	case v.IsNull():
		return ""
	case strings.HasPrefix(logical, "DECIMAL"):
		if logical != "DECIMAL(38,12)" || len(v.ByteArray()) != 16 {
			t.Fatalf("%s is %s of %d bytes", field.Name(), logical, len(v.ByteArray()))
		}
		n := new(big.Int).SetBytes(v.ByteArray())
		if n.Bit(127) == 1 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), 128))
		}
		text := new(big.Rat).SetFrac(n, big.NewInt(1_000_000_000_000)).FloatString(12)
		return strings.TrimRight(strings.TrimRight(text, "0"), ".")
	case strings.HasPrefix(logical, "TIMESTAMP"):
		if logical != "TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)" {
			t.Fatalf("%s is %s", field.Name(), logical)
		}
		return time.UnixMilli(v.Int64()).UTC().Format("2006-01-02T15:04:05.000Z")
	case v.Kind() == parquet.Boolean:
		return strconv.FormatBool(v.Boolean())
	case v.Kind() == parquet.Int64:
		return strconv.FormatInt(v.Int64(), 10)
	}
	return string(v.ByteArray())
}

func TestParquetHasEveryColumnOfEveryEvent(t *testing.T) {
	events := samples(2*groupRows + 7)
	names, rows := parquetRows(t, written(t, Parquet, events))
	if diff := cmp.Diff(usage.Columns, names); diff != "" {
		t.Fatal(diff)
	}
	if len(rows) != len(events) {
		t.Fatalf("%d rows of %d events", len(rows), len(events))
	}
	for i := range events {
		if want := events[i].Row(); !slices.Equal(want, rows[i]) {
			t.Fatalf("row %d: %s", i, cmp.Diff(want, rows[i]))
		}
	}
}

// A file is written again byte for byte, or what is exported by day could not be repeated.
func TestParquetIsTheSameEveryTime(t *testing.T) {
	events := samples(3 * groupRows / 2)
	if !bytes.Equal(written(t, Parquet, events), written(t, Parquet, events)) {
		t.Error("two files of the same events differ")
	}
	if _, rows := parquetRows(t, written(t, Parquet, nil)); len(rows) != 0 {
		t.Errorf("a file of nothing has %v", rows)
	}
}

func TestParquetRefusesWhatIsNoDecimal(t *testing.T) {
	e := &samples(1)[0]
	w := NewWriter(Parquet, new(bytes.Buffer))
	for _, text := range []string{"99999999999999999999999999.999999999999", "-99999999999999999999999999.999999999999"} { // 38 digits
		e.Used, _ = token.Restore(text)
		if err := w.Write(e); err != nil {
			t.Error(text, err)
		}
	}
	for _, text := range []string{"100000000000000000000000000", "-100000000000000000000000000"} {
		e.Used, _ = token.Restore(text)
		if err := w.Write(e); err == nil || !strings.Contains(err.Error(), "USED of event c0.0 is "+text+", which has more digits than the 38") {
			t.Error(text, err)
		}
	}
}

func TestTextFormats(t *testing.T) {
	events := samples(20)
	all, err := csv.NewReader(bytes.NewReader(written(t, CSV, events))).ReadAll()
	if err != nil || len(all) != 21 {
		t.Fatal(len(all), err)
	}
	want := [][]string{usage.Columns}
	for i := range events {
		want = append(want, events[i].Row())
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
	i := 0
	for line := range bytes.Lines(written(t, NDJSON, events)) {
		if want, err := json.Marshal(&events[i]); err != nil || string(line) != string(want)+"\n" {
			t.Errorf("%s, want %s", line, want)
		}
		i++
	}
	if i != len(events) {
		t.Errorf("%d lines", i)
	}
}
