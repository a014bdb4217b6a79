#!/bin/sh
# Makes a Go toolchain available that is as new as go.mod wants, on machines that have none or an older one.
#
# Where the go command is new enough, or gets the version itself (from Go 1.21 on it does so), nothing is done.
# Elsewhere Debian's newest Go is taken from its signed archive and unpacked, not installed, into
# ${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/go; the Makefile looks for the go command there first. Debian's go command
# is static: that of a later release runs on Debian 12, too. To start over: remove that folder.
set -eu
cd "$(dirname "$0")/.."
. packaging/apt.sh

wanted=$(sed -n 's/^go //p' go.mod)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/go
suites="trixie-backports sid"

# version GO prints the version of a go command, after it has looked at go.mod; nothing when there is none, or one
# that cannot get the version that go.mod wants.
version() { "$1" env GOVERSION 2>/dev/null | sed -n 's/^go\([0-9.]*\).*/\1/p'; }
enough() { [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$wanted" "$1" | sort -V | head -n 1)" = "$wanted" ]; }

PATH=$cache/bin:$PATH
go=${GO:-go}
found=$(version "$go")
if enough "$found"; then exit 0; fi

fail() {
	{
		echo "go.sh: Go $wanted or newer is needed; $tried"
		echo "  what helps: Go from its makers or the system's packages, or a Debian machine with apt."
	} >&2
	exit 1
}
tried="this machine has ${found:-none that works}."
[ "$go" = go ] || fail
missing=$(apt_missing)
[ -z "$missing" ] || fail

mkdir -p "$(dirname "$cache")"
# Of two runs at once the second waits and finds the work done.
exec 9>"$cache.lock"
flock 9
if enough "$(version go)"; then exit 0; fi
echo "go.sh: Go $wanted or newer is needed, and this machine has ${found:-none that works}; taking Debian's" >&2
rm -rf "$cache".new.* # left by a run that was killed
new=$(mktemp -d "$cache.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
for suite in $suites; do
	apt_open "$new/$suite" deb "$suite" 2>"$new/error" || { tried="$tried
  tried: $suite: $(grep -m 1 . "$new/error")"; continue; }
	package=$(apt-cache -c "$new/$suite/apt.conf" pkgnames golang-1. | grep -E '^golang-1\.[0-9]+-go$' | sort -V | tail -n 1)
	folder=go-${package#golang-}
	folder=${folder%-go}
	enough "${folder#go-}.0" || { tried="$tried
  tried: $suite has ${package:-no Go}"; continue; }
	apt_unpack "$new/$suite" "$suite" "$new/root" "$package" "${package%-go}-src" || fail
	ln -s "root/usr/lib/$folder/bin" "$new/bin"
	found=$(GOTOOLCHAIN=local version "$new/bin/go")
	enough "$found" || { tried="$package of $suite does not run here."; fail; }
	rm -rf "${new:?}/$suite" "$new/error" "$cache"
	mv "$new" "$cache"
	chmod 755 "$cache"
	echo "go.sh: Go $found ($suite) is in $cache" >&2
	exit 0
done
fail
