package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/farebox/farebox/bench"
)

// charge is what people write: the answer of an earlier call of the same key, or else check, take, and record what was used. Redis runs it
// as one step, writes it to its file and, with appendfsync always, syncs that before it answers; requests that come in together share a sync.
var charge = redis.NewScript(`
local earlier = redis.call('GET', KEYS[1])
if earlier then return earlier end
local answer = 'insufficient'
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then
  redis.call('DECRBY', KEYS[2], ARGV[1])
  answer = 'granted'
end
redis.call('XADD', KEYS[3], '*', 'instance', ARGV[2], 'requester', ARGV[3], 'item', ARGV[4], 'tokens', ARGV[1], 'answer', answer)
redis.call('SET', KEYS[1], answer, 'EX', 604800)
return answer`)

type redisTarget struct {
	client    *redis.Client
	workload  bench.Workload
	instances int
	pid       int   // 0: not on this machine
	bytes     int64 // of the file at the start
}

func startRedis(ctx context.Context, address string, w bench.Workload, instances, connections int) (*redisTarget, error) {
	t := &redisTarget{
		client:   redis.NewClient(&redis.Options{Addr: address, PoolSize: connections + 1, ReadTimeout: time.Minute, DisableIdentity: true}),
		workload: w, instances: instances,
	}
	if err := t.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("redis at %s: %w", address, err), t.client.Close())
	}
	return t, nil
}

func (t *redisTarget) prepare(ctx context.Context) error {
	for name, want := range map[string]string{"appendonly": "yes", "appendfsync": "always"} {
		is, err := t.client.ConfigGet(ctx, name).Result()
		if err != nil {
			return err
		}
		if is[name] != want {
			return fmt.Errorf("%s is %s; start it with --appendonly yes --appendfsync always, so that an answer waits for the disk", name, is[name])
		}
	}
	if n, err := t.client.DBSize(ctx).Result(); err != nil || n > 0 {
		return errors.Join(err, fmt.Errorf("its database has %d keys; give it an empty one, which is emptied in the end", n))
	}
	pipe := t.client.Pipeline()
	for i := range t.instances {
		pipe.Set(ctx, balanceKey(i), balance, 0)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	if err := charge.Load(ctx, t.client).Err(); err != nil {
		return err
	}
	pid, err := t.info(ctx, "server", "process_id")
	if err == nil && bench.RunsHere(int(pid), "redis") {
		t.pid = int(pid)
	}
	if err == nil {
		t.bytes, err = t.info(ctx, "persistence", "aof_current_size")
	}
	return err
}

// info reads a number of INFO.
func (t *redisTarget) info(ctx context.Context, section, name string) (int64, error) {
	text, err := t.client.Info(ctx, section).Result()
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(text, "\n"+name+":")
	value, _, _ := strings.Cut(after, "\r\n")
	return strconv.ParseInt(value, 10, 64)
}

func balanceKey(instance int) string { return fmt.Sprintf("balance:%d", instance) }

func (t *redisTarget) Dial(connection int) (bench.Sender, error) {
	return &redisSender{t.client.Conn(), t.workload.NewAsks(connection, t.instances)}, nil
}

func (t *redisTarget) Use() bench.Use         { return bench.UseOf(t.pid) }
func (t *redisTarget) Started() time.Duration { return 0 }

func (t *redisTarget) Stop(charged bench.Count) (s bench.Stopped, err error) {
	ctx := context.Background()
	after, err := t.info(ctx, "persistence", "aof_current_size")
	s.DiskBytes = after - t.bytes
	n, fault := t.client.XLen(ctx, "events").Result()
	if err = errors.Join(err, fault); err == nil && n < charged.Items {
		err = fmt.Errorf("%d charges were granted and %d are recorded", charged.Items, n)
	}
	return s, errors.Join(err, t.client.FlushDB(ctx).Err(), t.client.Close())
}

type redisSender struct {
	conn *redis.Conn
	asks *bench.Asks
}

func (s *redisSender) Send() (int, error) {
	ask := s.asks.Next()
	answer, err := charge.EvalSha(context.Background(), s.conn, []string{"once:" + ask.Key, balanceKey(ask.Instance), "events"},
		price, ask.Instance, ask.Requester, ask.Item).Text()
	if err != nil {
		return 0, err
	}
	if answer != "granted" {
		return 0, errors.New(answer)
	}
	return 1, nil
}

func (s *redisSender) Close() error { return s.conn.Close() }
