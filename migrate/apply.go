package migrate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"redisjobs/agentconf"
)

// apply writes the files, all or none: when the agent would not read one of them,
// what was there before comes back.
func (p *plan) apply(main string) error {
	var before []saved
	for _, f := range p.files {
		s, err := save(f.path)
		if err != nil {
			return errors.Join(err, restore(before))
		}
		before = append(before, s)
		if err := write(f.path, f.text, f.model, f.closed); err != nil {
			return errors.Join(err, restore(before))
		}
	}
	after := agentconf.Read(main, nil)
	for _, f := range p.files {
		if !slices.Contains(after.Files, f.path) {
			return errors.Join(fmt.Errorf("%s is not among the files that %s includes: nothing was changed; add a line Include=%s",
				f.path, main, filepath.Join(p.dir, "*.conf")), restore(before))
		}
	}
	return nil
}

// saved is a file as it was; data is nil for none.
type saved struct {
	path string
	data []byte
}

func save(path string) (saved, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return saved{path, nil}, nil
	}
	return saved{path, data}, err
}

func restore(all []saved) error {
	var errs []error
	for _, s := range all {
		if s.data == nil {
			if err := os.Remove(s.path); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
			continue
		}
		errs = append(errs, write(s.path, string(s.data), s.path, false))
	}
	return errors.Join(errs...)
}

// closedMode is that of a file that may hold passwords.
const closedMode = fs.FileMode(0o640)

// write replaces a file in one step. It gets the owner and the mode of model, a
// file that may be read by the same users; without one every user may read it.
// One that is closed is for its owner and its group alone; where all may read the
// model, that is the agent's group.
func write(path, text, model string, closed bool) error {
	mode := fs.FileMode(0o644)
	if model != "" {
		st, err := os.Stat(model)
		if err != nil {
			return err
		}
		mode = st.Mode().Perm()
	}
	forAll := mode&0o004 != 0
	if closed {
		mode &= closedMode
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // there is none any more when all went well
	_, err = tmp.WriteString(text)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if model != "" {
		if err := own(tmp.Name(), model); err != nil {
			return err
		}
	}
	if closed && forAll {
		if err := giveToAgent(tmp.Name()); err != nil {
			return err
		}
	}
	if err := os.Chmod(tmp.Name(), mode); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
