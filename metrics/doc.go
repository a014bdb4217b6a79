// Package metrics is the list of what can be asked, and the place where
// answers are read. It speaks to a server only through a redisclient.Doer and
// knows neither Zabbix nor the pool's insides.
//
// A metric is one row beside its code: key, description, parameters and the
// function that answers. Registration, help, the README's table and the tests
// derive from All. To add one:
//
//  1. Write name.go with a *Metric, its Collect function and its parser.
//  2. Put the commands into one DoAll: one metric is one round trip.
//  3. Answer a single value as text, or a document by package jsondoc.
//  4. Add the row to table.go.
//  5. Write name_test.go with replies of a real server; fuzz what it parses.
//
// Every answer keeps these rules. What could not be read is an error or a
// left-out member, never a zero. A document answers for a target that is down
// too, through ask.Down. Lists are bounded, and say what was left out. No
// answer and no error holds a secret.
package metrics
