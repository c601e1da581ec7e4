package main

import (
	"os/exec"
	"testing"
)

// A patch that the code has moved away from proves nothing, and is noticed only when somebody runs them all, which takes long.
func TestPatchesApply(t *testing.T) {
	patches, err := read(".", nil)
	if err != nil || len(patches) == 0 {
		t.Fatalf("%d patches, %v", len(patches), err)
	}
	for _, p := range patches {
		check := exec.Command("git", "apply", "--check", p.file)
		check.Dir = "../.."
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s does not apply any more (%v): write its change anew\n%s", p.name, err, out)
		}
	}
}
