#!/bin/sh
# Fetches the peers that are not Go libraries: peers.sh [CACHE FOLDER]
#
# Prints one line for each: "name version path", or "name - reason" when it cannot be had. redis_exporter is the newest
# of Debian's signed archive that runs here, unpacked and not installed; a second run finds it in the cache. The script
# to compare with needs python3-redis, which is installed when it is missing and apt may be used.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../packaging/apt.sh"
cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/peers}
mkdir -p "$cache"

exporter=$cache/redis_exporter
fetch_exporter() {
	missing=$(apt_missing)
	[ -z "$missing" ] || { reason="this machine lacks $missing"; return 1; }
	work=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	for suite in sid trixie bookworm; do
		if apt_open "$work/apt-$suite" deb "$suite" >"$work/log" 2>&1 &&
			apt_unpack "$work/apt-$suite" "$suite" "$work/$suite" prometheus-redis-exporter >>"$work/log" 2>&1 &&
			"$work/$suite/usr/bin/prometheus-redis-exporter" -version >/dev/null 2>&1; then
			mv "$work/$suite/usr/bin/prometheus-redis-exporter" "$exporter"
			return
		fi
	done
	reason="none of Debian's packages can be fetched and run: $(tail -n 1 "$work/log")"
	return 1
}
if [ -x "$exporter" ] || fetch_exporter; then
	echo "redis_exporter $("$exporter" -version 2>&1 | sed -n 's/.*Exporter \([0-9][^ ]*\).*/\1/p') $exporter"
else
	echo "redis_exporter - $reason"
fi

python=/usr/bin/python3
has_redis() { "$python" -c 'import redis' 2>/dev/null; }
if ! has_redis && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	export DEBIAN_FRONTEND=noninteractive
	{ apt-get -qq update && apt-get -qq -y install --no-install-recommends python3-redis; } </dev/null >/dev/null 2>&1 || :
fi
if has_redis; then
	echo "python3-redis $("$python" -c 'import redis, sys; print(redis.__version__ + "/python-%d.%d.%d" % sys.version_info[:3])') $python"
else
	echo "python3-redis - the package is missing and could not be installed"
fi
