// Package settings has the configuration of servers as several families compare
// it: what was read of one (Settings), how a value may be shown, and where those of
// several servers differ (Drift).
package settings
