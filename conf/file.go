package conf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrEmptyFile is why a file of the configuration is of no use: there is nothing in it.
var ErrEmptyFile = errors.New("the file is empty")

// readFile reads a regular file of at most limit bytes. Anything else, such as
// a pipe, could block the check forever. Errors do not repeat the name: what
// stands in place of a path may be a password.
func readFile(name string, limit int64) ([]byte, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("what it names is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("the file is larger than %d bytes", limit)
	case len(data) == 0:
		return nil, ErrEmptyFile
	}
	return data, nil
}

// fileError is an error of the operating system without the path.
type fileError struct{ err error }

func (e *fileError) Error() string { return "the file cannot be read: " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

func withoutPath(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return &fileError{path.Err}
	}
	return err
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
