package resp

import "math"

// parseInteger reads [+-]digits that fit an int64, without a copy of b.
func parseInteger(b []byte) (int64, bool) {
	if !isInteger(b) {
		return 0, false
	}
	negative := b[0] == '-'
	// Summed as a negative number, because MinInt64 has no positive twin.
	var n int64
	for _, c := range trimSign(b) {
		digit := int64(c - '0')
		if n < (math.MinInt64+digit)/10 {
			return 0, false
		}
		n = n*10 - digit
	}
	if negative {
		return n, true
	}
	if n == math.MinInt64 {
		return 0, false
	}
	return -n, true
}

// isInteger reports whether b is [+-]digits.
func isInteger(b []byte) bool {
	b = trimSign(b)
	return len(b) > 0 && digits(b) == len(b)
}

// isDouble reports whether b is [+-]digits[.digits][e[+-]digits], inf or nan.
// Servers before 7.2 print a negative nan too.
func isDouble(b []byte) bool {
	b = trimSign(b)
	switch string(b) {
	case "inf", "nan":
		return true
	}
	n := digits(b)
	if n == 0 {
		return false
	}
	b = b[n:]
	if len(b) > 0 && b[0] == '.' {
		if n = digits(b[1:]); n == 0 {
			return false
		}
		b = b[1+n:]
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		return isInteger(b[1:])
	}
	return len(b) == 0
}

func trimSign(b []byte) []byte {
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		return b[1:]
	}
	return b
}

// digits counts the digits at the start of b.
func digits(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(b)
}
