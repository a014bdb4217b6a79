//go:build !windows

package agentconf

// Default is where packages put the configuration of the agent.
const Default = "/etc/zabbix/zabbix_agent2.conf"
