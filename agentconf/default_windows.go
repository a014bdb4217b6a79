package agentconf

// Default is where Zabbix' installer puts the configuration of the agent.
const Default = `C:\Program Files\Zabbix Agent 2\zabbix_agent2.conf`
