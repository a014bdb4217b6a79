// Package templates makes the Zabbix templates of their sources and, as its
// tests, holds the contract between them and the plugin. Zabbix checks little
// of a template on import: a path that finds nothing, a key that nobody serves
// or a trigger that can never fire shows only on a server, later.
//
// The folder source has one file for each template, in short words; see the
// types in source.go. `go generate ./packaging/templates` writes a folder for
// each format from it, with each template in a passive and an active variant:
// the very bytes that a Zabbix server of that version exports (canonical.go,
// dump.go), so that a second import shows no difference. uuids.txt has the
// uuids, by which an import knows things: a thing that gets another name keeps
// its history when its line there is changed as well.
//
// The tests hold the templates against testdata: answers that the plugin gave
// of real servers (go test -record writes them anew), the reviewed severities,
// and the paths of the answers that no item wants.
package templates
