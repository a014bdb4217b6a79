// Package templates has the Zabbix templates and, as its tests, the contract
// between them and the plugin. Zabbix checks little of a template on import: a
// path that finds nothing, a key that nobody serves or a trigger that can
// never fire shows only on a server, later.
//
// The folder 6.0 is for the export format of Zabbix 6.0, which newer versions
// read too. The tests hold the templates against testdata: answers that the
// plugin gave of real servers (go test -record writes them anew), the list of
// uuids that must not change any more, the reviewed severities, and the paths
// of the answers that no item wants.
package templates
