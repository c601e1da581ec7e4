package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Write writes a report as a table for people.
func (r *Report) Write(out io.Writer) error {
	m := r.Machine
	fmt.Fprintf(out, "%s/%s, %d processors, %s, %s; %d connections, %s each after %s under load\n", m.OS, m.Arch, m.Processors, m.Go,
		r.Started.Format(time.RFC3339), r.Connections, seconds(r.DurationSeconds), seconds(r.WarmupSeconds))
	if len(r.Disk) > 0 {
		fmt.Fprintf(out, "disk: %d KiB appended and synced take %.2f ms in the median\n", r.Disk[0].Bytes>>10, r.DiskMedianMillis)
	}
	fmt.Fprintln(out)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tREQUESTS/S\tCHARGES/S\tOF BARE\tP50 MS\tP99\tP99.9\tMAX\tERRORS\tSERVER µS\tCLIENT µS\tMEMORY\tBYTES/CHARGE\tSTART MS\t")
	for i := range r.Summary {
		s := &r.Summary[i]
		name := s.Contender
		if s.AskedPerSecond > 0 {
			name += fmt.Sprintf(" at %.0f/s", s.AskedPerSecond)
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%d\t%s\t%s\t%s\t%s\t%s\t\n", name, s.RequestsPerSecond, s.ItemsPerSecond, orDash("%.2f", s.OfBaseline),
			s.Latency.P50, s.Latency.P99, s.Latency.P999, s.Latency.Max, s.Errors, orDash("%.1f", s.ServerMicros), orDash("%.1f", s.ClientMicros),
			orDash("%.0f MiB", float64(s.PeakMemoryBytes)/(1<<20)), orDash("%.0f", s.DiskBytesPerItem), orDash("%.0f", s.StartMillis))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return r.writeNotes(out)
}

func (r *Report) writeNotes(out io.Writer) error {
	rounds := 0
	for i := range r.Summary {
		rounds = max(rounds, r.Summary[i].Rounds)
	}
	fmt.Fprintf(out, "\nMedians of %d rounds in turns; of errors the sum, and the longest of all. Latency at a fixed rate counts from when a request was due.\n", rounds)
	for i := range r.Summary {
		s := &r.Summary[i]
		if s.AskedPerSecond > 0 && r.DiskMedianMillis > 0 {
			fmt.Fprintf(out, "%s at %.0f/s: p99 is %.1f times the disk's median\n", s.Contender, s.AskedPerSecond, s.Latency.P99/r.DiskMedianMillis)
		}
		if s.Missed > 0 {
			fmt.Fprintf(out, "%s at %.0f/s: %d requests that were due were not sent, since all connections were busy: it cannot keep up\n", s.Contender, s.AskedPerSecond, s.Missed)
		}
		for _, text := range s.ErrorTexts {
			fmt.Fprintf(out, "%s: error: %s\n", s.Contender, text)
		}
	}
	for i := range r.Measurements {
		if m := &r.Measurements[i]; m.Verified != "" {
			fmt.Fprintf(out, "%s, round %d: %s\n", m.Contender, m.Round, m.Verified)
		}
	}
	if most := r.stolenMost(); most > 0 {
		fmt.Fprintf(out, "The host of this virtual machine took up to %.1f%% of the processors' time during a measurement: latencies are the worse for it.\n", 100*most)
	}
	var err error
	if !r.Complete {
		_, err = fmt.Fprintln(out, "This is not complete.")
	}
	return err
}

// stolenMost is the largest share of the processors' time that was stolen during a measurement.
func (r *Report) stolenMost() (most float64) {
	for i := range r.Measurements {
		most = max(most, r.Measurements[i].StolenShare)
	}
	return most
}

func orDash(format string, v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}
