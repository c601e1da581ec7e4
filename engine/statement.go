package engine

import (
	"context"
	"time"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Month is a calendar month somewhere.
type Month struct {
	FromMS, ToMS int64
	Name         string // 2026-01
	Zone         string // of the IANA database
}

// ParseMonth reads a month and a time zone; the empty zone is UTC. It fails with a problem Invalid.
func ParseMonth(month, zone string) (Month, error) {
	if zone == "" {
		zone = "UTC"
	}
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return Month{}, problem.Field("timeZone", "must be a name of the IANA database, such as Europe/Berlin")
	}
	first, err := time.ParseInLocation("2006-01", month, location)
	if err != nil || first.Year() < 1970 {
		return Month{}, problem.Field("month", "must be a month such as 2026-01")
	}
	return Month{max(first.UnixMilli(), 0), first.AddDate(0, 1, 0).UnixMilli(), month, zone}, nil
}

// Statement is an account's statement of a month, or that of one of its instances.
type Statement struct {
	Month
	AccountID   string
	Instances   []store.Instance
	Preliminary bool  // the month is not over
	AsOfMS      int64 // up to when it was made: the end of the month, or now
	*usage.Statement
}

// Statement states the month of an account. It fails with a problem: NotFound (there is no such account), Invalid (the month has not begun, or there
// is too much to look at).
func (e *Engine) Statement(ctx context.Context, accountID string, month Month) (s *Statement, err error) {
	err = e.question(ctx, "month", func(ctx context.Context, r store.Reader) error {
		s, err = AccountStatement(ctx, r, accountID, month, e.Now(), insightLooksMost)
		return err
	})
	return s, err
}

// InstanceStatement states the month of one instance. It fails as Statement does.
func (e *Engine) InstanceStatement(ctx context.Context, instanceID string, month Month) (s *Statement, err error) {
	err = e.question(ctx, "month", func(ctx context.Context, r store.Reader) error {
		i, err := r.Instance(instanceID)
		if err == nil && i == nil {
			err = NoInstance(instanceID)
		}
		if err != nil {
			return err
		}
		s, err = statementOf(ctx, r, i.AccountID, []store.Instance{*i}, month, e.Now(), insightLooksMost)
		return err
	})
	return s, err
}

// AccountStatement is Statement on one state, looking at a number of receipts at most (0: all).
func AccountStatement(ctx context.Context, r store.Reader, accountID string, month Month, nowMS int64, most int) (*Statement, error) {
	var instances []store.Instance
	err := eachInstance(r, func(i *store.Instance) {
		if i.AccountID == accountID {
			instances = append(instances, *i)
		}
	})
	if err == nil && len(instances) == 0 {
		err = problem.New(problem.NotFound, "there is no account %q", accountID)
	}
	if err != nil {
		return nil, err
	}
	return statementOf(ctx, r, accountID, instances, month, nowMS, most)
}

func eachInstance(r store.Reader, fn func(*store.Instance)) error {
	for after := int64(0); ; {
		page, err := r.Instances(after, 1000)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			fn(&page[i])
		}
		after = page[len(page)-1].Number
	}
}

func statementOf(ctx context.Context, r store.Reader, accountID string, instances []store.Instance, month Month, nowMS int64, most int) (*Statement, error) {
	if month.FromMS > nowMS {
		return nil, problem.Field("month", "has not begun yet")
	}
	s := &Statement{Month: month, AccountID: accountID, Instances: instances, Preliminary: nowMS < month.ToMS, AsOfMS: min(month.ToMS, nowMS+1)}
	var told []usage.Told
	ids := make([]string, len(instances))
	for i := range instances {
		ids[i] = instances[i].ID
		changes, err := r.LineItemChanges(ids[i])
		if err != nil {
			return nil, err
		}
		for _, c := range changes {
			if c.TimeMS < s.AsOfMS {
				told = append(told, usage.Told{TimeMS: c.TimeMS, Terms: c.LineItem})
			}
		}
	}
	m := &movements{ctx, r, ids, told, usage.Cuts(told, month.FromMS, s.AsOfMS), s.AsOfMS, most}
	moved, err := m.moved()
	if err != nil {
		return nil, err
	}
	s.Statement = usage.NewStatement(told, moved, month.FromMS, s.AsOfMS)
	return s, nil
}
