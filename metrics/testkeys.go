//go:build redisjobs_testkeys

package metrics

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// testMetrics provoke what no healthy metric does, for tests through a real
// agent. They exist only in builds with the tag redisjobs_testkeys.
var testMetrics = []*item.Metric{
	{
		Key:         "redis.test.panic",
		Description: "Panics.",
		Collect: func(context.Context, *item.Request, *jsondoc.Writer) error {
			panic("redis.test.panic was asked for")
		},
	},
	{
		Key:         "redis.test.sleep",
		Description: "Answers after some seconds.",
		Params:      []item.Param{{Name: "Seconds", Description: "how long", Required: true, Check: checkNumber}},
		Collect: func(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
			timer := time.NewTimer(time.Duration(testNumber(r.Arg("Seconds")) * float64(time.Second)))
			defer timer.Stop()
			select {
			case <-timer.C:
				w.Text(r.Arg("Seconds"))
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	},
	{
		Key:         "redis.test.big",
		Description: "Returns a text of that many bytes.",
		Params:      []item.Param{{Name: "Bytes", Description: "how many", Required: true, Check: checkNumber}},
		Collect: func(_ context.Context, r *item.Request, w *jsondoc.Writer) error {
			w.Text(strings.Repeat("x", int(testNumber(r.Arg("Bytes")))))
			return nil
		},
	},
	{
		Key:         "redis.test.error",
		Description: "Fails with an error text of that many bytes.",
		Params:      []item.Param{{Name: "Bytes", Description: "how many", Required: true, Check: checkNumber}},
		Collect: func(_ context.Context, r *item.Request, w *jsondoc.Writer) error {
			return errors.New(strings.Repeat("x", int(testNumber(r.Arg("Bytes")))))
		},
	},
}

func checkNumber(value string) error {
	if n, err := strconv.ParseFloat(value, 64); err != nil || !(n >= 0 && n <= 1<<28) {
		return fmt.Errorf("%q is no number from 0 to %d", value, 1<<28)
	}
	return nil
}

// testNumber reads what checkNumber has passed.
func testNumber(value string) float64 {
	n, _ := strconv.ParseFloat(value, 64)
	return n
}
