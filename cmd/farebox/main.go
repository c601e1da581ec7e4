// Command farebox is the server of metered tokens and the tools around it.
package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // reports know all time zones, wherever they run
	"unicode"

	"github.com/alecthomas/kong"
)

// cli is the command line: one field a verb.
type cli struct {
	Serve     serveCmd     `cmd:"" help:"Run the server; nothing else is needed."`
	Demo      demoCmd      `cmd:"" help:"Watch tokens being charged, on a throw-away database with customers, prices and live traffic."`
	Token     tokenCmd     `cmd:"" help:"Print a token (JWT) for calling the server, and nothing else."`
	Console   consoleCmd   `cmd:"" help:"Print a link that opens the console, signed in."`
	Keys      keysCmd      `cmd:"" help:"Create, list and delete the keys that tokens are signed with."`
	Rates     ratesCmd     `cmd:"" help:"Apply, import, simulate, list and show rate tables."`
	Packs     packsCmd     `cmd:"" help:"Apply and list packs: what is sold, as templates for line items."`
	Usage     usageCmd     `cmd:"" help:"Print what was used, by whom, where and how."`
	Verify    verifyCmd    `cmd:"" help:"Rebuild every balance from the usage events and compare."`
	Backup    backupCmd    `cmd:"" help:"Write a consistent copy of the database, also while it is served."`
	MigrateDB migrateDBCmd `cmd:"" name:"migrate-db" help:"Move everything from a file to PostgreSQL, and prove that it is there."`
	Bench     benchCmd     `cmd:"" help:"Measure how fast it is, on this machine or elsewhere."`
	Bare      bareCmd      `cmd:"" hidden:""`

	Log     logFlags         `embed:"" prefix:"log-"`
	Version kong.VersionFlag `help:"Print the version and stop."`
}

type logFlags struct {
	Level  slog.Level `default:"info" help:"What is logged: debug, info, warn or error." env:"FAREBOX_LOG_LEVEL"`
	Format string     `enum:"text,json" default:"text" help:"How logs look: text or json. They go to stderr." env:"FAREBOX_LOG_FORMAT"`
}

func (l *logFlags) install(w io.Writer) {
	options := &slog.HandlerOptions{Level: l.Level}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if l.Format == "json" {
		options.ReplaceAttr = visible
		handler = slog.NewJSONHandler(w, options)
	}
	slog.SetDefault(slog.New(handler))
}

// visible takes out of an attribute what JSON may leave as it is, but what would move a terminal: the format text does so by itself.
func visible(_ []string, a slog.Attr) slog.Attr {
	var text string
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	default:
		return a
	}
	return slog.String(a.Key, strings.Map(func(r rune) rune {
		if r >= 0x7f && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r // below that, JSON escapes
	}, text))
}

// Exit codes, beside 0.
const (
	failed     = 1
	wrongUsage = 2
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ) // a full pipe or file is an error to report, not an end
	var c cli
	parser := kong.Must(&c,
		kong.Name("farebox"),
		kong.Description("Farebox prices, charges and records metered tokens. Start with: farebox demo"),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Vars{"version": version()},
	)
	context, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "farebox: %v\n", err)
		if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context != nil && p.Context.Selected() != nil {
			fmt.Fprintf(os.Stderr, "see: farebox %s --help\n", p.Context.Selected().Path())
		} else {
			fmt.Fprintln(os.Stderr, "see: farebox --help")
		}
		return wrongUsage
	}
	c.Log.install(os.Stderr)
	err = context.Run()
	if usage, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(os.Stderr, "farebox: %v\n", usage)
		return wrongUsage
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "farebox: %v\n", err)
		return failed
	}
	return 0
}

// usageError is a combination of flags that makes no sense.
type usageError string

func (e usageError) Error() string { return string(e) }

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "0.1.0-dev"
}
