package usage

import (
	"fmt"
	"slices"
	"time"

	"github.com/farebox/farebox/problem"
)

// Interval says how time is cut in a report.
type Interval string

// The intervals there are; the empty one is the whole time.
const (
	Hourly  Interval = "hour"
	Daily   Interval = "day"
	Weekly  Interval = "week" // from Monday
	Monthly Interval = "month"
)

// Intervals are all intervals.
var Intervals = []Interval{Hourly, Daily, Weekly, Monthly}

// Bounds of a query.
const (
	DimensionsMost = 3
	RowsMost       = 50_000  // of a report
	groupsMost     = 500_000 // that the top ones are chosen from
)

// Query asks what was used. The zero value asks for the sum of everything.
type Query struct {
	FromMS   int64          // usage time, inclusive
	ToMS     int64          // exclusive; 0 is no end
	Interval Interval       // how time is cut
	Zone     *time.Location // in which days begin; nil is UTC
	By       []Dimension    // at most DimensionsMost
	Where    []Match        // an event counts if all of them hold
	Top      int            // only so many groups, by tokens, and the rest as one; 0 is all

	// Distinct has distinct requesters counted, which costs more than all else together.
	Distinct bool
}

// Match selects the events that have one of some values.
type Match struct {
	Dimension Dimension
	Values    []Value
}

// Validate checks a query; its problems name fields as the API has them.
func (q *Query) Validate() error {
	switch {
	case q.Interval != "" && !slices.Contains(Intervals, q.Interval):
		return problem.Field("interval", "must be hour, day, week or month")
	case len(q.By) > DimensionsMost:
		return problem.Field("groupBy", "has %d dimensions, at most %d are possible", len(q.By), DimensionsMost)
	case q.Top < 0 || q.Top > RowsMost:
		return problem.Field("top", "must be from 1 to %d", RowsMost)
	case q.Top > 0 && len(q.By) == 0:
		return problem.Field("top", "needs a groupBy to choose from")
	case q.ToMS != 0 && q.ToMS <= q.FromMS:
		return problem.Field("to", "must be after from")
	}
	for i, d := range q.By {
		if slices.Contains(q.By[:i], d) {
			return problem.Field("groupBy", "has %s twice", d)
		}
	}
	return nil
}

func (q *Query) zone() *time.Location {
	if q.Zone == nil {
		return time.UTC
	}
	return q.Zone
}

// Columns returns the names of a bucket's columns that a query reads.
func (q *Query) Columns() []string {
	names := []string{columnTokens, columnOverdraft, columnCount, columnPrice, columnRequests, string(ByKind), string(ByCurrency)}
	if q.Interval != "" || q.FromMS != 0 || q.ToMS != 0 {
		names = append(names, columnTime)
	}
	add := func(d Dimension) {
		if !slices.Contains(names, string(d)) {
			names = append(names, string(d))
		}
	}
	for _, d := range q.By {
		add(d)
	}
	for i := range q.Where {
		add(q.Where[i].Dimension)
	}
	if q.Distinct {
		add(ByRequester)
		add(ByRequesterType)
	}
	return names
}

// Keys returns the keys of metadata and dictionaries that a query is about.
func (q *Query) Keys() (keys []Dimension) {
	for _, name := range q.Columns() {
		if d := Dimension(name); d.isKey() {
			keys = append(keys, d)
		}
	}
	return keys
}

// span is an interval of time.
type span struct{ fromMS, toMS int64 }

// spanOf returns the interval that a time is in. Hours are those of the zone's clock: what a change of its offset cuts are two.
func (q *Query) spanOf(ms int64) span {
	t := time.UnixMilli(ms).In(q.zone())
	year, month, day := t.Date()
	switch q.Interval {
	case Hourly:
		return hourOf(t)
	case Daily:
		return span{dayStart(year, month, day, t.Location()), dayStart(year, month, day+1, t.Location())}
	case Weekly:
		day -= (int(t.Weekday()) + 6) % 7
		return span{dayStart(year, month, day, t.Location()), dayStart(year, month, day+7, t.Location())}
	case Monthly:
		return span{dayStart(year, month, 1, t.Location()), dayStart(year, month+1, 1, t.Location())}
	}
	return span{q.FromMS, q.ToMS}
}

// dayStart returns the first moment of a day. Where the clock is set forward at midnight, that is not 0:00; where it is set back past
// midnight, there are two of those.
func dayStart(year int, month time.Month, day int, zone *time.Location) int64 {
	start := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if noon := time.Date(year, month, day, 12, 0, 0, 0, zone); start.Day() != noon.Day() {
		_, start = start.ZoneBounds()
	}
	begins, _ := start.ZoneBounds()
	if begins.IsZero() {
		return start.UnixMilli()
	}
	if before := begins.Add(-time.Second); start.Sub(begins) < 24*time.Hour && before.Day() == start.Day() {
		hour, minute, second := before.Clock()
		start = begins.Add(-time.Duration(hour*3600+minute*60+second+1) * time.Second)
	}
	return start.UnixMilli()
}

func hourOf(t time.Time) span {
	offset := offsetOf(t)
	const hour = int64(time.Hour / time.Millisecond)
	ms := t.UnixMilli()
	local := ms + int64(offset)*1000
	s := span{fromMS: ms - ((local%hour)+hour)%hour}
	s.toMS = s.fromMS + hour
	begins, ends := t.ZoneBounds()
	if !begins.IsZero() && begins.UnixMilli() > s.fromMS && offsetOf(begins.Add(-time.Second)) != offset { // a zone may change but its name
		s.fromMS = begins.UnixMilli()
	}
	if !ends.IsZero() && ends.UnixMilli() < s.toMS && offsetOf(ends) != offset {
		s.toMS = ends.UnixMilli()
	}
	return s
}

func offsetOf(t time.Time) int {
	_, offset := t.Zone()
	return offset
}

// TooManyRows is the problem of a report that would be larger than RowsMost.
func TooManyRows() error {
	return problem.Field("groupBy", "gives more than %d rows; ask for the top ones, for fewer dimensions, or for less time", RowsMost)
}

// tooMany is the problem of a query of which so many groups are known already.
func (a *Adder) tooMany(groups int) error {
	switch {
	case a.query.Top == 0 && groups > RowsMost:
		return TooManyRows()
	case groups > groupsMost:
		return problem.Field("groupBy", "gives more than %d groups, too many to choose the top ones from; ask for fewer dimensions, or for less time", groupsMost)
	}
	return nil
}

// String names a value for people.
func (v Value) String() string {
	if v.None {
		return "-"
	}
	return fmt.Sprint(v.Text)
}
