package engine

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// columnBytesMost bounds the columns of buckets that are kept in memory between queries: enough for the usual questions about ten
// million events. Nothing is kept before the first question.
const columnBytesMost = 256 << 20

// columns are those of buckets that were read of late. A bucket never changes, and its number is never another's.
type columns struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[columnKey, []byte]
	bytes int
}

type columnKey struct {
	bucket int64
	name   string
}

// of returns columns of a bucket, from memory or from the store. A nil receiver remembers nothing.
func (c *columns) of(r store.Reader, bucket int64, names []string) (map[string][]byte, error) {
	found, missing := c.remembered(bucket, names)
	if len(missing) == 0 {
		return found, nil
	}
	read, err := r.BucketColumns(bucket, missing)
	if err != nil {
		return nil, err
	}
	for name, data := range read {
		if err := usage.CheckColumn(data); err != nil {
			return nil, err
		}
		found[name] = data
	}
	c.remember(bucket, read)
	return found, nil
}

func (c *columns) remembered(bucket int64, names []string) (found map[string][]byte, missing []string) {
	found = make(map[string][]byte, len(names))
	if c == nil {
		return found, names
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		if c.lru == nil {
			missing = append(missing, name)
		} else if data, here := c.lru.Get(columnKey{bucket, name}); here {
			found[name] = data
		} else {
			missing = append(missing, name)
		}
	}
	return found, missing
}

func (c *columns) remember(bucket int64, read map[string][]byte) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lru == nil {
		c.lru, _ = simplelru.NewLRU(1<<30, func(_ columnKey, data []byte) { c.bytes -= len(data) }) // bounded by bytes, below
	}
	for name, data := range read {
		key := columnKey{bucket, name}
		if c.lru.Contains(key) { // two asked at once
			continue
		}
		c.lru.Add(key, data)
		c.bytes += len(data)
	}
	for c.bytes > columnBytesMost {
		c.lru.RemoveOldest()
	}
}
