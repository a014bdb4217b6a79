package jobs

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"strconv"
)

var errPickle = errors.New("it is not the pickle that it should be")

// inflate unpacks what zlib has packed, at most limit bytes of it; a text that is
// not packed is returned as it is.
func inflate(packed []byte, limit int) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return packed, nil
	}
	defer func() { _ = r.Close() }()
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(out) > limit {
		return nil, errFailureLarge
	}
	if err != nil {
		return nil, errors.New("it cannot be unpacked")
	}
	return out, nil
}

// pickledPairs reads a pickle of one dict, whose keys are texts and whose values are texts
// or numbers; other simple values are "". One with anything in it that could be another
// dict, or whose texts refer to each other, is not read: then it would not be sure which
// value is whose. Nothing of it is executed.
// Source: Lib/pickletools.py
func pickledPairs(text []byte) (map[string]string, error) {
	var parts []string // keys and values
	dicts := 0
	for i := 0; i < len(text); {
		op := text[i]
		i++
		size, err := pickleSize(op, text[i:])
		if err != nil {
			return nil, err
		}
		arg := text[i : i+size.before+size.length]
		i += len(arg)
		switch op {
		case '.': // the end
			if dicts != 1 || len(parts)%2 != 0 {
				return nil, errPickle
			}
			out := make(map[string]string, len(parts)/2)
			for n := 0; n < len(parts); n += 2 {
				out[parts[n]] = parts[n+1]
			}
			return out, nil
		case '\x80', '\x95', '\x94', '(', 'p', 'q', 'r', 's', 'u': // no value
		case '}', 'd':
			dicts++
		case 'N', '\x88', '\x89', 'G':
			parts = append(parts, "")
		default:
			before := len(parts)
			add := func(s string) { parts = append(parts, s) }
			pickleValue(op, arg, arg[size.before:], add, add)
			if len(parts) == before {
				return nil, errPickle
			}
		}
	}
	return nil, errPickle
}

// pickled goes through a pickle of Python and gives its texts and numbers, in the
// order in which they stand there. Nothing of it is executed.
// Source: Lib/pickletools.py
func pickled(text []byte, onText func(string), onNumber func(string)) error {
	for i := 0; i < len(text); {
		op := text[i]
		i++
		size, err := pickleSize(op, text[i:])
		if err != nil {
			return err
		}
		arg := text[i : i+size.before+size.length]
		value := arg[size.before:]
		i += len(arg)
		if op == '.' { // the end
			return nil
		}
		pickleValue(op, arg, value, onText, onNumber)
	}
	return errPickle
}

// pickleValue gives the text or number of an opcode, if it has one; value is its argument
// without the length before it.
func pickleValue(op byte, arg, value []byte, onText, onNumber func(string)) {
	switch op {
	case 'X', '\x8c', '\x8d', 'U', 'T', 'V', 'S', 'B', 'C', '\x8e', '\x96':
		onText(string(bytes.TrimSuffix(value, []byte("\n"))))
	case 'I', 'L', 'F':
		onNumber(string(bytes.TrimRight(value, "L\n")))
	case 'K':
		onNumber(strconv.Itoa(int(arg[0])))
	case 'M':
		onNumber(strconv.Itoa(int(binary.LittleEndian.Uint16(arg))))
	case 'J':
		onNumber(strconv.Itoa(int(int32(binary.LittleEndian.Uint32(arg)))))
	case '\x8a', '\x8b':
		onNumber(pickleLong(value))
	}
}

// pickleLong reads a long integer, the least byte first.
func pickleLong(b []byte) string {
	if len(b) > 64 {
		return ""
	}
	big1 := make([]byte, len(b))
	for i, c := range b {
		big1[len(b)-1-i] = c
	}
	n := new(big.Int).SetBytes(big1)
	if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n.String()
}

// pickleArg is what follows an opcode: the length of its argument in so many
// bytes, and then the argument.
type pickleArg struct{ before, length int }

// pickleSize tells how long the argument of an opcode is.
func pickleSize(op byte, rest []byte) (pickleArg, error) {
	fixed := func(n int) (pickleArg, error) { return checkPickle(pickleArg{0, n}, rest) }
	counted := func(bytes int) (pickleArg, error) {
		if len(rest) < bytes {
			return pickleArg{}, errPickle
		}
		n := uint64(0)
		for i := bytes - 1; i >= 0; i-- {
			n = n<<8 | uint64(rest[i])
		}
		if n > uint64(len(rest)) {
			return pickleArg{}, errPickle
		}
		return checkPickle(pickleArg{bytes, int(n)}, rest)
	}
	lines := func(n int) (pickleArg, error) {
		length := 0
		for range n {
			i := bytes.IndexByte(rest[length:], '\n')
			if i < 0 {
				return pickleArg{}, errPickle
			}
			length += i + 1
		}
		return pickleArg{0, length}, nil
	}
	switch op {
	case '(', '.', '0', '1', '2', 'N', ']', 'a', 'e', '}', 's', 'u', ')', 't', 'l', 'd', 'R', 'b', 'o', 'Q',
		'\x81', '\x85', '\x86', '\x87', '\x88', '\x89', '\x8f', '\x90', '\x91', '\x92', '\x93', '\x94', '\x97', '\x98':
		return fixed(0)
	case 'K', 'q', 'h', '\x80', '\x82':
		return fixed(1)
	case 'M', '\x83':
		return fixed(2)
	case 'J', 'r', 'j', '\x84':
		return fixed(4)
	case 'G', '\x95':
		return fixed(8)
	case 'U', 'C', '\x8c', '\x8a':
		return counted(1)
	case 'X', 'T', 'B', '\x8b':
		return counted(4)
	case '\x8d', '\x8e', '\x96':
		return counted(8)
	case 'I', 'L', 'F', 'S', 'V', 'p', 'g', 'P':
		return lines(1)
	case 'c', 'i':
		return lines(2)
	}
	return pickleArg{}, errPickle
}

func checkPickle(a pickleArg, rest []byte) (pickleArg, error) {
	if a.before+a.length > len(rest) {
		return pickleArg{}, errPickle
	}
	return a, nil
}
