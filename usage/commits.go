package usage

import (
	"encoding/binary"
	"maps"
	"slices"
)

// The column of commits tells where the receipts of each instance are, so that whoever looks for those of one customer among thousands need not read all
// others'. Unlike the other columns it is not of events: its first byte is 4, behind it are for each instance, in order, the length of its id, the id, the
// length of its list, and the list: commits in ascending order, each as the difference to the one before. The last four bytes are a checksum. Buckets of former
// versions have none.
const (
	columnCommits = "commits"
	commitsColumn = 4
)

// ColumnsOfCommits is what Commits reads.
var ColumnsOfCommits = []string{columnCommits}

// Locate has a bucket tell where the receipts are that it was made of.
func (b *Bucket) Locate(at []Position, receipts []*Receipt) {
	lists := map[string]*commitList{}
	for i, r := range receipts {
		listOf(lists, r.InstanceID).add(at[i].Commit)
	}
	b.Columns[columnCommits] = encodeCommits(lists)
}

// Commits returns the commits that have receipts of any of some instances, in ascending order; and false if the bucket does not tell.
func (b *Bucket) Commits(instanceIDs []string) (commits []int64, tells bool, err error) {
	data, tells := b.Columns[columnCommits]
	if !tells {
		return nil, false, nil
	}
	err = eachList(data, func(instanceID string, list []byte) error {
		if slices.Contains(instanceIDs, instanceID) {
			return eachCommit(list, func(commit int64) { commits = append(commits, commit) })
		}
		return nil
	})
	slices.Sort(commits)
	return slices.Compact(commits), true, err
}

// mergeCommits has a bucket tell what all its parts tell.
func (b *Bucket) mergeCommits(parts []*Bucket, rest Rest) error {
	lists := map[string]*commitList{}
	for _, p := range parts {
		rest()
		data, tells := p.Columns[columnCommits]
		if !tells {
			return nil
		}
		err := eachList(data, func(instanceID string, list []byte) error {
			return eachCommit(list, listOf(lists, instanceID).add)
		})
		if err != nil {
			return err
		}
	}
	b.Columns[columnCommits] = encodeCommits(lists)
	return nil
}

// commitList is a list in the making.
type commitList struct {
	last int64
	text []byte
}

func listOf(lists map[string]*commitList, instanceID string) *commitList {
	l := lists[instanceID]
	if l == nil {
		l = new(commitList)
		lists[instanceID] = l
	}
	return l
}

// add adds a commit, which is none before the last one; that may come again.
func (l *commitList) add(commit int64) {
	if commit > l.last {
		l.text = binary.AppendUvarint(l.text, uint64(commit-l.last))
		l.last = commit
	}
}

func encodeCommits(lists map[string]*commitList) []byte {
	out := []byte{commitsColumn}
	for _, id := range slices.Sorted(maps.Keys(lists)) {
		out = append(binary.AppendUvarint(out, uint64(len(id))), id...)
		out = append(binary.AppendUvarint(out, uint64(len(lists[id].text))), lists[id].text...)
	}
	return seal(out)
}

// eachList calls fn with each instance and its list.
func eachList(data []byte, fn func(instanceID string, list []byte) error) error {
	if len(data) < 1+checksummed || data[0] != commitsColumn {
		return errColumn
	}
	for data = data[1 : len(data)-checksummed]; len(data) > 0; {
		id, more, sound := cutText(data)
		if !sound {
			return errColumn
		}
		list, more, sound := cutText(more)
		if !sound {
			return errColumn
		}
		if err := fn(string(id), list); err != nil {
			return err
		}
		data = more
	}
	return nil
}

// cutText cuts off a text that has its length before it.
func cutText(data []byte) (text, more []byte, sound bool) {
	size, n := binary.Uvarint(data)
	if n <= 0 || size > uint64(len(data)-n) {
		return nil, nil, false
	}
	return data[n : n+int(size)], data[n+int(size):], true
}

func eachCommit(list []byte, fn func(commit int64)) error {
	for commit := int64(0); len(list) > 0; {
		more, n := binary.Uvarint(list)
		if n <= 0 || more == 0 || more > uint64(1<<63-1-commit) {
			return errColumn
		}
		commit, list = commit+int64(more), list[n:]
		fn(commit)
	}
	return nil
}
