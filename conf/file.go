package conf

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// readFile reads a regular file of at most limit bytes. Anything else, such as
// a pipe, could block the check for ever.
func readFile(name string, limit int64) ([]byte, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	case len(data) == 0:
		return nil, errors.New(name + " is empty")
	}
	return data, nil
}

// fileStamp tells two versions of a file apart.
type fileStamp struct {
	modified int64 // unix nanoseconds
	size     int64
}

// stampOf is the zero stamp for no file and for one that cannot be looked at,
// which reading it will report.
func stampOf(name string) fileStamp {
	if name == "" {
		return fileStamp{}
	}
	st, err := os.Stat(name)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{modified: st.ModTime().UnixNano(), size: st.Size()}
}
