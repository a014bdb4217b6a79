package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// encode is a command as a RESP array of bulk strings.
func encode(args []string) string {
	var b strings.Builder
	size := 16
	for _, a := range args {
		size += len(a) + 16
	}
	b.Grow(size) // some are large
	b.WriteString("*" + strconv.Itoa(len(args)) + "\r\n")
	for _, a := range args {
		b.WriteString("$" + strconv.Itoa(len(a)) + "\r\n")
		b.WriteString(a)
		b.WriteString("\r\n")
	}
	return b.String()
}

// refusal is an error reply.
type refusal string

func (r refusal) Error() string { return string(r) }

// readReply reads a RESP2 reply as redis-cli prints it when it writes to a
// file: an array's members each on a line, null as an empty text.
func readReply(r *bufio.Reader) (string, error) {
	line, err := readLine(r)
	if err != nil {
		return "", err
	}
	switch rest := line[1:]; line[0] {
	case '+', ':':
		return rest, nil
	case '-':
		return "", refusal(rest)
	case '$':
		return readBulk(r, rest)
	case '*':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return "", err
		}
		members := make([]string, n)
		for i := range members {
			if members[i], err = readReply(r); err != nil {
				// No refusal: the rest of the array is left unread.
				return "", fmt.Errorf("member %d: %v", i, err)
			}
		}
		return strings.Join(members, "\n"), nil
	default:
		return "", fmt.Errorf("no reply: %q", line)
	}
}

// readCommand reads a command as clients send it.
func readCommand(r *bufio.Reader) ([]string, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(line, "*"))
	if err != nil || line[0] != '*' {
		return nil, fmt.Errorf("no command: %q", line)
	}
	args := make([]string, n)
	for i := range args {
		if line, err = readLine(r); err != nil {
			return nil, err
		}
		if line[0] != '$' {
			return nil, fmt.Errorf("no argument: %q", line)
		}
		if args[i], err = readBulk(r, line[1:]); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return "", errors.New("empty line")
	}
	return line, nil
}

func readBulk(r *bufio.Reader, length string) (string, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return "", err
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", err
	}
	return string(b[:n]), nil
}
