package main

import (
	"os"
	"syscall"
)

// ignored are the signals that would end the process, and the agent with it.
var ignored = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT}
