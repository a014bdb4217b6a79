#!/bin/sh
# Before the package's files are unpacked: what postremove.sh put aside comes back, so that the sessions of an earlier
# installation are used again. For deb, rpm and apk alike. Of rpm it is about the aliases only: rpm itself keeps a changed
# configuration as .rpmsave, and would overwrite one that came back here.
set -e

folder=/etc/zabbix/zabbix_agent2.d/plugins.d
for name in redisjobs.conf redisjobs-aliases.conf redisjobs-migrated.conf; do
	if [ -f "$folder/$name.removed" ] && [ ! -e "$folder/$name" ]; then
		mv "$folder/$name.removed" "$folder/$name"
	fi
done
exit 0
