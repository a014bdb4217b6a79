package server

import (
	"os"
	"testing"

	"redisjobs/internal/redistest"
)

func TestMain(m *testing.M) { os.Exit(redistest.SideBySide(m)) }
