package bench

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	diskBytes = 40 << 10        // of one append: about what a busy commit writes
	diskMost  = 2 * time.Second // of measuring
)

// measureDisk appends and syncs in a folder for so long.
func measureDisk(ctx context.Context, dir string, duration time.Duration) (Disk, error) {
	f, err := os.CreateTemp(dir, "sync-*")
	if err != nil {
		return Disk{}, err
	}
	h := newHistogram()
	err = appendAndSync(ctx, f, time.Now().Add(duration), h)
	err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	return Disk{Bytes: diskBytes, Syncs: h.TotalCount(), Latency: latencyOf(h)}, err
}

func appendAndSync(ctx context.Context, f *os.File, until time.Time, h *hdrhistogram.Histogram) error {
	block := make([]byte, diskBytes)
	for n := 0; n == 0 || time.Now().Before(until) && ctx.Err() == nil; n++ {
		started := time.Now()
		if _, err := f.Write(block); err != nil {
			return err
		}
		if err := datasync(f); err != nil {
			return err
		}
		_ = h.RecordValue(min(max(int64(time.Since(started)), latencyLeast), latencyMost))
	}
	return nil
}
