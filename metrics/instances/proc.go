package instances

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// socketInfo is a listening socket as the kernel lists it.
type socketInfo struct {
	at    netip.AddrPort // of a TCP socket
	path  string         // of a unix socket
	uid   int            // -1 of a unix socket
	inode uint64
}

// maxProcLine bounds a line of the kernel's lists; a unix path has at most 108
// bytes.
const maxProcLine = 4096

// readTCP reads the listening sockets of /proc/net/tcp or tcp6:
//
//	sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
//	 0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 12345 1 …
//
// The kernel lists them before all other ones, of which a busy machine has a
// hundred thousand: reading ends at the first that does not listen.
func readTCP(r io.Reader) ([]socketInfo, error) {
	const listening = "0A"
	var out []socketInfo
	lines := procLines(r)
	for n := 0; lines.Scan(); n++ {
		if n == 0 {
			continue // the header
		}
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 10 {
			return nil, fmt.Errorf("line %d has %d fields, expected 10 or more", n+1, len(fields))
		}
		if string(fields[3]) != listening {
			break
		}
		at, err := parseProcAddr(string(fields[1]))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		uid, err1 := strconv.ParseUint(string(fields[7]), 10, 32)
		inode, err2 := strconv.ParseUint(string(fields[9]), 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		out = append(out, socketInfo{at: at, uid: int(uid), inode: inode})
	}
	return out, lines.Err()
}

func procLines(r io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, maxProcLine), maxProcLine)
	return lines
}

// parseProcAddr reads 0100007F:18EB: words of 32 bits in the byte order of the
// machine, and the port as a number.
func parseProcAddr(text string) (netip.AddrPort, error) {
	host, portText, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	port, err := strconv.ParseUint(portText, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q has no port", text)
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}

// readUnix reads the listening sockets of /proc/net/unix that have a path:
//
//	Num       RefCount Protocol Flags    Type St Inode Path
//	0000000000000000: 00000002 00000000 00010000 0001 01 23456 /run/redis/redis.sock
func readUnix(r io.Reader) ([]socketInfo, error) {
	const accepting = 0x10000 // __SO_ACCEPTCON
	var out []socketInfo
	lines := procLines(r)
	for n := 0; lines.Scan(); n++ {
		line := lines.Text()
		head := headOf(line, 7)
		fields := strings.Fields(head)
		if n == 0 {
			continue // the header
		}
		if len(fields) < 7 {
			return nil, fmt.Errorf("line %d has %d fields, expected 7 or more", n+1, len(fields))
		}
		flags, err1 := strconv.ParseUint(fields[3], 16, 64)
		inode, err2 := strconv.ParseUint(fields[6], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		if name := strings.TrimPrefix(line[len(head):], " "); flags&accepting != 0 && name != "" {
			out = append(out, socketInfo{path: name, uid: -1, inode: inode})
		}
	}
	return out, lines.Err()
}

// headOf is the beginning of a line with its first n words; a path behind them
// may hold blanks.
func headOf(line string, n int) string {
	i := 0
	for range n {
		for i < len(line) && line[i] == ' ' {
			i++
		}
		for i < len(line) && line[i] != ' ' {
			i++
		}
	}
	return line[:i]
}

// processTitle is what a server writes over its command line:
//
//	redis-server 127.0.0.1:6379
//	/usr/bin/valkey-server *:6379 [cluster]
//	redis-server unixsocket:/run/redis.sock
//
// Source: proc-title-template in redis.conf.
type processTitle struct {
	port     uint16 // 0: none
	socket   string
	sentinel bool
}

// parseTitle reads a command line, whose words end with a NUL or, once it has
// been written over, with a blank.
func parseTitle(cmdline string) (t processTitle) {
	words := strings.FieldsFunc(cmdline, func(r rune) bool { return r == 0 || r == ' ' })
	for i, word := range words {
		switch {
		case i == 0:
		case word == "[sentinel]" || word == "--sentinel":
			t.sentinel = true
		case i > 1:
		case strings.HasPrefix(word, "unixsocket:"):
			t.socket = strings.TrimPrefix(word, "unixsocket:")
		default:
			at := strings.LastIndexByte(word, ':')
			if port, err := strconv.ParseUint(word[at+1:], 10, 16); at >= 0 && err == nil {
				t.port = uint16(port)
			}
		}
	}
	return t
}

// procfs is a tree as the kernel shows it below /proc.
type procfs struct{ root string }

func (p procfs) path(parts ...string) string {
	return filepath.Join(append([]string{p.root}, parts...)...)
}

// maxTitle bounds what is read of a command line, maxFiles the open files of
// one process that are looked at.
const (
	maxTitle = 4096
	maxFiles = 200_000
)

func (p procfs) text(parts ...string) (string, error) {
	f, err := os.Open(p.path(parts...))
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxTitle))
	return string(raw), err
}

// sockets reads one of the kernel's lists; one that the system does not have is
// empty.
func (p procfs) sockets(name string, read func(io.Reader) ([]socketInfo, error)) ([]socketInfo, error) {
	f, err := os.Open(p.path("net", name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out, err := read(f)
	if err != nil {
		err = fmt.Errorf("%s: %w", f.Name(), err)
	}
	return out, err
}

// owned are the inodes of a process's sockets.
func (p procfs) owned(pid int) (map[uint64]bool, error) {
	dir, err := os.Open(p.path(strconv.Itoa(pid), "fd"))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	out := make(map[uint64]bool)
	for seen := 0; ; {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			link, err := os.Readlink(path.Join(dir.Name(), name))
			if err != nil {
				if errors.Is(err, fs.ErrPermission) {
					return nil, err
				}
				continue // closed meanwhile
			}
			if text, ok := strings.CutPrefix(link, "socket:["); ok {
				if inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64); err == nil {
					out[inode] = true
				}
			}
		}
		if seen += len(names); seen >= maxFiles {
			return nil, fmt.Errorf("it has more than %d open files", maxFiles)
		}
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// find lists the servers below /proc. The error means that there is nothing to
// be read at all; what is hidden is told in the result.
func (p procfs) find() (*instances, error) {
	entries, err := os.ReadDir(p.root)
	if err != nil {
		return nil, err
	}
	all := &instances{}
	var tcp, unix []socketInfo
	for _, list := range []struct {
		name string
		read func(io.Reader) ([]socketInfo, error)
		into *[]socketInfo
	}{{"tcp", readTCP, &tcp}, {"tcp6", readTCP, &tcp}, {"unix", readUnix, &unix}} {
		sockets, err := p.sockets(list.name, list.read)
		if err != nil {
			all.hide(list.name, err.Error())
		}
		*list.into = append(*list.into, sockets...)
	}
	if _, err := p.text("1", "comm"); err != nil {
		all.hide("processes", "the system hides the processes of other users: "+err.Error())
	}
	servers := map[int]candidate{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		comm, err := p.text(entry.Name(), "comm")
		typ := serverTypes[strings.TrimSuffix(comm, "\n")]
		if err != nil || typ == "" {
			continue // ended meanwhile, or no server
		}
		if c, ok := p.candidate(pid, typ); ok {
			servers[pid] = c
		}
	}
	for _, c := range servers {
		if _, child := servers[c.parent]; !child { // which saves the data set
			p.look(all, c, tcp, unix)
		}
	}
	all.sort()
	return all, nil
}

// candidate is a process that bears a server's name.
type candidate struct {
	pid, uid, parent int
	typ              string
	title            processTitle
}

// candidate reads what everybody may know of a process; false when it has ended
// meanwhile.
func (p procfs) candidate(pid int, typ string) (candidate, bool) {
	c := candidate{pid: pid, uid: -1, typ: typ}
	cmdline, err := p.text(strconv.Itoa(pid), "cmdline")
	if err != nil || cmdline == "" {
		return c, false
	}
	if c.title = parseTitle(cmdline); c.title.sentinel {
		c.typ = "sentinel"
	}
	status, err := p.text(strconv.Itoa(pid), "status")
	if err != nil {
		return c, false
	}
	for line := range strings.Lines(status) {
		switch fields := strings.Fields(line); {
		case len(fields) > 2 && fields[0] == "Uid:": // the second one is in effect
			if uid, err := strconv.Atoi(fields[2]); err == nil {
				c.uid = uid
			}
		case len(fields) > 1 && fields[0] == "PPid:":
			c.parent, _ = strconv.Atoi(fields[1]) // 0 is nobody
		}
	}
	return c, c.uid >= 0
}

// look finds the sockets of one process: by its open files where we may see
// them, else by the port in its title and its user.
func (p procfs) look(all *instances, c candidate, tcp, unix []socketInfo) {
	in := instance{typ: c.typ, pid: c.pid, uid: c.uid}
	inodes, hidden := p.owned(c.pid)
	if errors.Is(hidden, fs.ErrNotExist) {
		return
	}
	for _, s := range tcp {
		if hidden == nil && inodes[s.inode] || hidden != nil && s.uid == c.uid && s.at.Port() == c.title.port && c.title.port != 0 {
			in.listens = append(in.listens, s.at)
		}
	}
	for _, s := range unix {
		if !filepath.IsAbs(s.path) {
			continue // relative to who knows what
		}
		if hidden == nil && inodes[s.inode] || hidden != nil && s.path == c.title.socket {
			in.socket = s.path
			break
		}
	}
	found := len(in.listens) > 0 || in.socket != ""
	if found {
		in.locate(c.title.port)
		all.found = append(all.found, in)
	}
	why := ""
	switch {
	case found && hidden != nil && in.socket == "":
		why = "its port is known by its title, other sockets cannot be seen: " + hidden.Error()
	case found:
		return
	case hidden != nil:
		why = "its sockets cannot be seen: " + hidden.Error()
	default:
		why = "it does not listen here: it may be starting, or in a container"
	}
	all.hide(fmt.Sprintf("process %d", c.pid), fmt.Sprintf("%s of user %d: %s", c.typ, c.uid, why))
}
