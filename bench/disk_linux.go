package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync is what the store calls: what was written, and no timestamps.
func datasync(f *os.File) error { return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.Fd()))) }

// settle waits until what others wrote before is on the disk, the contender before and this one's copying among them. A sync that comes while the
// kernel writes much back may take seconds.
func settle() { unix.Sync() }

// InMemory reports whether a folder's file system keeps nothing: there syncing means nothing.
func InMemory(dir string) bool {
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) == nil && (s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC)
}
