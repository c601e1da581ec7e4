package bench

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Rate is at which requests are due: a fixed number a second, or a share of what was measured as fast as answers come; zero is neither.
type Rate struct {
	PerSecond float64
	Share     float64
}

// UnmarshalText reads a number a second, such as 12000, or a share, such as 50%.
func (r *Rate) UnmarshalText(text []byte) error {
	number, isShare := strings.CutSuffix(string(text), "%")
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || !(n > 0) || n > 1e7:
		return fmt.Errorf("%q is neither a number of requests a second, such as 12000, nor a share of the most, such as 50%%", text)
	case isShare:
		*r = Rate{Share: n / 100}
	default:
		*r = Rate{PerSecond: n}
	}
	return nil
}

// Report is what a run came to. Latencies are in milliseconds.
type Report struct {
	Machine          Machine       `json:"machine"`
	Started          time.Time     `json:"started"`
	Complete         bool          `json:"complete"` // false: it was stopped, or something failed
	Connections      int           `json:"connections"`
	WarmupSeconds    float64       `json:"warmupSeconds"`
	DurationSeconds  float64       `json:"durationSeconds"`
	DiskMedianMillis float64       `json:"diskMedianMillis,omitzero"` // of the rounds' medians, to append and sync
	Summary          []Summary     `json:"summary"`
	Disk             []Disk        `json:"disk"`
	Measurements     []Measurement `json:"measurements"`
}

// Machine is where it was measured, generator and server both.
type Machine struct {
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Processors int    `json:"processors"`
	Go         string `json:"go"`
}

func thisMachine() Machine {
	return Machine{runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()}
}

// Disk is how long appending and syncing took in one round.
type Disk struct {
	Round   int     `json:"round"`
	Bytes   int     `json:"bytes"`
	Syncs   int64   `json:"syncs"`
	Latency Latency `json:"latency"`
}

// Measurement is one contender in one round.
type Measurement struct {
	Contender         string   `json:"contender"`
	Round             int      `json:"round"`
	AskedPerSecond    float64  `json:"askedPerSecond,omitzero"` // 0: as fast as answers came
	Seconds           float64  `json:"seconds"`
	Requests          int64    `json:"requests"` // answered as they should be
	Items             int64    `json:"items"`    // likewise: charges or, of denials, denials
	RequestsPerSecond float64  `json:"requestsPerSecond"`
	ItemsPerSecond    float64  `json:"itemsPerSecond"`
	OfBaseline        float64  `json:"ofBaseline,omitzero"` // requests a second by those of the bare server in the same round
	Latency           Latency  `json:"latency"`
	Errors            int64    `json:"errors"`
	ErrorTexts        []string `json:"errorTexts,omitzero"`
	Missed            int64    `json:"missed,omitzero"`       // were due, and not sent before the end, since all connections were busy
	ServerMicros      float64  `json:"serverMicros,omitzero"` // of processor a request
	ClientMicros      float64  `json:"clientMicros,omitzero"` // of the load generator
	StolenShare       float64  `json:"stolenShare,omitzero"`  // of the machine's processors, by the host of a virtual machine; 0 where it is not told
	PeakMemoryBytes   int64    `json:"peakMemoryBytes,omitzero"`
	DiskBytesPerItem  float64  `json:"diskBytesPerItem,omitzero"` // over the server's life, warming up too
	StartMillis       float64  `json:"startMillis,omitzero"`      // from the start of the process to its /readyz
	Verified          string   `json:"verified,omitzero"`         // the last line of `farebox verify`
	CutShort          bool     `json:"cutShort,omitzero"`
}

// Summary is the medians of a contender over the rounds; of errors the sum, and of the longest answer the longest.
type Summary struct {
	Measurement
	Rounds     int     `json:"rounds"`
	OfBaseline float64 `json:"ofBaseline,omitzero"` // requests a second by those of the bare server, the median of the rounds' ratios
}

// summarize works out ratios within each round, and medians over them.
func (r *Report) summarize(contenders []Contender) {
	type kind struct {
		contender string
		open      bool
	}
	var order []kind
	groups := map[kind][]*Measurement{}
	for i := range r.Measurements {
		m := &r.Measurements[i]
		k := kind{m.Contender, m.AskedPerSecond > 0}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], m)
	}
	r.Summary = make([]Summary, 0, len(order))
	for _, k := range order {
		s := summaryOf(groups[k])
		if of := slices.IndexFunc(contenders, func(c Contender) bool { return c.Name == k.contender }); !k.open && of >= 0 && contenders[of].Baseline != "" {
			s.OfBaseline = r.Times(k.contender, contenders[of].Baseline)
		}
		r.Summary = append(r.Summary, s)
	}
	var disk []float64
	for i := range r.Disk {
		disk = append(disk, r.Disk[i].Latency.P50)
	}
	r.DiskMedianMillis = median(disk)
}

// Times is how many times as many requests a second one contender made as another: the median of the ratios within rounds, as fast as answers
// came; 0 if they have no round in common.
func (r *Report) Times(contender, other string) float64 {
	var ratios []float64
	for i := range r.Measurements {
		for j := range r.Measurements {
			m, o := &r.Measurements[i], &r.Measurements[j]
			if m.Contender == contender && o.Contender == other && m.Round == o.Round && m.AskedPerSecond == 0 && o.AskedPerSecond == 0 && o.RequestsPerSecond > 0 {
				ratios = append(ratios, m.RequestsPerSecond/o.RequestsPerSecond)
			}
		}
	}
	return median(ratios)
}

func summaryOf(all []*Measurement) Summary {
	mid := func(of func(*Measurement) float64) float64 {
		values := make([]float64, len(all))
		for i, m := range all {
			values[i] = of(m)
		}
		return median(values)
	}
	s := Summary{Rounds: len(all)}
	s.Contender = all[0].Contender
	s.AskedPerSecond = mid(func(m *Measurement) float64 { return m.AskedPerSecond })
	s.Seconds = mid(func(m *Measurement) float64 { return m.Seconds })
	s.RequestsPerSecond = mid(func(m *Measurement) float64 { return m.RequestsPerSecond })
	s.ItemsPerSecond = mid(func(m *Measurement) float64 { return m.ItemsPerSecond })
	s.Latency = Latency{
		P50: mid(func(m *Measurement) float64 { return m.Latency.P50 }), P90: mid(func(m *Measurement) float64 { return m.Latency.P90 }),
		P99: mid(func(m *Measurement) float64 { return m.Latency.P99 }), P999: mid(func(m *Measurement) float64 { return m.Latency.P999 }),
		Mean: mid(func(m *Measurement) float64 { return m.Latency.Mean }),
	}
	s.ServerMicros = mid(func(m *Measurement) float64 { return m.ServerMicros })
	s.ClientMicros = mid(func(m *Measurement) float64 { return m.ClientMicros })
	s.StolenShare = mid(func(m *Measurement) float64 { return m.StolenShare })
	s.PeakMemoryBytes = int64(mid(func(m *Measurement) float64 { return float64(m.PeakMemoryBytes) }))
	s.DiskBytesPerItem = mid(func(m *Measurement) float64 { return m.DiskBytesPerItem })
	s.StartMillis = mid(func(m *Measurement) float64 { return m.StartMillis })
	for _, m := range all {
		s.Requests += m.Requests
		s.Items += m.Items
		s.Errors += m.Errors
		s.Missed += m.Missed
		s.Latency.Max = max(s.Latency.Max, m.Latency.Max)
		s.CutShort = s.CutShort || m.CutShort
		if len(s.ErrorTexts) == 0 {
			s.ErrorTexts = m.ErrorTexts
		}
		s.Verified = m.Verified
	}
	return s
}

// median is the middle one, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// ownProcessor is what this process has used.
func ownProcessor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
