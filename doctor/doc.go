// Package doctor reads an agent's configuration as the agent does and says
// what is wrong with it, and with the servers of its sessions, for this plugin.
//
// It is safe beside a running agent: files are only read, the agent's sockets
// are left alone, and each session costs one connection with commands that read
// next to nothing. No secret is printed.
package doctor
