// Package agentconf reads the configuration of a Zabbix agent as the agent does:
// all its files, in the order in which Include lines name them. It is for the
// commands of this program; a running agent sends the plugin its own options.
//
// What an agent would refuse is a [Problem], and the rest is read nevertheless.
// Agents from 7.2 on replace a value that is nothing but ${NAME} by an environment
// variable, and drop the line when there is no such variable; see [Read].
package agentconf
