package access

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

type script struct{ rule, lineItems, script string }

func run(t *testing.T, rows []script, tables ...string) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.rule, func(t *testing.T) { runScript(t, newStage(t, row.lineItems, tables...), row.script) })
	}
}

func TestSessionCharges(t *testing.T) {
	run(t, []script{
		{"a request is charged a period ahead, and again every period", "a 100", `
			0    ask x:2 y  -> 0 ask: x 2: a 2; y 3: a 3 | until 1h, net 5
			1h1m beat       -> 1h charge: x 2: a 2; y 3: a 3 | until 2h, beat by 1h30m, net 10
			                -> beat | until 2h, net 10
			2h1m beat       -> 2h charge: x 2: a 2; y 3: a 3 | until 3h, beat by 2h30m, net 15
			                -> beat | until 3h, net 15
			2h15m close     -> 2h15m close: back y 2.25: a 2.25; back x 1.5: a 1.5 | CLOSED, net 11.25
			2h15m ask x     -> has ended`},
		{"D11: refunds are by the millisecond, rounded half to even", "a 100", `
			0         ask x:2     -> 0 ask: x 2: a 2 | until 1h, net 2
			20m       ask y:2     -> 20m ask: back x 1.333333333333: a 1.333333333333; y 6: a 6 | until 1h20m, net 6.666666666667
			20m0.001s close       -> 20m0.001s close: back y 5.999998333333: a 5.999998333333 | CLOSED, net 0.666668333334`},
		{"D11: a half of the last digit goes to the even one", "a 100", `
			0    ask x:0.000000000001 -> 0 ask: x 0.000000000001: a 0.000000000001 | until 1h, net 0.000000000001
			30m  ask x:0.000000000003 -> 30m ask: x 0.000000000003: a 0.000000000003 | until 1h30m, net 0.000000000004
			1h   close                -> 1h close: back x 0.000000000002: a 0.000000000002 | CLOSED, net 0.000000000002`},
		{"D10: refunded tokens count, and a denial leaves them where they were", "a 2", `
			0    ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			30m  ask x:1.1 -> 30m ask: x 306 | until 1h, net 2
			30m  ask x     -> 30m ask: back x 1: a 1; x 1: a 1 | until 1h30m, net 2`},
		{"D12: the item charged last first, of each the line item drawn last", "a 3; b 100 over 5", `
			0    ask x:2 y:2  -> 0 ask: x 2: a 2; y 6: a 1 b 5 | until 1h, net 8
			6m   ask          -> 6m ask: back y 5.4: b 5 a 0.4; back x 1.8: a 1.8 | IDLE, net 0.8`},
		{"D12: overdraft first", "a 3 over 9; b 1", `
			0    ask x:6      -> 0 ask: x 6: a 5(2) b 1 | until 1h, net 6
			30m  ask x:4      -> 30m ask: back x 3: a 2(2) b 1; x 4: b 1 a 3(3) | until 1h30m, net 7`},
		{"at the beginning of a period all of its charge goes back", "a 100", `
			0    ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			0    ask x:3 y -> 0 ask: back x 2: a 2; x 3: a 3; y 3: a 3 | until 1h, net 6
			0    ask x:3   -> 0 ask: back y 3: a 3; back x 3: a 3; x 3: a 3 | until 1h, net 3`},
		{"a request when a charge is due comes after it", "a 100", `
			0    ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			1h   ask x:3   -> 1h charge: x 2: a 2 | until 2h, beat by 1h30m, net 4
			               -> 1h ask: back x 2: a 2; x 3: a 3 | until 2h, net 5`},
		{"a millisecond before, there is that to refund", "a 100", `
			0          ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			59m59.999s ask x:3   -> 59m59.999s ask: back x 0.000000555556: a 0.000000555556; x 3: a 3 | until 1h59m59.999s, net 4.999999444444`},
		{"closed when a charge is due", "a 100", `
			0    ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			1h   close     -> 1h charge: x 2: a 2 | until 2h, beat by 1h30m, net 4
			               -> 1h close: back x 2: a 2 | CLOSED, net 2`},
		{"closed without ever being used", "a 100", `
			5m   close     -> 5m close | CLOSED, net 0
			5m   beat      -> has ended`},
		{"the same item twice is two items", "a 100", `
			0    ask x x:2 -> 0 ask: x 1: a 1; x 2: a 2 | until 1h, net 3
			30m  ask x     -> 30m ask: back x 1: a 1; back x 0.5: a 0.5; x 1: a 1 | until 1h30m, net 2.5
			1h   ask x x x -> 1h ask: back x 0.5: a 0.5; x 1: a 1; x 1: a 1; x 1: a 1 | until 2h, net 5`},
		{"an item that costs nothing is in use all the same", "a 100 until 2h", `
			0    ask z:5   -> 0 ask: z 0: a 0 | until 1h, net 0
			1h1m beat      -> 1h charge: z 0: a 0 | until 2h, beat by 1h30m, net 0
			               -> beat | until 2h, net 0
			1h2m ask z x   -> 1h2m ask: z 0: a 0; x 1: a 1 | until 2h2m, net 1
			2h2m catch     -> 2h2m charge: z 301; x 301 | NOT_COVERED, net 1`},
		{"no session is charged more than can be booked", "a 1000 over all; b 1000 over all", `
			0    ask x:9000000000000000000 x:9000000000000000000 -> 0 ask: x 102; x 306 | IDLE, net 0
			0    ask x:9000000000000000000 -> 0 ask: x 9000000000000000000: a 8999999999999999000(8999999999999998000) b 1000 | until 1h, net 9000000000000000000
			30m  ask x:5000000000000000000 -> 30m ask: back x 4500000000000000000: a 4500000000000000000(4500000000000000000); x 5000000000000000000: a 5000000000000000000(5000000000000000000) | until 1h30m, net 9500000000000000000
			1h30m catch -> 1h30m charge: x 306 | NOT_COVERED, net 9500000000000000000`},
	})
}

func TestSessionDenials(t *testing.T) {
	run(t, []script{
		{"D17: a denied first request with rollback leaves it IDLE", "a 10", `
			0    ask x:11  -> 0 ask: x 306 | IDLE, net 0
			1m   ask x     -> 1m ask: x 1: a 1 | until 1h1m, net 1`},
		{"D17: without rollback it ends", "a 10", `
			0    ask! x:11 -> 0 ask: x 306 | DENIED, net 0
			1m   ask x     -> has ended`},
		{"with rollback all goes on as if nothing was asked", "a 10", `
			0    ask x     -> 0 ask: x 1: a 1 | until 1h, net 1
			30m  ask x:11  -> 30m ask: x 306 | until 1h, net 1
			1h   catch     -> 1h charge: x 1: a 1 | until 2h, beat by 1h30m, net 2
			1h1m ask x:11  -> 1h1m ask: x 306 | until 2h, beat by 1h30m, net 2`},
		{"without, what is unused goes back", "a 10", `
			0    ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			30m  ask! x:11 -> 30m ask: back x 1: a 1; x 306 | DENIED, net 1`},
		{"without rollback, granted", "a 10", `
			0    ask! x:2  -> 0 ask: x 2: a 2 | until 1h, net 2`},
		{"all items or none", "a 10", `
			0    ask x y x:8 missing -> 0 ask: x 102; y 102; x 306; missing 201 | IDLE, net 0
			0    ask x y x:6         -> 0 ask: x 1: a 1; y 3: a 3; x 6: a 6 | until 1h, net 10`},
		{"an automatic charge that is not covered ends the session", "a 5", `
			0    ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			1h1m beat      -> 1h charge: x 2: a 2 | until 2h, beat by 1h30m, net 4
			               -> beat | until 2h, net 4
			2h1m beat      -> 2h charge: x 306 | NOT_COVERED, net 4
			               -> has ended`},
		{"all items are charged, or it ends", "a 8", `
			0    ask x:2 y -> 0 ask: x 2: a 2; y 3: a 3 | until 1h, net 5
			1h   catch     -> 1h charge: x 102; y 306 | NOT_COVERED, net 5`},
		{"D20: what is late is decided as of its due time", "a 100 until 2h; b 100 from 3h", `
			0    ask x     -> 0 ask: x 1: a 1 | until 1h, net 1
			0    awake 4h
			4h   catch     -> 1h charge: x 1: a 1 | until 2h, beat by 4h30m, net 2
			               -> 2h charge: x 301 | NOT_COVERED, net 2`},
		{"a line item counts as it is at the next charge", "a 100; b 100", `
			0    ask x     -> 0 ask: x 1: a 1 | until 1h, net 1
			30m  set a state OBSOLETE
			1h   catch     -> 1h charge: x 1: b 1 | until 2h, beat by 1h30m, net 2
			1h20m ask      -> 1h20m ask: back x 0.666666666667: b 0.666666666667 | IDLE, net 1.333333333333`},
		{"one that has ended takes refunds, and counts no more", "a 10 until 30m; b 1", `
			0    ask x:4   -> 0 ask: x 4: a 4 | until 1h, net 4
			30m  ask x:2   -> 30m ask: x 306 | until 1h, net 4
			30m  ask x     -> 30m ask: back x 2: a 2; x 1: b 1 | until 1h30m, net 3`},
	})
}

func TestSessionRates(t *testing.T) {
	run(t, []script{
		{"D18: an automatic charge uses the rates effective then", "a 100", `
			0     ask x    -> 0 ask: x 1: a 1 | until 1h, net 1
			1h    catch    -> 1h charge: x 2: a 2 | until 2h, beat by 1h30m, net 3
			1h30m catch    -> 1h30m missed: back x 2: a 2 | HEARTBEAT_MISSED, net 1`},
		{"a refund is of what was charged", "a 100", `
			30m   ask x    -> 30m ask: x 1: a 1 | until 1h30m, net 1
			1h    ask x    -> 1h ask: back x 0.5: a 0.5; x 2: a 2 | until 2h, net 2.5`},
		{"D8: an item that the newest table does not list is not priced", "a 100", `
			2h    ask x f  -> 2h ask: x 2: a 2; f 6: a 6 | until 3h, net 8
			3h    catch    -> 3h charge: x 102; f 201 | NOT_COVERED, net 8`},
		{"a use keeps the free time it began with", "a 100", `
			59m   ask f    -> 59m ask: f 6: a 6 | until 1h59m, net 6
			1h1m  ask f    -> 1h1m ask: back f 5.8: a 5.8; f 6: a 6 | until 2h1m, net 6.2
			1h2m  ask      -> 1h2m ask: back f 6: a 6; back f 0.2: a 0.2 | IDLE, net 0`},
		{"and gets none when there is one later", "a 100", `
			0     ask h    -> 0 ask: h 6: a 6 | until 1h, net 6
			1h    ask h    -> 1h charge: h 6: a 6 | until 2h, beat by 1h30m, net 12
			               -> 1h ask: back h 6: a 6; h 6: a 6 | until 2h, net 12
			1h3m  close    -> 1h3m close: back h 5.7: a 5.7 | CLOSED, net 6.3`},
	}, ": x 1, f 6 free 300, h 6", "@1h: x 2, f 6, h 6 free 300", "@3h: x 3")
	run(t, []script{
		{"an item is its name and its version", "a 100", `
			0     ask x x@2  -> 0 ask: x 1: a 1; x 6: a 6 | until 1h, net 7
			1m    ask x      -> 1m ask: back x 6: a 6; back x 0.983333333333: a 0.983333333333; x 1: a 1 | until 1h1m, net 1.016666666667
			2m    ask x@2    -> 2m ask: back x 0.983333333333: a 0.983333333333; x 6: a 6 | until 1h2m, net 6.033333333334
			3m    ask        -> 3m ask: back x 6: a 6 | IDLE, net 0.033333333334`},
	}, ": x 1, x@2 6 free 300")
	run(t, []script{
		{"D2: line items of several prices are refunded at theirs", "a 1 series s; b 10 series t", `
			0     ask x    -> 0 ask: x 2: a 1 b 1 | until 1h, net 2
			15m   ask      -> 15m ask: back x 1.5: b 1 a 0.5 | IDLE, net 0.5`},
	}, "s: x 2", "t: x 2", "u: x 3")
}

func TestSessionIdle(t *testing.T) {
	run(t, []script{
		{"a halt gives back what is unused", "a 100", `
			0    ask x:2  -> 0 ask: x 2: a 2 | until 1h, net 2
			15m  ask      -> 15m ask: back x 1.5: a 1.5 | IDLE, net 0.5
			9h   catch
			9h   ask x    -> 9h ask: x 1: a 1 | until 10h, net 1.5`},
		{"D19: one that was never used lapses", "a 100", `
			719h59m59.999s catch
			720h catch    -> 720h lapse | LAPSED, net 0`},
		{"D19: neither halts nor denials nor heartbeats prolong it", "a 100", `
			0    ask      -> 0 ask | IDLE, net 0
			300h ask      -> 300h ask | IDLE, net 0
			400h ask x:900 -> 400h ask: x 306 | IDLE, net 0
			500h beat     -> beat | IDLE, net 0
			720h ask x    -> 720h lapse | LAPSED, net 0
			              -> has ended`},
		{"D19: one that was halted lapses after that", "a 100", `
			0    ask x    -> 0 ask: x 1: a 1 | until 1h, net 1
			30m  ask      -> 30m ask: back x 0.5: a 0.5 | IDLE, net 0.5
			48h  ask      -> 48h ask | IDLE, net 0.5
			800h catch    -> 720h30m lapse | LAPSED, net 0.5`},
		{"use begins the 30 days anew", "a 100", `
			700h    ask x -> 700h ask: x 1: a 1 | until 701h, net 1
			700h30m ask   -> 700h30m ask: back x 0.5: a 0.5 | IDLE, net 0.5
			1420h   catch
			1421h   catch -> 1420h30m lapse | LAPSED, net 0.5`},
	})
}

func TestSessionTimeNeverGoesBack(t *testing.T) {
	run(t, []script{
		{"after a request", "a 100", `
			30m  ask x:2 -> 30m ask: x 2: a 2 | until 1h30m, net 2
			10m  ask x:2 -> 30m ask: back x 2: a 2; x 2: a 2 | until 1h30m, net 2
			10m  ask     -> 30m ask: back x 2: a 2 | IDLE, net 0
			5m   ask x   -> 30m ask: x 1: a 1 | until 1h30m, net 1
			5m   close   -> 30m close: back x 1: a 1 | CLOSED, net 0`},
		{"after a denied one", "a 100", `
			0    ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			40m  ask x:200 -> 40m ask: x 306 | until 1h, net 2
			20m  ask x:2   -> 40m ask: back x 0.666666666667: a 0.666666666667; x 2: a 2 | until 1h40m, net 3.333333333333`},
		{"after a heartbeat", "a 100", `
			0    ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			40m  beat      -> beat | until 1h, net 2
			20m  close     -> 40m close: back x 0.666666666667: a 0.666666666667 | CLOSED, net 1.333333333333`},
		{"after an automatic charge", "a 100", `
			0    ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			1h5m catch     -> 1h charge: x 2: a 2 | until 2h, beat by 1h30m, net 4
			10m  ask x:2   -> 1h ask: back x 2: a 2; x 2: a 2 | until 2h, net 4
			1h5m catch
			2h   catch     -> 2h charge: x 2: a 2 | until 3h, beat by 2h30m, net 6`},
		{"before it was created", "a 100", `
			-5m  ask x:2   -> 0 ask: x 2: a 2 | until 1h, net 2
			-5m  catch`},
	})
}

func TestSessionHeartbeats(t *testing.T) {
	const charged = `
			0     ask x:2  -> 0 ask: x 2: a 2 | until 1h, net 2
			1h1m  catch    -> 1h charge: x 2: a 2 | until 2h, beat by 1h30m, net 4`
	run(t, []script{
		{"D13: in time", "a 100", charged + `
			1h29m59.999s beat -> beat | until 2h, net 4
			2h    catch    -> 2h charge: x 2: a 2 | until 3h, beat by 2h30m, net 6`},
		{"D13: at the deadline it is too late", "a 100", charged + `
			1h30m beat     -> 1h30m missed: back x 2: a 2 | HEARTBEAT_MISSED, net 2
			               -> has ended`},
		{"D13: what comes early does not count", "a 100", `
			0     ask x:2  -> 0 ask: x 2: a 2 | until 1h, net 2
			59m59.999s beat -> beat | until 1h, net 2
			2h    catch    -> 1h charge: x 2: a 2 | until 2h, beat by 1h30m, net 4
			               -> 1h30m missed: back x 2: a 2 | HEARTBEAT_MISSED, net 2`},
		{"D13: an extra one does no harm", "a 100", charged + `
			1h2m  beat     -> beat | until 2h, net 4
			1h40m beat     -> beat | until 2h, net 4
			2h5m  catch    -> 2h charge: x 2: a 2 | until 3h, beat by 2h30m, net 6`},
		{"D13: a granted request stands for it", "a 100", charged + `
			1h15m ask x:2  -> 1h15m ask: back x 1.5: a 1.5; x 2: a 2 | until 2h15m, net 4.5
			2h    catch`},
		{"D13: a halt too", "a 100", charged + `
			1h15m ask      -> 1h15m ask: back x 1.5: a 1.5 | IDLE, net 2.5
			2h    catch`},
		{"a denied request does not", "a 100", charged + `
			1h15m ask y:90 -> 1h15m ask: y 306 | until 2h, beat by 1h30m, net 4
			1h30m catch    -> 1h30m missed: back x 2: a 2 | HEARTBEAT_MISSED, net 2`},
		{"D14: a change of the period holds from the next charge on", "a 100", `
			0     ask x:2  -> 0 ask: x 2: a 2 | until 1h, net 2
			10m   period 30m
			1h1m  beat     -> 1h charge: x 2: a 2 | until 1h30m, beat by 1h15m, net 4
			               -> beat | until 1h30m, net 4
			1h5m  period 10h
			1h10m ask x:2  -> 1h10m ask: back x 1.333333333333: a 1.333333333333; x 2: a 2 | until 11h10m, net 4.666666666667
			11h10m catch   -> 11h10m charge: x 2: a 2 | until 21h10m, beat by 16h10m, net 6.666666666667`},
	})
}

func TestSessionOutages(t *testing.T) {
	const charged = `
			0     ask x:2  -> 0 ask: x 2: a 2 | until 1h, net 2
			1h1m  catch    -> 1h charge: x 2: a 2 | until 2h, beat by 1h30m, net 4`
	run(t, []script{
		{"D20: a deadline that passed is given anew, and no later charge shortens it", "a 100", charged + `
			5h    awake 5h
			5h    catch -> new deadline | until 2h, beat by 5h30m, net 4
			            -> 2h charge: x 2: a 2 | until 3h, beat by 5h30m, net 6
			            -> 3h charge: x 2: a 2 | until 4h, beat by 5h30m, net 8
			            -> 4h charge: x 2: a 2 | until 5h, beat by 5h30m, net 10
			            -> 5h charge: x 2: a 2 | until 6h, beat by 5h30m, net 12
			5h30m catch -> 5h30m missed: back x 2: a 2 | HEARTBEAT_MISSED, net 10`},
		{"nor one that comes before it", "a 100", charged + `
			1h50m awake 1h50m
			1h50m catch -> new deadline | until 2h, beat by 2h20m, net 4
			2h1m  catch -> 2h charge: x 2: a 2 | until 3h, beat by 2h30m, net 6`},
		{"a heartbeat settles it", "a 100", charged + `
			3h    awake 3h
			3h10m beat  -> new deadline | until 2h, beat by 3h30m, net 4
			            -> 2h charge: x 2: a 2 | until 3h, beat by 3h30m, net 6
			            -> 3h charge: x 2: a 2 | until 4h, beat by 3h30m, net 8
			            -> beat | until 4h, net 8
			4h    catch -> 4h charge: x 2: a 2 | until 5h, beat by 4h30m, net 10`},
		{"a deadline when the outage ends", "a 100", charged + `
			1h30m awake 1h30m
			1h30m beat  -> new deadline | until 2h, beat by 2h, net 4
			            -> beat | until 2h, net 4`},
		{"an outage that ends before the deadline changes nothing", "a 100", charged + `
			1h29m59.999s awake 1h29m59.999s
			1h30m beat  -> 1h30m missed: back x 2: a 2 | HEARTBEAT_MISSED, net 2
			            -> has ended`},
		{"charges made late owe a heartbeat after the outage", "a 100", `
			0     ask x:2 -> 0 ask: x 2: a 2 | until 1h, net 2
			2h50m awake 2h50m
			2h50m catch -> 1h charge: x 2: a 2 | until 2h, beat by 3h20m, net 4
			            -> 2h charge: x 2: a 2 | until 3h, beat by 3h20m, net 6
			3h1m  catch -> 3h charge: x 2: a 2 | until 4h, beat by 3h30m, net 8`},
		{"one outage after another", "a 100", charged + `
			1h40m awake 1h40m
			1h40m catch -> new deadline | until 2h, beat by 2h10m, net 4
			2h20m awake 2h20m
			2h20m catch -> 2h charge: x 2: a 2 | until 3h, beat by 2h30m, net 6
			2h30m catch -> 2h30m missed: back x 2: a 2 | HEARTBEAT_MISSED, net 4`},
		{"a period that changed: half of the one that runs", "a 100", charged + `
			1h2m  period 30m
			2h    awake 2h
			2h    catch -> new deadline | until 2h, beat by 2h30m, net 4
			            -> 2h charge: x 2: a 2 | until 2h30m, beat by 2h30m, net 6
			2h30m catch -> 2h30m missed: back x 2: a 2 | HEARTBEAT_MISSED, net 4`},
		{"no outage ends a session, however long", "a 100", charged + `
			400h  period 24h
			400h  awake 401h
			400h  catch -> new deadline | until 2h, beat by 401h30m, net 4
			            -> 2h charge: x 2: a 2 | until 26h, beat by 401h30m, net 6
			            -> 26h charge: x 2: a 2 | until 50h, beat by 401h30m, net 8
			            -> 50h charge: x 2: a 2 | until 74h, beat by 401h30m, net 10
			            -> 74h charge: x 2: a 2 | until 98h, beat by 401h30m, net 12
			            -> 98h charge: x 2: a 2 | until 122h, beat by 401h30m, net 14
			            -> 122h charge: x 2: a 2 | until 146h, beat by 401h30m, net 16
			            -> 146h charge: x 2: a 2 | until 170h, beat by 401h30m, net 18
			            -> 170h charge: x 2: a 2 | until 194h, beat by 401h30m, net 20
			            -> 194h charge: x 2: a 2 | until 218h, beat by 401h30m, net 22
			            -> 218h charge: x 2: a 2 | until 242h, beat by 401h30m, net 24
			            -> 242h charge: x 2: a 2 | until 266h, beat by 401h30m, net 26
			            -> 266h charge: x 2: a 2 | until 290h, beat by 401h30m, net 28
			            -> 290h charge: x 2: a 2 | until 314h, beat by 401h30m, net 30
			            -> 314h charge: x 2: a 2 | until 338h, beat by 401h30m, net 32
			            -> 338h charge: x 2: a 2 | until 362h, beat by 401h30m, net 34
			            -> 362h charge: x 2: a 2 | until 386h, beat by 401h30m, net 36
			            -> 386h charge: x 2: a 2 | until 410h, beat by 401h30m, net 38`},
		{"a fault of ours is an outage of the session", "a 100", `
			0     ask x:2  -> 0 ask: x 2: a 2 | until 1h, net 2
			1h    retry 2h
			1h20m catch
			1h20m beat  -> beat | until 1h, net 2
			2h    catch -> 1h charge: x 2: a 2 | until 2h, beat by 2h30m, net 4
			            -> 2h charge: x 2: a 2 | until 3h, beat by 2h30m, net 6
			2h30m catch -> 2h30m missed: back x 2: a 2 | HEARTBEAT_MISSED, net 4`},
		{"a fault in ending it", "a 100", charged + `
			1h30m retry 2h30m
			2h30m catch -> new deadline | until 2h, beat by 3h, net 4
			            -> 2h charge: x 2: a 2 | until 3h, beat by 3h, net 6`},
		{"a request does not wait for the charge that failed, and nothing past it is refunded", "a 100", `
			0     ask x:2  -> 0 ask: x 2: a 2 | until 1h, net 2
			1h    retry 2h
			1h30m ask x:90 y:90 -> 1h30m ask: x 102; y 306 | until 1h, net 2
			1h30m ask x:3  -> 1h30m ask: x 3: a 3 | until 2h30m, net 5
			2h    catch
			2h30m catch    -> 2h30m charge: x 3: a 3 | until 3h30m, beat by 3h, net 8`},
		{"nor does a halt", "a 100", `
			0     ask x:2 g -> 0 ask: x 2: a 2; g 6: a 6 | until 1h, net 8
			1h    retry 2h
			1h30m ask      -> 1h30m ask: back g 6: a 6 | IDLE, net 2`},
		{"nor the end", "a 100", `
			0     ask x:2  -> 0 ask: x 2: a 2 | until 1h, net 2
			1h    retry 2h
			1h30m close    -> 1h30m close | CLOSED, net 2`},
	})
}

func TestSessionFreeTime(t *testing.T) {
	run(t, []script{
		{"use that ends in its free time costs nothing", "a 100", `
			0          ask f -> 0 ask: f 6: a 6 | until 1h, net 6
			4m59.999s  ask   -> 4m59.999s ask: back f 6: a 6 | IDLE, net 0`},
		{"at its end it costs from the beginning", "a 100", `
			0          ask f -> 0 ask: f 6: a 6 | until 1h, net 6
			5m         ask   -> 5m ask: back f 5.5: a 5.5 | IDLE, net 0.5`},
		{"whatever ends it: a close", "a 100", `
			0    ask f -> 0 ask: f 6: a 6 | until 1h, net 6
			4m   close -> 4m close: back f 6: a 6 | CLOSED, net 0`},
		{"whatever ends it: a denial", "a 100", `
			0    ask f       -> 0 ask: f 6: a 6 | until 1h, net 6
			4m   ask! x:200  -> 4m ask: back f 6: a 6; x 306 | DENIED, net 0`},
		{"a denial with rollback does not", "a 100", `
			0    ask f       -> 0 ask: f 6: a 6 | until 1h, net 6
			4m   ask x:200   -> 4m ask: x 306 | until 1h, net 6
			6m   ask         -> 6m ask: back f 5.4: a 5.4 | IDLE, net 0.6`},
		{"another item keeps its own", "a 100", `
			0    ask f       -> 0 ask: f 6: a 6 | until 1h, net 6
			2m   ask f x     -> 2m ask: back f 5.8: a 5.8; f 6: a 6; x 1: a 1 | until 1h2m, net 7.2
			4m   ask x       -> 4m ask: back x 0.966666666667: a 0.966666666667; back f 6: a 6; back f 0.2: a 0.2; x 1: a 1 | until 1h4m, net 1.033333333333`},
		{"kept and resized, all of it goes back", "a 100", `
			0    ask f:2  -> 0 ask: f 12: a 12 | until 1h, net 12
			1m   ask f:3  -> 1m ask: back f 11.8: a 11.8; f 18: a 18 | until 1h1m, net 18.2
			2m   ask f    -> 2m ask: back f 17.7: a 17.7; f 6: a 6 | until 1h2m, net 6.5
			3m   ask      -> 3m ask: back f 6: a 6; back f 0.5: a 0.5 | IDLE, net 0`},
		{"kept and resized past its end, it costs what was used", "a 100", `
			0    ask f:2  -> 0 ask: f 12: a 12 | until 1h, net 12
			1m   ask f:3  -> 1m ask: back f 11.8: a 11.8; f 18: a 18 | until 1h1m, net 18.2
			6m   ask f    -> 6m ask: back f 16.5: a 16.5; f 6: a 6 | until 1h6m, net 7.7
			7m   ask      -> 7m ask: back f 5.9: a 5.9 | IDLE, net 1.8`},
		{"dropped and taken up again, it begins anew", "a 100", `
			0    ask f x  -> 0 ask: f 6: a 6; x 1: a 1 | until 1h, net 7
			6m   ask x    -> 6m ask: back x 0.9: a 0.9; back f 5.4: a 5.4; x 1: a 1 | until 1h6m, net 1.7
			7m   ask f    -> 7m ask: back x 0.983333333333: a 0.983333333333; f 6: a 6 | until 1h7m, net 6.716666666667
			11m  ask      -> 11m ask: back f 6: a 6 | IDLE, net 0.716666666667`},
		{"the same item twice: each has its own", "a 100", `
			0    ask f    -> 0 ask: f 6: a 6 | until 1h, net 6
			4m   ask f f  -> 4m ask: back f 5.6: a 5.6; f 6: a 6; f 6: a 6 | until 1h4m, net 12.4
			6m   ask      -> 6m ask: back f 6: a 6; back f 5.8: a 5.8 | IDLE, net 0.6`},
		{"longer than a period: automatic charges go back too", "a 100", `
			0    ask g    -> 0 ask: g 6: a 6 | until 1h, net 6
			1h1m beat     -> 1h charge: g 6: a 6 | until 2h, beat by 1h30m, net 12
			              -> beat | until 2h, net 12
			2h1m beat     -> 2h charge: g 6: a 6 | until 3h, beat by 2h30m, net 18
			              -> beat | until 3h, net 18
			2h29m59.999s close -> 2h29m59.999s close: back g 6: a 6; back g 12: a 12 | CLOSED, net 0`},
		{"longer than a period, to its end", "a 100", `
			0    ask g    -> 0 ask: g 6: a 6 | until 1h, net 6
			1h1m beat     -> 1h charge: g 6: a 6 | until 2h, beat by 1h30m, net 12
			              -> beat | until 2h, net 12
			2h1m beat     -> 2h charge: g 6: a 6 | until 3h, beat by 2h30m, net 18
			              -> beat | until 3h, net 18
			2h30m close   -> 2h30m close: back g 3: a 3 | CLOSED, net 15`},
		{"whatever ends it: a missed heartbeat", "a 10; b 10", `
			0    ask g x  -> 0 ask: g 6: a 6; x 1: a 1 | until 1h, net 7
			9h   catch    -> 1h charge: g 6: a 3 b 3; x 1: b 1 | until 2h, beat by 1h30m, net 14
			              -> 1h30m missed: back x 1: b 1; back g 6: b 3 a 3; back g 6: a 6 | HEARTBEAT_MISSED, net 1`},
		{"a missed heartbeat past its end", "a 100", `
			0    ask f    -> 0 ask: f 6: a 6 | until 1h, net 6
			9h   catch    -> 1h charge: f 6: a 6 | until 2h, beat by 1h30m, net 12
			              -> 1h30m missed: back f 6: a 6 | HEARTBEAT_MISSED, net 6`},
		{"whatever ends it: a charge that is not covered", "a 10", `
			0    ask g x  -> 0 ask: g 6: a 6; x 1: a 1 | until 1h, net 7
			1h   catch    -> 1h charge: back g 6: a 6; g 306; x 102 | NOT_COVERED, net 1`},
		{"a clock that goes back does not prolong it", "a 100", `
			10m  ask f    -> 10m ask: f 6: a 6 | until 1h10m, net 6
			5m   ask f x  -> 10m ask: back f 6: a 6; f 6: a 6; x 1: a 1 | until 1h10m, net 7
			15m  ask x    -> 15m ask: back x 0.916666666667: a 0.916666666667; back f 5.5: a 5.5; x 1: a 1 | until 1h15m, net 1.583333333333`},
	})
}

func TestSessionWindows(t *testing.T) {
	run(t, []script{
		{"charged once, covered until the window ends, and charged again", "a 100", `
			0     ask w    -> 0 ask: w 8: a 8 | until 1h, net 8
			30m   ask w x  -> 30m ask: w 0: a 0 covered; x 1: a 1 | until 1h30m, net 9
			1h31m beat     -> 1h30m charge: w 0: a 0 covered; x 1: a 1 | until 2h30m, beat by 2h, net 10
			               -> beat | until 2h30m, net 10
			2h31m beat     -> 2h30m charge: w 0: a 0 covered; x 1: a 1 | until 3h30m, beat by 3h, net 11
			               -> beat | until 3h30m, net 11
			3h31m beat     -> 3h30m charge: w 8: a 8; x 1: a 1 | until 4h30m, beat by 4h, net 20
			               -> beat | until 4h30m, net 20
			4h    close    -> 4h close: back x 0.5: a 0.5 | CLOSED, net 19.5`},
		{"due when the window ends, it is charged", "a 100", `
			0     ask w    -> 0 ask: w 8: a 8 | until 1h, net 8
			1h    beat     -> 1h charge: w 0: a 0 covered | until 2h, beat by 1h30m, net 8
			               -> beat | until 2h, net 8
			2h    beat     -> 2h charge: w 0: a 0 covered | until 3h, beat by 2h30m, net 8
			               -> beat | until 3h, net 8
			3h    beat     -> 3h charge: w 8: a 8 | until 4h, beat by 3h30m, net 16
			               -> beat | until 4h, net 16`},
		{"a window that ends between two charges", "a 100", `
			0     ask v    -> 0 ask: v 8: a 8 | until 1h, net 8
			1h    beat     -> 1h charge: v 0: a 0 covered | until 2h, beat by 1h30m, net 8
			               -> beat | until 2h, net 8
			2h    beat     -> 2h charge: v 8: a 8 | until 3h, beat by 2h30m, net 16
			               -> beat | until 3h, net 16`},
		{"a larger count is charged for the difference, a smaller one is covered", "a 100", `
			0     ask w:2  -> 0 ask: w 16: a 16 | until 1h, net 16
			10m   ask w:3  -> 10m ask: w 8: a 0 a 8 | until 1h10m, net 24
			20m   ask w    -> 20m ask: w 0: a 0 covered | until 1h20m, net 24
			1h20m beat     -> 1h20m charge: w 0: a 0 covered | until 2h20m, beat by 1h50m, net 24
			               -> beat | until 2h20m, net 24
			2h20m beat     -> 2h20m charge: w 0: a 0 covered | until 3h20m, beat by 2h50m, net 24
			               -> beat | until 3h20m, net 24
			3h20m beat     -> 3h20m charge: w 8: a 8 | until 4h20m, beat by 3h50m, net 32
			               -> beat | until 4h20m, net 32`},
		{"twice in a request, the larger count counts", "a 100", `
			0     ask w w:2 w -> 0 ask: w 8: a 8; w 8: a 0 a 8; w 0: a 0 covered | until 1h, net 16`},
		{"what covers is never refunded, and outlives its use", "a 100", `
			0     ask w    -> 0 ask: w 8: a 8 | until 1h, net 8
			1m    ask      -> 1m ask | IDLE, net 8
			2m    ask w    -> 2m ask: w 0: a 0 covered | until 1h2m, net 8
			3m    ask x    -> 3m ask: x 1: a 1 | until 1h3m, net 9
			4m    close    -> 4m close: back x 0.983333333333: a 0.983333333333 | CLOSED, net 8.016666666667`},
		{"not even for a missed heartbeat", "a 100", `
			0     ask v x  -> 0 ask: v 8: a 8; x 1: a 1 | until 1h, net 9
			1h    beat     -> 1h charge: v 0: a 0 covered; x 1: a 1 | until 2h, beat by 1h30m, net 10
			               -> beat | until 2h, net 10
			3h    catch    -> 2h charge: v 8: a 8; x 1: a 1 | until 3h, beat by 2h30m, net 19
			               -> 2h30m missed: back x 1: a 1 | HEARTBEAT_MISSED, net 18`},
		{"nor is the charge of a difference", "a 100", `
			0     ask w    -> 0 ask: w 8: a 8 | until 1h, net 8
			10m   ask w:2  -> 10m ask: w 8: a 0 a 8 | until 1h10m, net 16
			20m   close    -> 20m close | CLOSED, net 16`},
		{"a request that is denied makes no cover", "a 10", `
			0     ask w x:3 -> 0 ask: w 102; x 306 | IDLE, net 0
			1m    ask w x:2 -> 1m ask: w 8: a 8; x 2: a 2 | until 1h1m, net 10
			2m    ask w:2   -> 2m ask: w 306 | until 1h1m, net 10
			3m    ask w     -> 3m ask: back x 1.933333333333: a 1.933333333333; w 0: a 0 covered | until 1h3m, net 8.066666666667`},
		{"covered use goes on when no line item is usable, until the window ends", "a 100 until 30m", `
			0     ask w    -> 0 ask: w 8: a 8 | until 1h, net 8
			1h    beat     -> 1h charge: w 0: a 0 covered | until 2h, beat by 1h30m, net 8
			               -> beat | until 2h, net 8
			1h10m ask w z  -> 1h10m ask: w 102; z 301 | until 2h, net 8
			2h    beat     -> 2h charge: w 0: a 0 covered | until 3h, beat by 2h30m, net 8
			               -> beat | until 3h, net 8
			3h    catch    -> 3h charge: w 301 | NOT_COVERED, net 8`},
	})
}

func TestNewSession(t *testing.T) {
	want := &Session{ID: "s", InstanceID: "A", State: Idle, CreatedMS: 7, IdleMS: 7}
	got := NewSession("s", "A", 7)
	if diff := cmp.Diff(want, got, equalAmounts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.Due() != 7+IdleMost.Milliseconds() {
		t.Errorf("due at %d", got.Due())
	}
}

var equalAmounts = cmp.Comparer(func(x, y token.Amount) bool { return x.Equal(y) })

// What a session keeps of its requests: the last one that was granted.
func TestSessionKeepsTheGrantedRequest(t *testing.T) {
	st := newStage(t, "a 10")
	ask := func(who, count string, rollback bool) *Move {
		r := of([]string{"x:" + count})
		r.Requester.Value, r.Items[0].MetaData = who, jsontext.Value(`{"of":"`+who+`"}`)
		return st.s.Ask(&st.w, r, rollback, t0+time.Minute.Milliseconds())
	}
	ask("first", "2", true)
	ask("second", "3", true)
	denied := ask("denied", "30", true)
	if denied.Request.Requester.Value != "denied" || denied.Outcomes[0].Status != ledger.Insufficient {
		t.Errorf("the denied request is recorded as %+v", denied)
	}
	use := st.s.Items[0]
	if st.s.Requester.Value != "second" || string(use.MetaData) != `{"of":"second"}` || use.Count.String() != "3" || use.SinceMS != t0+60_000 {
		t.Errorf("the session has the requester %+v and uses %+v", st.s.Requester, use)
	}
	charge := st.s.Catch(&st.w)
	if charge.Operation != AutomaticCharge || charge.Request.Requester.Value != "second" || string(charge.Request.Items[0].MetaData) != `{"of":"second"}` {
		t.Errorf("the automatic charge is recorded as %+v", charge.Request)
	}
	back := ask("third", "1", true)
	if string(back.Refunds[0].Item.MetaData) != `{"of":"second"}` || back.Refunds[0].Item.Count.String() != "3" {
		t.Errorf("what goes back is recorded as %+v", back.Refunds[0].Item)
	}
	if end := ask("fourth", "99", false); end.Request.Requester.Value != "fourth" || st.s.Reason != Denied || st.s.Requester.Value != "third" {
		t.Errorf("the end is recorded as %+v of %+v", end, st.s)
	}
}
