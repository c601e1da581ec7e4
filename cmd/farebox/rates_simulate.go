package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/term"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/server"
	"github.com/farebox/farebox/token"
)

type ratesSimulateCmd struct {
	File     input  `arg:"" type:"existingfile" help:"A draft of a rate table; its name ends in .yaml, .yml, .json or .csv. Or - for the standard input (see rates apply)."`
	Series   string `help:"The series; the file's own unless given." placeholder:"NAME"`
	From     moment `help:"Usage from this time on: a date or a time such as 2026-01-31T08:00:00Z; 30 days before --to unless given." placeholder:"TIME"`
	To       moment `help:"Usage until before this time; now unless given." placeholder:"TIME"`
	Format   string `enum:"table,csv,json" default:"table" help:"table, csv or json."`
	Most     int    `default:"20" help:"How many rows a table lists, the largest differences first; -1 lists all." placeholder:"N"`
	database `embed:""`
}

// Help adds to --help.
func (*ratesSimulateCmd) Help() string {
	return `Replays recorded usage at the rates of a draft and changes nothing: what every customer would have paid for every item,
against what was charged at the rates of the draft's series.

Balances are not run again: what the draft prices is taken to be granted as it was. Refused is what the draft does not
price, prices negatively, or has a formula without a value for, with the variables of the recorded requests. Of sessions,
refunds are replayed in proportion. Windows are the draft's, as if it had taken effect at --from. What the record does not
tell is said in notes.

Memory is needed for the rows (an account's items) and for charges that cover later use, of which there may be 1,000,000 at
the same time; usage is read as a stream.

  farebox rates simulate draft.yaml --from 2026-01-01
  farebox rates simulate draft.csv --series 2026 --format csv > differences.csv`
}

// Run is the verb.
func (cmd *ratesSimulateCmd) Run() error {
	draft, err := cmd.draft()
	if err != nil {
		return err
	}
	s, err := cmd.open(opening{read: true})
	if err != nil {
		return err
	}
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	nowMS, err := timeOf(ctx, s)
	var found *engine.Simulation
	if err == nil {
		replay := cmd.replay(draft, nowMS)
		bar := newBar(os.Stderr, replay.ToMS)
		replay.Progress = bar.show
		found, err = engine.Simulate(ctx, s, replay)
		bar.clear()
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err = errors.Join(ofFlags(err), s.Close()); err != nil {
		return err
	}
	return cmd.print(server.Simulation(found), os.Stdout)
}

// draft reads the table. What a file may leave open plays no part here.
func (cmd *ratesSimulateCmd) draft() (*rate.Table, error) {
	content, err := cmd.File.read()
	if err != nil {
		return nil, err
	}
	file, err := rate.ReadFile(cmd.File.name(), content)
	if err != nil {
		return nil, err
	}
	t := &file.Table
	t.Series = cmp.Or(cmd.Series, t.Series)
	t.Version = cmp.Or(t.Version, cmd.File.version(), "draft")
	if err := t.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", cmd.File.name(), err)
	}
	return t, nil
}

func (cmd *ratesSimulateCmd) replay(draft *rate.Table, nowMS int64) *engine.Replay {
	r := &engine.Replay{Draft: draft, ToMS: nowMS, FromAny: cmd.From.IsZero()}
	cmd.To.setMS(&r.ToMS)
	r.FromMS = max(r.ToMS-server.SimulationSpan.Milliseconds(), 0)
	cmd.From.setMS(&r.FromMS)
	return r
}

func (cmd *ratesSimulateCmd) print(s *api.Simulation, to io.Writer) error {
	switch cmd.Format {
	case "json":
		if err := json.MarshalWrite(to, s, jsontext.Multiline(true)); err != nil {
			return err
		}
		_, err := fmt.Fprintln(to)
		return err
	case "csv":
		for _, note := range s.Notes {
			slog.Warn("the record does not tell all", "note", note)
		}
		return simulationCSV(s, to)
	}
	return simulationTable(s, cmd.Most, to)
}

func simulationCSV(s *api.Simulation, to io.Writer) error {
	w := csv.NewWriter(to)
	_ = w.Write([]string{ // kept by the writer until Flush
		"ACCOUNT_ID", "ITEM", "ITEM_VERSION", "CHARGES", "COUNT", "OLD_TOKENS", "NEW_TOKENS", "DIFFERENCE", "REFUSED", "REFUSED_TOKENS", "REFUSED_STATUS",
		"DENIED", "DENIED_UNPRICED",
	})
	for i := range s.Items {
		r := &s.Items[i]
		status := ""
		if r.RefusedStatus != nil {
			status = r.RefusedStatus.Code
		}
		_ = w.Write([]string{
			r.AccountID, r.Item, r.Version, strconv.FormatInt(r.Charges, 10), r.Count.String(), r.OldTokens.String(), r.NewTokens.String(),
			r.Difference.String(), strconv.FormatInt(r.Refused, 10), r.RefusedTokens.String(), status, strconv.FormatInt(r.Denied, 10),
			strconv.FormatInt(r.DeniedUnpriced, 10),
		})
	}
	w.Flush()
	return w.Error()
}

func simulationTable(s *api.Simulation, most int, to io.Writer) error {
	fmt.Fprintf(to, "from %s to %s, %d requests, %d charges at rates of the series\n", timeText(s.From), timeText(s.To), s.Requests, s.Charges)
	rows := slices.Clone(s.Items)
	slices.SortStableFunc(rows, func(a, b api.SimulatedItem) int { return magnitude(b.Difference).Cmp(magnitude(a.Difference)) })
	left := 0
	if most >= 0 && len(rows) > most {
		left = len(rows) - most
		rows = rows[:most]
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACCOUNT\tITEM\tVERSION\tCHARGES\tOLD\tNEW\tDIFFERENCE\tREFUSED")
	for i := range rows {
		r := &rows[i]
		refused := "-"
		if r.RefusedStatus != nil {
			refused = fmt.Sprintf("%d (%s)", r.Refused, r.RefusedStatus.Description)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", r.AccountID, r.Item, r.Version, r.Charges, r.OldTokens, r.NewTokens, signed(r.Difference), refused)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if left > 0 {
		fmt.Fprintf(to, "… and %d more; --most -1 lists all\n", left)
	}
	for _, item := range s.NotPriced {
		fmt.Fprintf(to, "not priced: %s\n", strings.TrimSpace(item.Item+" "+item.Version))
	}
	for _, note := range s.Notes {
		fmt.Fprintf(to, "note: %s\n", note)
	}
	_, err := fmt.Fprintf(to, "%s tokens were charged, %s would have been (%s); %d charges of %s tokens would have been refused\n",
		s.OldTokens, s.NewTokens, signed(s.Difference), s.Refused, s.RefusedTokens)
	return err
}

func magnitude(a token.Amount) token.Amount {
	if a.Sign() < 0 {
		return a.Neg()
	}
	return a
}

func signed(a token.Amount) string {
	if a.Sign() > 0 {
		return "+" + a.String()
	}
	return a.String()
}

// bar shows on a terminal how far a period has been replayed; it is nothing elsewhere.
type bar struct {
	to    *os.File // nil: there is nobody to see it
	toMS  int64
	begun int64 // the time of the first usage: before it there is nothing to wait for
	shown time.Time
}

func newBar(to *os.File, toMS int64) *bar {
	b := &bar{toMS: toMS}
	if term.IsTerminal(int(to.Fd())) {
		b.to = to
	}
	return b
}

func (b *bar) show(atMS int64) {
	if b.to == nil || time.Since(b.shown) < 100*time.Millisecond {
		return
	}
	if b.begun == 0 {
		b.begun = atMS
	}
	b.shown = time.Now()
	width, _, err := term.GetSize(int(b.to.Fd()))
	if err != nil {
		width = 80
	}
	fmt.Fprintf(b.to, "\r\x1b[K%s", progress(b.begun, b.toMS, atMS, width-len("^C")-1)) // a line that is full would begin another
}

// barMost is how wide the bar itself is where there is room.
const barMost = 40

// progress draws how far a time lies between two others, in at most so many columns: the bar gives way first, then the time.
func progress(fromMS, toMS, atMS int64, width int) string {
	done := 0
	if toMS > fromMS {
		done = int(min(max(100*(atMS-fromMS)/(toMS-fromMS), 0), 100))
	}
	text := fmt.Sprintf("%3d%%", done)
	if with := text + " " + timeText(atMS); len(with) <= width {
		text = with
	}
	columns := min(width-len(text)-len("[] "), barMost)
	if columns < 4 {
		return text
	}
	full := done * columns / 100
	return fmt.Sprintf("[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", columns-full), text)
}

func (b *bar) clear() {
	if b.to != nil && !b.shown.IsZero() {
		fmt.Fprint(b.to, "\r\x1b[K")
	}
}
