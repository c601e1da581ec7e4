package simulation

import (
	"bytes"
	"path/filepath"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite reaches files through a table of functions (https://sqlite.org/vfs.html). Here the usual one is put behind another that is
// the default of this process: it passes everything on, and has a Disk look at what changes files of its folder first. So the
// store under test is the one that people run, down to the last write.
var vfs struct {
	sync.Mutex
	once  sync.Once
	usual *sqlite3.Tsqlite3_vfs
	own   *sqlite3.Tsqlite3_vfs                    // stays: SQLite keeps the address
	files map[uintptr]*sqlite3.Tsqlite3_io_methods // likewise: what is in the place of each usual one
	disks map[string]*Disk                         // by folder
	open  map[uintptr]*handle                      // by the address of SQLite's file
}

// handle is an open file.
type handle struct {
	disk  *Disk
	name  string
	usual *sqlite3.Tsqlite3_io_methods
}

func install() {
	vfs.once.Do(func() {
		vfs.disks, vfs.open, vfs.files = map[string]*Disk{}, map[uintptr]*handle{}, map[uintptr]*sqlite3.Tsqlite3_io_methods{}
		tls := libc.NewTLS()
		defer tls.Close()
		vfs.usual = at[sqlite3.Tsqlite3_vfs](sqlite3.Xsqlite3_vfs_find(tls, 0))
		vfs.own = kept(tls, *vfs.usual)
		name, err := libc.CString("farebox-simulation")
		if err != nil {
			panic(err)
		}
		vfs.own.FzName = name
		vfs.own.FxOpen, vfs.own.FxDelete = function(xOpen), function(xDelete)
		if rc := sqlite3.Xsqlite3_vfs_register(tls, uintptr(unsafe.Pointer(vfs.own)), 1); rc != sqlite3.SQLITE_OK {
			panic(rc)
		}
	})
}

// at returns what lies at an address of SQLite's memory, which Go does not move.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// kept returns a copy in SQLite's memory, for good.
func kept[T any](tls *libc.TLS, v T) *T {
	p := at[T](sqlite3.Xsqlite3_malloc(tls, int32(unsafe.Sizeof(v))))
	*p = v
	return p
}

// function returns what SQLite keeps of a function that is declared in this package, and called the function of what it keeps.
func function[F any](f F) uintptr     { return *(*uintptr)(unsafe.Pointer(&f)) }
func called[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&address)) }

type (
	openFunc   = func(tls *libc.TLS, vfs, path, file uintptr, flags int32, outFlags uintptr) int32
	deleteFunc = func(tls *libc.TLS, vfs, path uintptr, syncFolder int32) int32
	writeFunc  = func(tls *libc.TLS, file, data uintptr, amount int32, offset int64) int32
	sizeFunc   = func(tls *libc.TLS, file uintptr, size int64) int32
	closeFunc  = func(tls *libc.TLS, file uintptr) int32
)

func xOpen(tls *libc.TLS, own, path, file uintptr, flags int32, outFlags uintptr) int32 {
	rc := called[openFunc](vfs.usual.FxOpen)(tls, own, path, file, flags, outFlags)
	if rc != sqlite3.SQLITE_OK || path == 0 {
		return rc
	}
	vfs.Lock()
	defer vfs.Unlock()
	name := libc.GoString(path)
	disk := vfs.disks[filepath.Dir(name)]
	if disk == nil {
		return rc
	}
	methods := at[sqlite3.Tsqlite3_file](file)
	usual := at[sqlite3.Tsqlite3_io_methods](methods.FpMethods)
	if vfs.files[methods.FpMethods] == nil {
		own := kept(tls, *usual)
		own.FxWrite, own.FxTruncate, own.FxSync, own.FxClose = function(xWrite), function(xTruncate), function(xSync), function(xClose)
		vfs.files[methods.FpMethods] = own
	}
	methods.FpMethods = uintptr(unsafe.Pointer(vfs.files[methods.FpMethods]))
	vfs.open[file] = &handle{disk, filepath.Base(name), usual}
	disk.opened(filepath.Base(name))
	return rc
}

func xDelete(tls *libc.TLS, own, path uintptr, syncFolder int32) int32 {
	name := libc.GoString(path)
	vfs.Lock()
	disk := vfs.disks[filepath.Dir(name)]
	vfs.Unlock()
	if disk != nil && !disk.delete(filepath.Base(name)) {
		return sqlite3.SQLITE_IOERR_DELETE
	}
	return called[deleteFunc](vfs.usual.FxDelete)(tls, own, path, syncFolder)
}

func handleOf(file uintptr) *handle {
	vfs.Lock()
	defer vfs.Unlock()
	return vfs.open[file]
}

func xWrite(tls *libc.TLS, file, data uintptr, amount int32, offset int64) int32 {
	h := handleOf(file)
	switch h.disk.write(h.name, bytes.Clone(unsafe.Slice(at[byte](data), amount)), offset) {
	case off:
		return sqlite3.SQLITE_IOERR_WRITE
	case fails:
		return sqlite3.SQLITE_FULL
	}
	return called[writeFunc](h.usual.FxWrite)(tls, file, data, amount, offset)
}

func xTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	h := handleOf(file)
	if h.disk.truncate(h.name, size) != works {
		return sqlite3.SQLITE_IOERR_TRUNCATE
	}
	return called[sizeFunc](h.usual.FxTruncate)(tls, file, size)
}

// xSync asks nothing of the real disk: what would survive is kept apart.
func xSync(_ *libc.TLS, file uintptr, _ int32) int32 {
	h := handleOf(file)
	if h.disk.sync(h.name) != works {
		return sqlite3.SQLITE_IOERR_FSYNC
	}
	return sqlite3.SQLITE_OK
}

func xClose(tls *libc.TLS, file uintptr) int32 {
	vfs.Lock()
	h := vfs.open[file]
	delete(vfs.open, file)
	vfs.Unlock()
	return called[closeFunc](h.usual.FxClose)(tls, file)
}
