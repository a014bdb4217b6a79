// Package info reads INFO and what servers say of themselves.
//
// Scan takes a reply apart without copying it; Scratch reuses the memory of
// earlier replies. A Reading is a number that may be unknown. What a server is
// (flavour, version, role, mode), and what that flavour means by a field whose
// name it shares with Redis, is decided here and nowhere else. Condition is the
// beginning of the documents that say how a server is.
package info
