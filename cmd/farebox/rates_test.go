package main

import (
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

func TestPrintItems(t *testing.T) {
	plain := rate.Item{Name: "render", Version: "2.0", Rate: token.MustParse("7.5")}
	seat := rate.Item{Name: "cad", Rate: token.FromInt(8), Window: 24 * time.Hour}
	editor := rate.Item{Name: "editor", Rate: token.FromInt(2), FreeSeconds: 300}
	for want, items := range map[string][]rate.Item{
		"NAME    VERSION  RATE\nrender  2.0      7.5\n": {plain},
		"NAME    VERSION  RATE  TERMS\nrender  2.0      7.5   \ncad              8     window P1D\neditor           2     freeSeconds 300\n": {plain, seat, editor},
	} {
		var b strings.Builder
		if err := printItems(&b, items); err != nil || b.String() != want {
			t.Errorf("%v\n%swant\n%s", err, b.String(), want)
		}
	}
}
