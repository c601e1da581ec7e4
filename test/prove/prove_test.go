package main

import (
	"os/exec"
	"slices"
	"testing"
)

// The breaks fit the code as it is, and there is one for every property. What they break is noticed with `make prove`.
func TestPatchesFit(t *testing.T) {
	patches, err := read(".", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, property := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		if !slices.ContainsFunc(patches, func(p *patch) bool { return p.property == property }) {
			t.Errorf("nothing breaks property %s", property)
		}
	}
	for _, p := range patches {
		cmd := exec.CommandContext(t.Context(), "git", "apply", "--check", p.file)
		cmd.Dir = "../.."
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", p.name, err, text)
		}
	}
}
