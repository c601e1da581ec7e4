package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	yamltoken "github.com/goccy/go-yaml/token"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

type packsCmd struct {
	Apply packsApplyCmd `cmd:"" help:"Add and change packs from a YAML or JSON file, after showing what changes."`
	List  packsListCmd  `cmd:"" help:"List the packs."`
}

// Help adds to --help.
func (*packsCmd) Help() string {
	return `A pack is what you sell, as a template for line items.

  farebox packs apply packs.yaml --dry-run
  farebox packs list`
}

type packsApplyCmd struct {
	File     input `arg:"" type:"existingfile" help:"A list of packs; its name ends in .yaml, .yml or .json. Or - for the standard input."`
	DryRun   bool  `help:"Show what would change, and change nothing."`
	database `embed:""`
}

// Help adds to --help.
func (*packsApplyCmd) Help() string {
	return `A pack is what you sell, as a template for line items. The file has a list of them:

  # packs.yaml
  - name: team-1000
    quantity: 1000
    period: P365D             # without one, every sale says when it ends
    series: "2026"
    unitPrice: 0.12
    currency: EUR
    overdraftType: PERCENT    # or NONE, UNLIMITED, NUMBER with overdraftLimit, PERCENT_AT_SALE
    overdraftPercent: 10

A pack may also have kind (PAID or FREE), priority and resetFrequency (DAY, WEEK, MONTH, QUARTER or YEAR). Packs that
are not in the file stay as they are, and nothing that was sold changes. What begins with [ on the standard input is JSON, all
else is YAML.

  farebox packs apply packs.yaml --dry-run`
}

// Run is the verb.
func (cmd *packsApplyCmd) Run() error {
	packs, err := readPacks(cmd.File)
	if err != nil {
		return err
	}
	if cmd.DryRun && cmd.missing() {
		slog.Warn("there is no such database yet", "db", cmd.DB)
		_, err := showPacks(nil, packs, os.Stdout)
		fmt.Println("dry run: nothing was changed")
		return err
	}
	return cmd.withEngine(!cmd.DryRun, func(ctx context.Context, e *engine.Engine) error {
		there, err := packsThere(ctx, e)
		if err != nil {
			return err
		}
		changed, err := showPacks(there, packs, os.Stdout)
		switch {
		case err != nil:
			return err
		case cmd.DryRun:
			fmt.Println("dry run: nothing was changed")
			return nil
		case len(changed) == 0:
			return nil
		}
		err = change(ctx, e, func(tx *engine.Change) error {
			for _, p := range changed {
				if err := tx.PutPack(p); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			fmt.Println("saved")
		}
		return err
	})
}

// readPacks reads the packs in a file and checks them; problems name the file and the place in it.
func readPacks(file input) ([]*engine.Pack, error) {
	content, err := file.read()
	if err != nil {
		return nil, err
	}
	return packsIn(file.name(), content)
}

// packsIn is readPacks of what a file has in it.
func packsIn(file string, content []byte) (packs []*engine.Pack, err error) {
	ending := strings.ToLower(filepath.Ext(file))
	if file == rate.Unnamed {
		if ending = ".yaml"; bytes.HasPrefix(bytes.TrimSpace(content), []byte("[")) {
			ending = ".json"
		}
	}
	switch ending {
	case ".yaml", ".yml":
		packs, err = yamlPacks(content)
	case ".json":
		packs, err = jsonPacks(content)
	default:
		err = errors.New("the format is not known; end the file's name in .yaml, .yml or .json")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	seen := map[string]int{}
	for i, p := range packs {
		if p == nil {
			return nil, fmt.Errorf("%s: [%d]: is empty", file, i)
		}
		if err := p.Complete(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, inList(err, i))
		}
		if first, twice := seen[p.Name]; twice {
			return nil, fmt.Errorf("%s: [%d].name: %q is [%d] already; remove one of the two", file, i, p.Name, first)
		}
		seen[p.Name] = i
	}
	return packs, nil
}

// inList names a pack's field as the file has it.
func inList(err error, i int) error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return problem.Field(fmt.Sprintf("[%d].%s", i, p.Field), "%s", p.Message)
	}
	return err
}

// yamlPacks takes scalars as they are written: YAML's own numbers may be octal, and pass through floating point.
func yamlPacks(content []byte) ([]*engine.Pack, error) {
	file, err := parser.ParseBytes(content, 0)
	if wrong, ok := errors.AsType[yaml.Error](err); ok && wrong.GetToken() != nil {
		return nil, onLine(wrong.GetToken(), "%s", wrong.GetMessage())
	}
	if err != nil {
		return nil, err
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, errors.New("the file must have one document, with a list of packs")
	}
	list, ok := file.Docs[0].Body.(*ast.SequenceNode)
	if !ok {
		return nil, onLine(file.Docs[0].Body.GetToken(), "the file must have a list of packs")
	}
	packs := make([]*engine.Pack, len(list.Values))
	for i, n := range list.Values {
		if packs[i], err = yamlPack(n); err != nil {
			return nil, inList(err, i)
		}
	}
	return packs, nil
}

func yamlPack(n ast.Node) (*engine.Pack, error) {
	var fields []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		fields = n.Values
	case *ast.MappingValueNode:
		fields = []*ast.MappingValueNode{n}
	default:
		return nil, onLine(n.GetToken(), "a pack is an object with fields such as name and quantity")
	}
	p := new(engine.Pack)
	for _, f := range fields {
		key := f.Key.GetToken()
		set := packFields[key.Value]
		if set == nil {
			return nil, onLine(key, "there is no field %q; the fields are %s", key.Value, strings.Join(slices.Sorted(maps.Keys(packFields)), ", "))
		}
		switch v := f.Value.(type) {
		case *ast.NullNode:
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
			if err := set(p, v.GetToken().Value); err != nil {
				return nil, problem.Field(key.Value, "%v (line %d)", err, key.Position.Line)
			}
		default:
			return nil, onLine(key, "%s must be a text or a number on one line", key.Value)
		}
	}
	return p, nil
}

func onLine(t *yamltoken.Token, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", t.Position.Line, fmt.Sprintf(format, args...))
}

// packFields set the fields of a pack from text.
var packFields = map[string]func(p *engine.Pack, text string) error{
	"name":             func(p *engine.Pack, text string) error { p.Name = text; return nil },
	"quantity":         func(p *engine.Pack, text string) error { return setWhole(&p.Quantity, text) },
	"period":           func(p *engine.Pack, text string) error { p.Period = text; return nil },
	"series":           func(p *engine.Pack, text string) error { p.Series = text; return nil },
	"kind":             func(p *engine.Pack, text string) error { p.Kind = ledger.Kind(text); return nil },
	"unitPrice":        func(p *engine.Pack, text string) error { return setAmount(&p.UnitPrice, text) },
	"currency":         func(p *engine.Pack, text string) error { p.Currency = text; return nil },
	"priority":         func(p *engine.Pack, text string) error { return setWhole(&p.Priority, text) },
	"resetFrequency":   func(p *engine.Pack, text string) error { p.ResetFrequency = period.Frequency(text); return nil },
	"overdraftType":    func(p *engine.Pack, text string) error { p.OverdraftType = text; return nil },
	"overdraftLimit":   func(p *engine.Pack, text string) error { return setWhole(&p.OverdraftLimit, text) },
	"overdraftPercent": func(p *engine.Pack, text string) error { return setAmount(&p.OverdraftPercent, text) },
}

func setWhole(into *int64, text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text { // no needless 0, which some read as an octal number
		return fmt.Errorf("%.40q is not a whole number; write it like 1000", text)
	}
	*into = n
	return nil
}

func setAmount(into *token.Amount, text string) (err error) {
	if *into, err = token.Parse(text); err != nil {
		err = fmt.Errorf("%.40q %w; write it like 12, 0.5 or 0.000003", text, err)
	}
	return err
}

func jsonPacks(content []byte) (packs []*engine.Pack, err error) {
	err = json.Unmarshal(content, &packs, json.RejectUnknownMembers(true))
	if wrong, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(content[:min(int(wrong.ByteOffset), len(content))], []byte("\n")), wrong.Err)
	}
	wrong, ok := errors.AsType[*json.SemanticError](err)
	switch {
	case !ok:
		return packs, err
	case wrong.JSONPointer == "":
		return nil, errors.New("the file must have a list of packs")
	case errors.Is(err, strconv.ErrSyntax), errors.Is(err, strconv.ErrRange):
		return nil, fmt.Errorf("%s: %s is not a whole number; write it like 1000", wrong.JSONPointer, wrong.JSONValue)
	case wrong.Err == nil:
		return nil, fmt.Errorf("%s: this value does not belong here: %s", wrong.JSONPointer, wrong.JSONValue)
	}
	return nil, fmt.Errorf("%s: %w", wrong.JSONPointer, wrong.Err)
}

// packsThere returns the packs in the database, by name.
func packsThere(ctx context.Context, e *engine.Engine) (map[string]*engine.Pack, error) {
	there := map[string]*engine.Pack{}
	err := e.View(ctx, func(r store.Reader) error {
		all, err := engine.Packs(r)
		for _, p := range all {
			there[p.Name] = p
		}
		return err
	})
	return there, err
}

// showPacks prints what packs change, and returns those that do.
func showPacks(there map[string]*engine.Pack, packs []*engine.Pack, to io.Writer) (changed []*engine.Pack, err error) {
	added := 0
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, p := range packs {
		older := there[p.Name]
		if older == nil {
			added++
			changed = append(changed, p)
			fmt.Fprintf(w, "+ %s\t%s\n", p.Name, p.Terms())
		} else if changes := p.Changes(older); len(changes) > 0 {
			changed = append(changed, p)
			fmt.Fprintf(w, "~ %s\t%s\n", p.Name, strings.Join(changes, ", "))
		}
	}
	fmt.Fprintf(w, "%d added, %d changed, %d unchanged\n", added, len(changed)-added, len(packs)-len(changed))
	return changed, w.Flush()
}

type packsListCmd struct {
	database `embed:""`
}

// Help adds to --help.
func (*packsListCmd) Help() string {
	return `Prints what each of them is, and when it was changed last.

  farebox packs list --db ./farebox.db`
}

// Run is the verb.
func (cmd *packsListCmd) Run() error {
	s, err := cmd.open(opening{read: true})
	if err != nil {
		return err
	}
	err = s.View(context.Background(), func(r store.Reader) error {
		all, err := engine.Packs(r)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tCHANGED\tTERMS")
		for _, p := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, timeText(p.Modified), p.Terms())
		}
		return w.Flush()
	})
	return errors.Join(err, s.Close())
}
