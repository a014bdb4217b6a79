package server

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/jsondoc"
)

// A percentile is written as the number that is nearest to it would be.
func TestAPercentileIsTheNearestNumberOfSeconds(t *testing.T) {
	numbers := []string{"0", "0.000", "0.5", "0.001", "1", "1.003", "10", "1000000", "999999", "1234567.25", "100000000.000", "123456789012345", "12345678.9012345", "4.015"}
	for range 2000 {
		numbers = append(numbers, fmt.Sprintf("%.*f", rand.IntN(4), rand.ExpFloat64()*1000))
	}
	fast := 0
	for _, number := range numbers {
		seconds, err := strconv.ParseFloat(number+"e-6", 64)
		if err != nil {
			continue
		}
		want, got := jsondoc.New(64), jsondoc.New(64)
		want.BeginObject()
		want.Key("p").Float(seconds)
		want.EndObject()
		got.BeginObject()
		writePercentile(nil, got, []byte("p"), []byte(number))
		got.EndObject()
		require.Equal(t, want.Document(), got.Document(), number)
		if _, ok := millionth(nil, []byte(number)); ok {
			fast++
		}
	}
	require.Greater(t, fast, 1000, "most are written without rounding")
}
