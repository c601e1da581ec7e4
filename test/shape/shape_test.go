// Package shape holds the rules about the code itself that we care about: which way the arrows point, what pure means, that
// every package says what it is for, and that nothing built is kept.
package shape

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/farebox/farebox/"

// floors are the folders from the ground up (docs/ARCHITECTURE.md). A folder imports from lower floors only, so that a change
// below never needs a change above to be understood.
var floors = []string{
	"problem", "period", "token", "jsonwriter", "formula", "rate", "ledger", "access", "usage", "forecast", "notify", "notify/webhook", "api", "auth", "client", "client/middleware", "store",
	"store/codec", "store/sqlite", "store/postgres", "store/move", "engine", "export", "statement", "console", "server", "bench", "cmd/farebox", "examples/llm-gateway",
}

// stores keep the books; none knows another.
var stores = []string{"store/sqlite", "store/postgres"}

// pure folders decide by what they are given: the same input gives the same books, whenever and wherever.
var pure = []string{"period", "token", "jsonwriter", "formula", "rate", "ledger", "access", "usage", "notify"}

// estimates is the one folder whose answers are likely, not right: it counts in floating point and draws by chance, always the
// same. So nothing that decides, books or proves may rest on it.
const estimates = "forecast"

func TestArrowsPointDown(t *testing.T) {
	floor := map[string]int{}
	for i, folder := range floors {
		floor[folder] = i
	}
	// The engine is given a store; which one is decided where the program starts.
	forbidden := map[string][]string{"engine": append(stores, "store/move"), "server": append(stores, "store/move"), "store/postgres": stores}
	for _, folder := range floors {
		for name, file := range files(t, folder) {
			for _, imported := range file.Imports {
				p, err := strconv.Unquote(imported.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				to, ours := strings.CutPrefix(p, module)
				if !ours {
					continue
				}
				at, known := floor[to]
				if !known || at >= floor[folder] || slices.Contains(forbidden[folder], to) {
					t.Errorf("%s imports %s, which is not below it", name, to)
				}
			}
		}
	}
}

func TestEstimatesDecideNothing(t *testing.T) {
	for _, folder := range append(append([]string{"store", "store/codec"}, stores...), pure...) {
		for name, file := range files(t, folder) {
			for _, imported := range file.Imports {
				if imported.Path.Value == strconv.Quote(module+estimates) {
					t.Errorf("%s imports %s: amounts are exact", name, estimates)
				}
			}
		}
	}
	for name, file := range files(t, estimates) {
		ast.Inspect(file, func(n ast.Node) bool {
			if n, ok := n.(*ast.SelectorExpr); ok && n.Sel.Name == "Now" {
				t.Errorf("%s: %s: time comes in from outside", name, n.Sel.Name)
			}
			return true
		})
	}
}

func TestEveryFolderHasAFloor(t *testing.T) {
	known := map[string]bool{"store/storetest": true}
	for _, folder := range floors {
		known[folder] = true
	}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(name, ".") && name != "." {
			return errOrSkip(err)
		}
		folder := path.Dir(name)
		if strings.HasSuffix(name, ".go") && !strings.HasPrefix(folder, "test") && !known[folder] {
			t.Errorf("%s has no place in the list of floors", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What was built has no place among what is kept: a binary stays in every clone, for good.
func TestNothingBuiltIsKept(t *testing.T) {
	const most = 1 << 20 // bytes; openapi.yaml is half of that
	kept, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Log("no git checkout: nothing tells what is kept: ", err)
		return
	}
	for name := range strings.SplitSeq(strings.Trim(string(kept), "\x00"), "\x00") {
		file, err := os.Stat(filepath.Join(root, name))
		if err == nil && file.Size() > most {
			t.Errorf("%s has %d bytes; was it built?", name, file.Size())
		}
	}
}

func errOrSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

func TestPureCodeReadsNoClockAndCountsNoFloats(t *testing.T) {
	for _, folder := range pure {
		for name, file := range files(t, folder) {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if of, ok := n.X.(*ast.Ident); ok && (of.Name == "time" && n.Sel.Name == "Now" || of.Name == "rand") {
						t.Errorf("%s: %s.%s: time and chance come in from outside", name, of.Name, n.Sel.Name)
					}
				case *ast.Ident:
					if n.Name == "float64" || n.Name == "float32" {
						t.Errorf("%s: %s: amounts are exact", name, n.Name)
					}
				}
				return true
			})
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	for _, folder := range floors {
		said := false
		for _, file := range files(t, folder) {
			said = said || file.Doc != nil
		}
		if !said {
			t.Errorf("%s has no package comment", folder)
		}
	}
}

const root = "../.."

// files parses a folder's Go files without its tests.
func files(t *testing.T, folder string) map[string]*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no Go files in %s: %v", folder, err)
	}
	parsed := map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed[name] = file
	}
	return parsed
}
