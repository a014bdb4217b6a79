package resp

import "strconv"

// AppendCommand appends a command, as the array of bulk strings that servers
// of every version take, to dst and returns it. Arguments are binary safe.
func AppendCommand(dst []byte, args ...string) []byte {
	dst = appendHeader(dst, '*', len(args))
	for _, a := range args {
		dst = appendHeader(dst, '$', len(a))
		dst = append(dst, a...)
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// CommandSize is at least as long as what AppendCommand appends.
func CommandSize(args ...string) int {
	const header = len("$9223372036854775807\r\n\r\n")
	size := header
	for _, a := range args {
		size += header + len(a)
	}
	return size
}

func appendHeader(dst []byte, kind byte, n int) []byte {
	dst = append(dst, kind)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, '\r', '\n')
}
