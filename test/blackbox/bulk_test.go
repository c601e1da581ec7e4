package blackbox

import (
	"bufio"
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/farebox/farebox/test/cluster"
)

// A server that is killed in the middle of a bulk has charged each thousand lines of it whole or not at all, and every line that it answered; when the
// bulk is sent again each line counts once.
func TestKilledInABulk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	killedInABulk(t, dir, filepath.Join(dir, "f.db"), crashes(t, "5"))
}

func TestKilledInABulkOnPostgres(t *testing.T) {
	t.Parallel()
	killedInABulk(t, t.TempDir(), cluster.Shared(t).URL(t), crashes(t, "2"))
}

func killedInABulk(t *testing.T, dir, db string, times int) {
	const lines = 10_000
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := startIn(t, dir, db)
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "a", 10_000_000, "")
	cut := 0
	for i := range times {
		before := admin.used(t, instance, "a")
		var body bytes.Buffer
		for n := range lines {
			fmt.Fprintf(&body, `{"instanceId":%q,"idempotencyKey":"%d-%d","requester":{"type":"user","value":"mia"},"requestedItems":[{"item":"unit","count":1}]}`+"\n", instance, i, n)
		}
		killer := time.AfterFunc(time.Duration(20+random.IntN(300))*time.Millisecond, s.kill)
		answered := bulkAnswers(s.url(), admin.token, body.Bytes())
		if killer.Stop() {
			s.kill()
		}
		s = startIn(t, dir, db)
		admin = s.admin()
		charged := new(big.Rat).Sub(admin.used(t, instance, "a"), before)
		if n := charged.Num().Int64(); !charged.IsInt() || n%1000 != 0 || n < int64(answered) {
			t.Errorf("%d lines were answered, and %s charged", answered, charged.RatString())
		}
		if answered < lines {
			cut++
		}
		if again := bulkAnswers(s.url(), admin.token, body.Bytes()); again != lines {
			t.Fatalf("sent again, %d lines were answered", again)
		}
		if charged.Sub(admin.used(t, instance, "a"), before); charged.Cmp(big.NewRat(lines, 1)) != 0 {
			t.Errorf("sent twice, %s lines were charged", charged.RatString())
		}
		verify(t, db)
	}
	t.Logf("%d of %d bulks were cut off", cut, times)
	s.stop()
	verify(t, db)
}

// bulkAnswers sends a bulk and returns how many lines were answered to be charged.
func bulkAnswers(url, token string, body []byte) (answered int) {
	req, err := http.NewRequest("POST", url+"/farebox/v1/access-requests", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	for in := bufio.NewReader(resp.Body); ; {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return answered
		}
		if bytes.Contains(line, []byte(`"code":"1101"`)) {
			answered++
		}
	}
}
