#!/bin/sh
# After the package's files are removed. For deb, rpm and apk alike: the first argument is remove, purge, upgrade ... (deb),
# the number of versions that stay (rpm) or the version (apk).
#
# A configuration that names a program which is gone keeps the agent from starting, and aliases that lead nowhere leave
# redis.ping without an answer. So the plugin's files are put aside, under names that the agent does not include.
set -e

folder=/etc/zabbix/zabbix_agent2.d/plugins.d
for name in redisjobs.conf redisjobs-aliases.conf redisjobs-migrated.conf; do
	case "$1" in
	upgrade | failed-upgrade | abort-* | disappear | 1) ;;
	purge) rm -f "$folder/$name" "$folder/$name.removed" ;;
	*) if [ -f "$folder/$name" ]; then mv "$folder/$name" "$folder/$name.removed"; fi ;;
	esac
done
exit 0
