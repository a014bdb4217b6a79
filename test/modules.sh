#!/bin/sh
# Fetches the Redis modules that the tests load into servers: modules.sh [CACHE FOLDER]
#
# RediSearch 1.2 comes from Debian's signed archive (bookworm; trixie has none), unpacked and not installed; no registry
# has a later one. The folder is complete when modules.txt stands in it: one line per module, "name version path". Then
# nothing is done and no network needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../packaging/apt.sh"
. "$here/unpacked.sh"

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/modules}

fetched() { all_there "$cache/modules.txt" -r; }

if fetched; then exit 0; fi
needs_apt "the modules that the tests load"
unpacked_begin "$cache" || exit 0
echo "modules.sh: fetching Redis modules from Debian into $cache" >&2
apt_open "$new/apt" deb bookworm || fail "apt cannot read the package lists of $(debian_mirror)"

module() { # NAME PACKAGE
	_version=$(apt-cache -c "$new/apt/apt.conf" show "$2" | sed -n 's/^Version: \(.*:\)\{0,1\}\([0-9.]*\).*/\2/p' | head -n 1)
	_root=$new/$1.root
	apt_unpack "$new/apt" bookworm "$_root" "$2" || fail "apt cannot download $2"
	_file=$(find "$_root/usr/lib/redis" -name '*.so' -type f | head -n 1)
	[ -n "$_file" ] || fail "$2 holds no module"
	echo "$1 $_version $cache${_file#"$new"}" >>"$new/modules.txt"
	echo "modules.sh: $1 is $_version (bookworm)" >&2
}

module redisearch redis-redisearch

unpacked_end
