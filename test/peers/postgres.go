package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/bench"
)

// postgresTarget is PostgreSQL the plain way: a transaction a request, which records the use, locks the balance, checks and takes.
type postgresTarget struct {
	url, schema string
	workload    bench.Workload
	instances   int
	admin       *pgx.Conn
	backend     int   // a process of it; 0: not on this machine
	bytes       int64 // of the tables at the start
}

func startPostgres(ctx context.Context, url string, w bench.Workload, instances int) (*postgresTarget, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	t := &postgresTarget{url: url, schema: "farebox_peer_" + strings.ToLower(rand.Text()[:8]), workload: w, instances: instances, admin: conn}
	if err := t.prepare(ctx); err != nil {
		return nil, errors.Join(err, t.drop())
	}
	return t, nil
}

func (t *postgresTarget) prepare(ctx context.Context) error {
	if err := bench.CheckDurable(ctx, t.admin); err != nil {
		return err
	}
	for _, sql := range []string{
		"CREATE SCHEMA " + t.schema,
		"SET search_path = " + t.schema,
		"CREATE TABLE balance (instance int PRIMARY KEY, quantity numeric(31,12) NOT NULL, used numeric(31,12) NOT NULL)",
		`CREATE TABLE event (key text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), instance int NOT NULL, requester text NOT NULL, item jsonb NOT NULL, tokens numeric(31,12) NOT NULL)`,
		fmt.Sprintf("INSERT INTO balance SELECT i, %d, 0 FROM generate_series(0, %d) i", balance/100, t.instances-1),
		"VACUUM ANALYZE balance",
	} {
		if _, err := t.admin.Exec(ctx, sql); err != nil {
			return fmt.Errorf("postgres: %s: %w", sql, err)
		}
	}
	if pid := int(t.admin.PgConn().PID()); bench.RunsHere(pid, "postgres") {
		t.backend = pid
	}
	var err error
	t.bytes, err = t.size(ctx)
	return err
}

func (t *postgresTarget) size(ctx context.Context) (bytes int64, err error) {
	return bytes, t.admin.QueryRow(ctx, "SELECT pg_total_relation_size('balance') + pg_total_relation_size('event')").Scan(&bytes)
}

func (t *postgresTarget) Dial(connection int) (bench.Sender, error) {
	s := &postgresSender{url: t.url, schema: t.schema, asks: t.workload.NewAsks(connection, t.instances)}
	return s, s.connect()
}

// Use is that of all of its processes together.
func (t *postgresTarget) Use() bench.Use { return bench.UseOfFamily(t.backend) }

func (t *postgresTarget) Started() time.Duration { return 0 }

func (t *postgresTarget) Stop(charged bench.Count) (s bench.Stopped, err error) {
	ctx := context.Background()
	after, err := t.size(ctx)
	s.DiskBytes = after - t.bytes
	var agree bool
	fault := t.admin.QueryRow(ctx, "SELECT (SELECT sum(used) FROM balance) = (SELECT coalesce(sum(tokens), 0) FROM event) AND (SELECT count(*) FROM event) >= $1", charged.Items).Scan(&agree)
	if err = errors.Join(err, fault); err == nil && !agree {
		err = errors.New("postgres: balances and events do not agree")
	}
	return s, errors.Join(err, t.drop())
}

func (t *postgresTarget) drop() error {
	ctx := context.Background()
	_, err := t.admin.Exec(ctx, "DROP SCHEMA IF EXISTS "+t.schema+" CASCADE")
	return errors.Join(err, t.admin.Close(ctx))
}

type postgresSender struct {
	url, schema string
	asks        *bench.Asks
	conn        *pgx.Conn
}

func (s *postgresSender) connect() error {
	config, err := pgx.ParseConfig(s.url)
	if err != nil {
		return err
	}
	config.RuntimeParams["search_path"] = s.schema
	s.conn, err = pgx.ConnectConfig(context.Background(), config)
	return err
}

func (s *postgresSender) Send() (int, error) {
	ask := s.asks.Next()
	err := pgx.BeginFunc(context.Background(), s.conn, func(tx pgx.Tx) error { return s.charge(tx, &ask) })
	if err != nil {
		return 0, err
	}
	return 1, nil
}

func (s *postgresSender) charge(tx pgx.Tx, ask *bench.Ask) error {
	ctx := context.Background()
	done, err := tx.Exec(ctx, "INSERT INTO event (key, instance, requester, item, tokens) VALUES ($1, $2, $3, $4, $5::int / 100.0) ON CONFLICT DO NOTHING",
		ask.Key, ask.Instance, ask.Requester, ask.Item, price)
	if err != nil || done.RowsAffected() == 0 { // it was charged before
		return err
	}
	var enough bool
	if err := tx.QueryRow(ctx, "SELECT quantity - used >= $2::int / 100.0 FROM balance WHERE instance = $1 FOR UPDATE", ask.Instance, price).Scan(&enough); err != nil {
		return err
	}
	if !enough {
		return errors.New("insufficient")
	}
	_, err = tx.Exec(ctx, "UPDATE balance SET used = used + $2::int / 100.0 WHERE instance = $1", ask.Instance, price)
	return err
}

func (s *postgresSender) Close() error { return s.conn.Close(context.Background()) }
