#!/bin/sh
# After the package's files are in place. For deb, rpm and apk alike: the first argument is configure (deb), the number of
# versions that are installed (rpm) or the version (apk).
#
# Where there is no file of the aliases yet, the plugin decides whether they can be switched on without a change of any
# item's answer, and writes it. The installation goes on when it cannot: without the file the aliases are off.
set -e

case "$1" in
abort-* | triggered) exit 0 ;;
esac
if [ ! -e /etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs-aliases.conf ]; then
	/usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs migrate --on-install ||
		echo "zabbix-agent2-plugin-redisjobs: to have it answer redis.ping and the like: zabbix-agent2-plugin-redisjobs migrate" >&2
fi
exit 0
