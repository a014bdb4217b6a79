package templates

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
)

// uuidList has all uuids that were ever given out: an import knows things by
// them, and a changed one would lose history.
const uuidList = "uuids.txt"

// uuids are the uuids by what they name, and which of them are in use.
type uuids struct {
	known map[string]string
	used  map[string]bool
}

func readUUIDs(file string) (*uuids, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	u := &uuids{map[string]string{}, map[string]bool{}}
	for line := range strings.Lines(string(text)) {
		id, what, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || u.known[what] != "" {
			return nil, fmt.Errorf("%s: line %q is not a uuid and what it names, once", file, line)
		}
		u.known[what] = id
	}
	return u, nil
}

// of is the uuid of a thing: the listed one, else one that is made of its name.
func (u *uuids) of(what string) string {
	u.used[what] = true
	if id, ok := u.known[what]; ok {
		return id
	}
	sum := sha256.Sum256([]byte("redisjobs " + what))
	sum[6] = sum[6]&0x0f | 0x40 // version 4
	sum[8] = sum[8]&0x3f | 0x80 // variant 1
	u.known[what] = hex.EncodeToString(sum[:16])
	return u.known[what]
}

// unused are the things of the list that are no more. Who renames one changes its line, so that it keeps its uuid.
func (u *uuids) unused() (out []string) {
	for what := range u.known {
		if !u.used[what] {
			out = append(out, what)
		}
	}
	slices.Sort(out)
	return out
}

func (u *uuids) text() []byte {
	var lines []string
	for what, id := range u.known {
		lines = append(lines, id+" "+what+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Compare(a[32:], b[32:]) })
	return []byte(strings.Join(lines, ""))
}
