// Command farebox is the server of metered tokens and the tools around it.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // reports know all time zones, wherever they run

	"github.com/alecthomas/kong"

	"github.com/farebox/farebox/usage"
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
	context, err := c.parser().Parse(args)
	if err != nil {
		if p, ok := errors.AsType[*kong.ParseError](err); ok {
			context = p.Context
		}
		return misused(context, err)
	}
	c.Log.install(os.Stderr)
	err = context.Run()
	if wrong, ok := errors.AsType[usageError](err); ok {
		return misused(context, wrong)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "farebox: %v\n", err)
		return failed
	}
	return 0
}

func (c *cli) parser() *kong.Kong {
	kinds := make([]string, len(usage.Kinds))
	for i, kind := range usage.Kinds {
		kinds[i] = string(kind)
	}
	return kong.Must(c,
		kong.Name("farebox"),
		kong.Description("Farebox prices, charges and records metered tokens. Start with: farebox demo"),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}), kong.ValueFormatter(described),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(readDuration)),
		kong.Vars{"version": version(), "kinds": strings.Join(kinds, ","), "kindsToRead": strings.Join(kinds, ", ")},
	)
}

// described is what help says of a flag or an argument. Where a placeholder stands in its place, the default is said in words.
func described(v *kong.Value) string {
	with := *v
	if v.Tag.PlaceHolder != "" && v.HasDefault && v.Default != "" {
		with.Help += " Default: " + strings.TrimSuffix(v.Default, ".") + "."
	}
	return kong.DefaultHelpValueFormatter(&with)
}

// readDuration reads a length of time.
func readDuration(ctx *kong.DecodeContext, to reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("must be a length of time such as 90s, 30m or 24h")
	}
	to.SetInt(int64(d))
	return nil
}

// misused says what was wrong about a command line, and where to read how it goes.
func misused(context *kong.Context, err error) int {
	verb := ""
	if context != nil && context.Selected() != nil {
		verb = context.Selected().Path() + " "
	}
	fmt.Fprintf(os.Stderr, "farebox: %v\nsee: farebox %s--help\n", err, verb)
	return wrongUsage
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
