package advice

import (
	"fmt"
	"strings"
	"testing"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// BenchmarkAdviceOfARealServer tells the time of a poll and, as server-µs/op, how
// much of it the server worked.
func BenchmarkAdviceOfARealServer(b *testing.B) {
	s := redistest.Start(b, redistest.Config{})
	for i := range 200 {
		s.Do(b, "SET", fmt.Sprint("k", i), strings.Repeat("x", 100))
	}
	target, _ := metrictest.DialTarget(b, redisclient.Config{Address: s.Addr})
	args, err := Get.ParseArgs(nil)
	if err != nil {
		b.Fatal(err)
	}
	s.Do(b, "CONFIG", "RESETSTAT")
	w := jsondoc.New(32 << 10)
	b.ReportAllocs()
	for b.Loop() {
		w.Restart()
		if err := Get.Collect(b.Context(), &item.Request{Target: target, Args: args, Env: &item.Env{}}, w); err != nil {
			b.Fatal(err)
		}
	}
	var usec int
	for line := range strings.Lines(s.Do(b, "INFO", "commandstats")) {
		_, figures, _ := strings.Cut(line, ":calls=")
		var calls, n int
		if _, err := fmt.Sscanf(figures, "%d,usec=%d", &calls, &n); err == nil {
			usec += n
		}
	}
	b.ReportMetric(float64(usec)/float64(b.N), "server-µs/op")
}
