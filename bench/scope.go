package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// scope is a testing.TB outside a test, so that the servers and agents of the
// module's tests can be used here. What it made lives until within returns.
// Fatal may be called only from the goroutine that called within.
type scope struct {
	testing.TB // nil; only its unexported method is needed

	mu       sync.Mutex
	cleanups []func()
	errs     []error
}

type fatal struct{ err error }

// within calls f and then every cleanup, also after a fatal error, which it
// returns.
func within(f func(*scope) error) (err error) {
	s := &scope{}
	defer func() {
		if r := recover(); r != nil {
			why, ok := r.(fatal)
			if !ok {
				panic(r)
			}
			err = why.err
		}
		for i := len(s.cleanups) - 1; i >= 0; i-- {
			s.cleanups[i]()
		}
		err = errors.Join(append(s.errs, err)...)
	}()
	return f(s)
}

func (s *scope) Helper()      {}
func (s *scope) Failed() bool { return false }

func (s *scope) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

func (s *scope) TempDir() string {
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (s *scope) Fatal(args ...any)                 { panic(fatal{errors.New(fmt.Sprint(args...))}) }
func (s *scope) Fatalf(format string, args ...any) { panic(fatal{fmt.Errorf(format, args...)}) }
func (s *scope) Errorf(format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}
func (s *scope) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
