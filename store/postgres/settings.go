package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
)

// settings are those in force as of a stamp, which is another one whenever they have changed: in whatever way, also when a replica takes
// over that has not heard of the last change.
type settings struct {
	stamp  [16]byte
	all    *store.Settings
	tables map[int64]*rate.Table // of all, by serial
}

const selectStamp = "SELECT schema, settings FROM farebox"

// stamp is what every transaction that decides looks at first, under the lock of changes.
type stamp struct {
	schema   int
	settings [16]byte
}

// Settings implements store.Store.
func (s *Store) Settings() *store.Settings { return s.settings.Load().all }

// current returns the settings of a stamp that was read under the lock of changes: nobody knows newer ones while that is held.
func (s *Store) current(ctx context.Context, conn *pgx.Conn, is stamp) (*settings, error) {
	if err := tooNew(is.schema); err != nil {
		return nil, err
	}
	for {
		known := s.settings.Load()
		if known != nil && known.stamp == is.settings {
			return known, nil
		}
		fresh, err := s.load(ctx, conn, is.settings)
		if err != nil {
			return nil, err
		}
		if s.settings.CompareAndSwap(known, fresh) {
			return fresh, nil
		}
	}
}

func (s *Store) load(ctx context.Context, conn *pgx.Conn, stamp [16]byte) (*settings, error) {
	r := &reader{ctx: ctx, q: conn, s: s}
	if known := s.settings.Load(); known != nil {
		r.tables = known.tables
	}
	all, err := r.Settings()
	if err != nil {
		return nil, err
	}
	fresh := &settings{stamp, all, map[int64]*rate.Table{}}
	for _, t := range all.Rates.Tables() {
		fresh.tables[t.Serial] = t
	}
	return fresh, nil
}

// Refresh implements store.Store.
func (s *Store) Refresh(ctx context.Context) error {
	return s.try(ctx, func(bool) error {
		return s.transaction(ctx, s.writes, func(conn *pgx.Conn) error {
			is, err := s.begin(ctx, conn, beginShared)
			if err == nil {
				_, err = s.current(ctx, conn, is)
			}
			return err
		})
	})
}

func (r *reader) Settings() (_ *store.Settings, err error) {
	defer translate(&err)
	all := &store.Settings{Configuration: map[string]store.ConfigValue{}}
	if all.Keys, err = collect(r, func(rows pgx.Rows, k *auth.Key) error {
		return rows.Scan(&k.Role, &k.ID, &k.PublicPEM, &k.CreatedMS, &k.ModifiedMS)
	}, "SELECT role, id, public_pem, created_ms, modified_ms FROM key ORDER BY role, id"); err != nil {
		return nil, err
	}
	if len(all.Keys) == 0 {
		all.Keys = nil
	}
	values, err := collect(r, func(rows pgx.Rows, v *store.ConfigValue) error {
		return rows.Scan(&v.Name, &v.Value, &v.ModifiedMS, &v.UpdatedBy)
	}, "SELECT name, value, modified_ms, updated_by FROM configuration")
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		all.Configuration[v.Name] = v
	}
	all.Rates, err = r.rates()
	return all, err
}

// rates reads the rate tables that were not read before. A serial alone does not tell that: a replica that takes over may give it anew.
func (r *reader) rates() (*rate.Catalog, error) {
	heads, err := collect(r, func(rows pgx.Rows, t *rate.Table) error {
		return rows.Scan(&t.Serial, &t.Series, &t.Version, &t.EffectiveFromMS, &t.CreatedMS)
	}, "SELECT serial, series, version, effective_from_ms, created_ms FROM rate_table ORDER BY serial")
	if err != nil {
		return nil, err
	}
	tables, missing := make([]*rate.Table, len(heads)), []int64{}
	for i := range heads {
		head := &heads[i]
		tables[i] = head
		if t := r.tables[head.Serial]; t != nil && t.Series == head.Series && t.Version == head.Version &&
			t.EffectiveFromMS == head.EffectiveFromMS && t.CreatedMS == head.CreatedMS {
			tables[i] = t
		} else {
			missing = append(missing, head.Serial)
		}
	}
	if len(missing) > 0 {
		if err := r.items(tables, missing); err != nil {
			return nil, err
		}
	}
	return rate.NewCatalog(tables), nil
}

func (r *reader) items(tables []*rate.Table, missing []int64) error {
	at := map[int64]*rate.Table{}
	for _, t := range tables {
		at[t.Serial] = t
	}
	return r.each(func(rows pgx.Rows) (err error) {
		var serial int64
		var text []byte
		if err := rows.Scan(&serial, &text); err != nil {
			return err
		}
		at[serial].Items, err = codec.UnmarshalItems(text)
		return err
	}, "SELECT serial, items FROM rate_table WHERE serial = ANY($1)", missing)
}
