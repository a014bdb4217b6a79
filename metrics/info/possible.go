package info

import (
	"bytes"
	"strconv"

	"redisjobs/metrics/jsondoc"
)

// maySigned are the ends of the names of fields whose whole numbers may be
// negative: differences, and times and offsets with -1 for none.
var maySigned = []string{
	"frag_bytes", "fragmentation_bytes", "rss_bytes", "overhead_bytes", "_sec", "_seconds_ago", "_since_seconds", "offset",
}

// Impossible reports whether a field's number cannot be what the field says:
//   - a count below zero, also one that was wrapped around to nearly 2^64,
//   - more than 2^31 connections at this moment, which is a number below zero that
//     was wrapped around to nearly 2^32 (counters of all time may be that large),
//   - an age above the server's uptime: servers forget with a restart what they
//     tell the age of, and time since 1970 stands for never,
//   - a share of more than 1,000 %, or below zero: Redis 5 prints a little more
//     than 100 % of a peak that it has not noted yet, and a difference that was
//     wrapped around is far above.
//
// Such a number is no reading, and is left out.
func (id *Identity) Impossible(key, value []byte) bool {
	if len(value) == 0 || value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return false
	}
	if endsIn(key, "_perc") {
		share, err := strconv.ParseFloat(string(bytes.TrimSuffix(value, []byte("%"))), 64)
		return err == nil && (share < 0 || share > 1000)
	}
	age := isAge(key)
	live := len(value) >= len("2147483648") && isLive(key)
	if value[0] != '-' && len(value) < len("9223372036854775807") && !age && !live {
		return false
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return isInteger(value) && !isTextField(key) // of more than 63 bits
	}
	if n < 0 {
		for _, end := range maySigned {
			if bytes.HasSuffix(key, []byte(end)) {
				return false
			}
		}
		return true
	}
	return live && n >= 1<<31 || age && id.outlived(n)
}

// isLive knows the fields that tell how many connections there are at this moment:
// connected_clients, KeyDB's thread_0_clients. Limits and counters have like names.
// Source: dragonfly#4693
func isLive(key []byte) bool {
	switch string(key) {
	case "max_clients", "evicted_clients":
		return false
	case "clients_in_timeout_table", "cluster_connections", "connected_slaves", "total_connections_active":
		return true
	}
	return endsIn(key, "_clients")
}

// outlived reports whether an age is above the server's uptime. Both are in whole
// seconds, of clocks that a server reads at different moments.
func (id *Identity) outlived(age int64) bool { return id.uptime.Known && age > id.uptime.Value+1 }

// isAge knows the fields that tell how long ago something was, in seconds.
func isAge(key []byte) bool {
	return endsIn(key, "_seconds_ago") || endsIn(key, "_since_seconds")
}

func isInteger(value []byte) bool {
	return jsondoc.IsNumber(value) && !bytes.ContainsAny(value, ".eE")
}

// age is a reading of seconds, unknown when it is negative or impossible.
func (id *Identity) age(value []byte) Reading {
	r := ParseCount(value)
	return Reading{r.Value, r.Known && !id.outlived(r.Value)}
}
