package plugin

import (
	"errors"
	"fmt"
	"strings"
)

// ParseItemKey splits an item key as Zabbix writes it, name[param,"param",...],
// into its name and parameters. Errors repeat no parameter, which may be a
// password. Arrays of parameters are refused: no key of ours takes one.
// Source: https://www.zabbix.com/documentation/7.0/en/manual/config/items/item/key
func ParseItemKey(key string) (name string, params []string, err error) {
	i := strings.IndexByte(key, '[')
	if i < 0 {
		name = key
	} else {
		name = key[:i]
	}
	if name == "" || strings.IndexFunc(name, notKeyRune) >= 0 {
		return "", nil, fmt.Errorf("%q is not a valid item key: its name may have letters, digits, dots, underscores and dashes", name)
	}
	if i < 0 {
		return name, nil, nil
	}
	rest := key[i+1:]
	for {
		var param string
		if param, rest, err = nextParam(rest); err != nil {
			return "", nil, fmt.Errorf("item key %s: parameter %d: %w", name, len(params)+1, err)
		}
		params = append(params, param)
		if rest[0] == ']' {
			break
		}
		rest = rest[1:]
	}
	if rest != "]" {
		return "", nil, fmt.Errorf("item key %s: text after the closing bracket: put a parameter that holds a ] in quotes, as in \"tcp://[::1]:6379\"", name)
	}
	return name, params, nil
}

func notKeyRune(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
}

var (
	errUnclosedKey   = errors.New("the closing bracket is missing")
	errUnclosedQuote = errors.New("a closing quote is missing")
	errAfterQuote    = errors.New("text after the closing quote")
	errArray         = errors.New("begins with [, which makes an array of it: put it in quotes, as in \"[::1]:6379\"")
)

// nextParam reads one parameter. rest starts with the comma or bracket that
// ends it.
func nextParam(s string) (param, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	if strings.HasPrefix(s, "[") {
		return "", "", errArray
	}
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ",]")
		if end < 0 {
			return "", "", errUnclosedKey
		}
		return s[:end], s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		case s[i] == '"':
			rest = strings.TrimLeft(s[i+1:], " ")
			if rest == "" {
				return "", "", errUnclosedKey
			}
			if rest[0] != ',' && rest[0] != ']' {
				return "", "", errAfterQuote
			}
			return b.String(), rest, nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", errUnclosedQuote
}
