package templates

import "strings"

// natural compares two texts as Zabbix's frontend sorts what it exports: PHP's strnatcasecmp. Letters have no case,
// spaces do not count, and a run of digits is a number, or a fraction when it begins with 0.
func natural(a, b string) int {
	a, b = strings.ToUpper(a), strings.ToUpper(b)
	if a == "" || b == "" {
		return len(a) - len(b)
	}
	a, b = withoutZeros(a), withoutZeros(b)
	for {
		a, b = strings.TrimLeft(a, spaces), strings.TrimLeft(b, spaces)
		if digit(a) && digit(b) {
			var c int
			if a[0] == '0' || b[0] == '0' {
				c = fraction(&a, &b)
			} else {
				c = integer(&a, &b)
			}
			if c != 0 || a == "" || b == "" {
				return order(c, len(a), len(b))
			}
		}
		if a == "" || b == "" {
			return order(0, len(a), len(b))
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
		if a == "" || b == "" {
			return order(0, len(a), len(b))
		}
	}
}

const spaces = " \t\n\v\f\r"

// order is what is known, or else which of the rests is empty.
func order(known, restA, restB int) int {
	switch {
	case known != 0:
		return known
	case restA == 0 && restB > 0:
		return -1
	case restA > 0 && restB == 0:
		return 1
	}
	return 0
}

func digit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// withoutZeros takes the leading zeros off a number.
func withoutZeros(s string) string {
	for len(s) > 1 && s[0] == '0' && digit(s[1:]) {
		s = s[1:]
	}
	return s
}

// fraction compares digit by digit: the first difference counts. It reads the digits off both.
func fraction(a, b *string) int {
	for {
		switch {
		case !digit(*a) && !digit(*b):
			return 0
		case !digit(*a):
			return -1
		case !digit(*b):
			return 1
		case (*a)[0] != (*b)[0]:
			return int((*a)[0]) - int((*b)[0])
		}
		*a, *b = (*a)[1:], (*b)[1:]
	}
}

// integer compares numbers: the longer one is greater, else the first difference counts.
func integer(a, b *string) int {
	first := 0
	for {
		switch {
		case !digit(*a) && !digit(*b):
			return first
		case !digit(*a):
			return -1
		case !digit(*b):
			return 1
		case first == 0:
			first = int((*a)[0]) - int((*b)[0])
		}
		*a, *b = (*a)[1:], (*b)[1:]
	}
}
