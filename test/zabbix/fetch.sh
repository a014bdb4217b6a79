#!/bin/sh
# Makes ready what the tests against a whole Zabbix need: fetch.sh [CACHE FOLDER]
#
# Zabbix server and frontend 6.0 (bookworm) and 7.0 (bookworm-backports) are unpacked side by side from Debian's signed
# archive, not installed. What they run on (PostgreSQL, PHP, a few libraries) is installed, and no service is started.
# The folder is complete when servers.txt stands in it: one line per server, "name version folder".
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../packaging/apt.sh"
. "$here/../unpacked.sh"

# Of a library the name of the package that has this very version in bookworm.
"$here/../setup.sh" postgresql php-cli php-pgsql php-bcmath php-gd php-mbstring php-xml php-curl \
	libodbc2 libsnmp40 libopenipmi0 libevent-core-2.1-7 libevent-extra-2.1-7 libevent-pthreads-2.1-7 \
	fping fonts-dejavu-core

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/zabbix}

fetched() { all_there "$cache/servers.txt" -x /usr/sbin/zabbix_server; }

if fetched; then exit 0; fi
needs_apt Zabbix
unpacked_begin "$cache" || exit 0
echo "fetch.sh: fetching Zabbix servers from Debian into $cache" >&2
apt_open "$new/apt" deb bookworm bookworm-backports || fail "apt cannot read the package lists of $(debian_mirror)"

server() { # NAME SUITE
	apt_unpack "$new/apt" "$2" "$new/$1" zabbix-server-pgsql zabbix-frontend-php ||
		fail "apt cannot download zabbix-server-pgsql and zabbix-frontend-php of $2"
	_binary=$new/$1/usr/sbin/zabbix_server
	_lost=$(LC_ALL=C ldd "$_binary" 2>&1 | grep 'not found') && fail "zabbix_server of $2 lacks libraries: $_lost"
	_version=$("$_binary" -V | sed -n '1s/.* \([0-9][0-9.]*\).*/\1/p')
	[ -n "$_version" ] || fail "zabbix_server of $2 does not run on this machine"
	# The frontend reads its configuration beside itself instead of in /etc.
	_config=$new/$1/usr/share/zabbix/include/classes/core/CConfigFile.php
	sed -i "s#'/etc/zabbix/zabbix.conf.php'#__DIR__.'/../../../conf/zabbix.conf.php'#" "$_config"
	grep -q '__DIR__' "$_config" || fail "the frontend of $2 has its configuration elsewhere"
	echo "$1 $_version $cache/$1" >>"$new/servers.txt"
	echo "fetch.sh: $1 is $_version ($2)" >&2
}
server zabbix-6.0 bookworm
server zabbix-7.0 bookworm-backports

unpacked_end
