package conf

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"redisjobs/nearest"
)

// Zabbix's suffixes. Both are optional.
var (
	timeUnits = map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 7 * 86400}
	byteUnits = map[byte]int64{'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
)

// bounds are the values that a number may have.
type bounds struct {
	min, max int64
	orZero   bool   // 0 is allowed as well
	text     string // as documented
}

// parse reads a whole number, with one of the units if there are any.
func (b bounds) parse(text string, units map[byte]int64) (int64, error) {
	digits, unit := text, int64(1)
	if n := len(text); n > 1 {
		if u, ok := units[text[n-1]]; ok {
			digits, unit = text[:n-1], u
		}
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("is not a whole number of the range %s%s", b.text, unitHint(units))
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	// What does not fit, with its unit, is out of any range.
	if err == nil && n <= b.max/unit {
		n *= unit
		if n >= b.min || b.orZero && n == 0 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("is out of range %s", b.text)
}

func unitHint(units map[byte]int64) string {
	switch {
	case units['w'] > 0:
		return ", with s, m, h, d, w or nothing behind it"
	case units['K'] > 0:
		return ", with K, M, G or nothing behind it"
	}
	return ""
}

func parseSwitch(text string) (bool, error) {
	switch text {
	case "1", "true", "yes":
		return true, nil
	case "0", "false", "no":
		return false, nil
	}
	return false, errors.New("is neither 0 nor 1")
}

// parseFilePath insists on an absolute path: the plugin runs in whatever
// directory the agent was started in.
func parseFilePath(text string) (string, error) {
	if !filepath.IsAbs(text) {
		return "", errors.New("is not the absolute path of a file") // it may be a password: not repeated
	}
	return filepath.Clean(text), nil
}

func parseKeyName(text string) (string, error) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return "", errors.New("holds a control character")
	}
	return text, nil
}

func parseKeyPattern(text string) (string, error) {
	if strings.Count(text, jobPlaceholder) != 1 {
		return "", fmt.Errorf("must hold %s exactly once", jobPlaceholder)
	}
	return parseKeyName(text)
}

// parseStatusMap reads WORD:NUMBER,WORD:NUMBER; words are made upper case.
func parseStatusMap(text string) (map[string]int, error) {
	out := map[string]int{}
	for i, part := range splitList(text) {
		word, number, found := strings.Cut(part, ":")
		word, number = strings.ToUpper(strings.TrimSpace(word)), strings.TrimSpace(number)
		if !found || word == "" {
			return nil, fmt.Errorf("entry %d is not WORD:NUMBER", i+1)
		}
		if len(number) != 1 || number[0] < '0' || number[0] > '9' {
			return nil, fmt.Errorf("the number of entry %d must be 0-9", i+1)
		}
		n := int(number[0] - '0')
		if old, twice := out[word]; twice && old != n {
			return nil, fmt.Errorf("entry %d gives a word a second number", i+1)
		}
		out[word] = n
	}
	return out, nil
}

// parseBySystem reads SYSTEM:TEXT,SYSTEM:TEXT.
func parseBySystem(text string) (map[string][]string, error) {
	out := map[string][]string{}
	for i, part := range splitList(text) {
		system, value, found := strings.Cut(part, ":")
		if !found || value == "" {
			return nil, fmt.Errorf("entry %d is not SYSTEM:TEXT", i+1)
		}
		if !slices.Contains(jobSystems, system) {
			return nil, fmt.Errorf("entry %d is of no job system%s; there are %s", i+1, nearest.Question(system, jobSystems), strings.Join(jobSystems, ", "))
		}
		if _, err := parseKeyName(value); err != nil {
			return nil, fmt.Errorf("entry %d %w", i+1, err)
		}
		if !slices.Contains(out[system], value) {
			out[system] = append(out[system], value)
		}
	}
	return out, nil
}

// splitList splits at commas; blanks around parts and empty parts do not count.
func splitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func toSeconds(n int64) time.Duration { return time.Duration(n) * time.Second }
