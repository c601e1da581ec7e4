//go:build !linux

package bench

import "os"

func datasync(f *os.File) error { return f.Sync() }

func settle() {}

// InMemory cannot tell on this system.
func InMemory(string) bool { return false }
