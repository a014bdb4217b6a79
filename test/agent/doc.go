// Package agent runs real Zabbix agents for the end-to-end tests: it starts them on free loopback ports with a
// configuration of their own, asks them for items over the passive check protocol, and sees to it that neither an agent
// nor a plugin process outlives its test.
//
// The agents are those that test/agents.sh fetches (`make test-e2e`).
package agent
