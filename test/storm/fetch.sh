#!/bin/sh
# Fetches Apache Storm by Maven and compiles the test's topology: fetch.sh [CACHE FOLDER]
#
# The folder is complete when storm.txt stands in it: "storm 1.2.4", or "storm - REASON" where Maven's repository cannot
# be reached (the next run tries again). lib/ has the jars of Storm and what they need, topology.jar the topology.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../unpacked.sh"

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/storm}
version=$(sed -n 's:.*<version>\(1\.[0-9.]*\)</version>.*:\1:p' "$here/pom.xml" | head -n 1)

fetched() {
	[ -s "$cache/storm.txt" ] && ! grep -q '^storm - ' "$cache/storm.txt" || return 1
	# What was made of other sources is made anew.
	[ -z "$(find "$here/pom.xml" "$here/fetch.sh" "$here/java" -newer "$cache/storm.txt" -type f)" ]
}

if fetched; then exit 0; fi
for program in mvn javac jar; do
	command -v "$program" >/dev/null || {
		echo "fetch.sh: $program is missing: install maven and default-jdk-headless" >&2
		exit 1
	}
done
unpacked_begin "$cache" || exit 0
echo "fetch.sh: fetching Storm $version into $cache" >&2

if ! mvn -q -B -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
	-DincludeScope=runtime -DoutputDirectory="$new/lib" >"$new/maven.log" 2>&1; then
	if ! grep -q -E 'Could not transfer|Unknown host|Connection (refused|timed out|reset)|Non-resolvable' "$new/maven.log"; then
		cat "$new/maven.log" >&2
		exit 1
	fi
	reason=$(grep -m 1 -o -E 'Could not transfer.*|Unknown host.*|Connection (refused|timed out|reset).*|Non-resolvable.*' "$new/maven.log")
	echo "storm - Maven cannot fetch it: $reason" >"$new/storm.txt"
	echo "fetch.sh: no Storm: $reason" >&2
	unpacked_end
	exit 0
fi

# One word each, on purpose.
# shellcheck disable=SC2046
javac --release 8 -Xlint:-options -nowarn -cp "$new/lib/*" -d "$new/classes" $(find "$here/java" -name '*.java')
# The class that stands for one of Storm's own goes into its jar: a wildcard in a class path has no order.
jar --update --file "$new/lib/storm-core-$version.jar" -C "$new/classes" org
jar --create --file "$new/topology.jar" -C "$new/classes" redisjobs
echo "storm $version" >"$new/storm.txt"
unpacked_end
