//go:build !linux

package instances

import "errors"

func find() (*instances, error) {
	return nil, errors.New("servers of this machine are found on Linux only, by its /proc")
}
