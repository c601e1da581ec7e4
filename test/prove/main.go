// Prove breaks the product on purpose, and expects its tests to notice.
//
// Every *.patch beside this file breaks one promise of "What must hold", and says in its head which, how, and which test must fail then.
// In a copy of the tree that test has to pass first; with the patch it has to compile, and to fail. Run it with `make prove`, or for some
// patches with `go run ./test/prove 1-overdraft 3-key`.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	patches, err := read("test/prove", os.Args[1:])
	if err == nil {
		err = prove(patches)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// patch is a deliberate break.
type patch struct {
	name, file             string
	property, breaks, test string
}

// read reads the patches in a folder, or those that are named.
func read(folder string, names []string) (all []*patch, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.patch"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		p := &patch{name: strings.TrimSuffix(filepath.Base(file), ".patch")}
		if len(names) > 0 && !slices.Contains(names, p.name) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		head, _, _ := strings.Cut(string(text), "\n\n")
		for line := range strings.Lines(head) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			if into := map[string]*string{"Property": &p.property, "Breaks": &p.breaks, "Test": &p.test}[name]; into != nil {
				*into = value
			}
		}
		if p.property == "" || p.breaks == "" || len(strings.Fields(p.test)) != 2 {
			return nil, fmt.Errorf("%s: the head must have Property, Breaks and Test (a package and a test)", file)
		}
		if p.file, err = filepath.Abs(file); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there are no such patches in %s", folder)
	}
	return all, nil
}

// prove goes through the patches in a copy of the tree.
func prove(patches []*patch) error {
	tree, err := os.MkdirTemp("", "farebox-prove-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tree)
	if err := copyTree(tree); err != nil {
		return err
	}
	wrong := 0
	green := map[string]bool{}
	for _, p := range patches {
		began := time.Now()
		why := ""
		if !green[p.test] {
			if why = p.passes(tree); why == "" {
				green[p.test] = true
			}
		}
		if why == "" {
			why = p.fails(tree)
		}
		verdict := "red, as it must be"
		if why != "" {
			verdict = "WRONG: " + why
			wrong++
		}
		fmt.Printf("property %s, %s (%s)\n  %s\n  %s after %s\n", p.property, p.name, p.breaks, p.test, verdict, time.Since(began).Round(time.Second))
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d breaks are not proved", wrong, len(patches))
	}
	fmt.Printf("all %d breaks are noticed\n", len(patches))
	return nil
}

// copyTree copies the sources, without what begins with a dot.
func copyTree(to string) error {
	return filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || path == ".":
			return err
		case strings.HasPrefix(d.Name(), ".") || path == "bin":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.Mkdir(filepath.Join(to, path), 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), content, 0o644)
	})
}

// passes says why the test does not pass as things are.
func (p *patch) passes(tree string) string {
	if text, err := p.run(tree); err != nil {
		return fmt.Sprintf("the test fails without the break: %v\n%s", err, tail(text))
	}
	return ""
}

// fails breaks the tree, says why the test does not fail as it must, and mends the tree.
func (p *patch) fails(tree string) (why string) {
	if text, err := run(tree, "git", "apply", p.file); err != nil {
		return fmt.Sprintf("the patch does not apply: %s", text)
	}
	defer func() {
		if text, err := run(tree, "git", "apply", "-R", p.file); err != nil {
			why = fmt.Sprintf("the patch cannot be taken back: %s", text)
		}
	}()
	folder, test, _ := strings.Cut(p.test, " ")
	if text, err := run(tree, "go", "test", "-count=1", "-run", "^$", "./cmd/farebox", folder); err != nil {
		return fmt.Sprintf("it does not compile: %s", tail(text))
	}
	text, err := p.run(tree)
	if err == nil {
		return "the test passes"
	}
	if !bytes.Contains(text, []byte("--- FAIL: "+test)) {
		return fmt.Sprintf("the test ends, but does not fail: %s", tail(text))
	}
	return ""
}

func (p *patch) run(tree string) ([]byte, error) {
	folder, test, _ := strings.Cut(p.test, " ")
	return run(tree, "go", "test", "-count=1", "-timeout", "10m", "-run", "^"+test+"$", folder)
}

func run(tree, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = tree
	return cmd.CombinedOutput()
}

func tail(text []byte) []byte { return text[max(0, len(text)-2000):] }
