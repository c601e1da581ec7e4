package audit
import ("os";"testing";"fmt";"strings")
func dumpRecord(t *testing.T, s *simulated) {
	w := os.Getenv("DUMP"); if w == "" { return }
	for i, r := range s.record { if strings.Contains(r, w) { fmt.Println(i, r) } }
}
