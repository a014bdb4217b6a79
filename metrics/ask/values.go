package ask

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// SixDigits rounds to six significant digits, and never to zero what is none.
func SixDigits(f float64) float64 {
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(f))))
	if scale < 1 {
		return math.Round(f)
	}
	if f == 0 || math.IsInf(scale, 0) {
		return f
	}
	return math.Round(f*scale) / scale
}

// Number is 1 or 0, for members that triggers compare.
func Number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// UnixSeconds is a moment to the millisecond.
func UnixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// maxMaxAge bounds the parameter MaxAge, to ten years.
const maxMaxAge = 3650 * 24 * time.Hour

// timeSuffixes are Zabbix's. Source: Zabbix documentation, "Time suffixes".
var timeSuffixes = map[byte]time.Duration{
	's': time.Second,
	'm': time.Minute,
	'h': time.Hour,
	'd': 24 * time.Hour,
	'w': 7 * 24 * time.Hour,
}

var errMaxAge = errors.New("expected a positive number of seconds, at most 10 years, " +
	"which may end in s, m, h, d or w, as 90 or 5m")

// ParseAge reads whole seconds with a time suffix of Zabbix; "" is 0.
func ParseAge(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	unit, digits := time.Second, s
	if u, ok := timeSuffixes[s[len(s)-1]]; ok {
		unit, digits = u, s[:len(s)-1]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || n > uint64(maxMaxAge/unit) {
		return 0, errMaxAge
	}
	return time.Duration(n) * unit, nil
}

func CheckAge(s string) error {
	_, err := ParseAge(s)
	return err
}
