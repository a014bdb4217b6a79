// Package passwords runs the programs of PasswordCommand and keeps what they
// print: one run at a time of each command, shared by all who wait for it, bounded
// in time and in bytes, and never because of each check (Keeper, run).
package passwords
