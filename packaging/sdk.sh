#!/bin/sh
# Makes golang.zabbix.com/sdk available to the go command on networks that cannot reach its host.
#
# Where the go command gets the module itself (checked against go.sum), nothing is done. Elsewhere the same SDK is
# taken from Debian's zabbix source package: its orig-vendor tarball, checked by apt against the archive's signature,
# unpacked into .sdk/ and named by go.work (both ignored by git). The tarball is kept in
# ${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/sdk and used again without the network.
# To start over: remove .sdk, go.work and that folder.
set -eu
cd "$(dirname "$0")/.."
. packaging/apt.sh

module=golang.zabbix.com/sdk
cache=${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/sdk
# The first suite whose zabbix has the SDK wins: the release this was written against, then the moving one, then older.
suites="trixie sid testing bookworm-backports"

from_gomod() { awk -v m="$1" '$1 == m { print $2; exit } $1 == "require" && $2 == m { print $3; exit }' go.mod; }
version=$(from_gomod "$module")
go_version=$(from_gomod go)
sys_version=$(from_gomod golang.org/x/sys)
[ -n "$version" ] || { echo "sdk.sh: go.mod does not require $module" >&2; exit 1; }

# write FILE TEXT replaces the file in one step, and only when it differs.
write() {
	[ -f "$1" ] && [ "$(cat "$1")" = "$2" ] && return
	printf '%s\n' "$2" >"$1.new.$$"
	mv "$1.new.$$" "$1"
}

# workspace FILE SDK FOLDER... writes a go.work that uses the folders and takes the SDK from the path SDK.
workspace() {
	_file=$1 _replace="replace $module $version => $2"
	shift 2
	if [ -f "$_file" ] && ! grep -q '/\.sdk$' "$_file"; then
		echo "sdk.sh: $_file was not made by this script; add this line to it: $_replace" >&2
		exit 1
	fi
	write "$_file" "$(
		printf 'go %s\n\n' "$go_version"
		for _folder; do printf 'use %s\n' "$_folder"; done
		printf '\n%s' "$_replace"
	)"
}

connect() {
	# A vendored tree has no go.mod of its own. The versions are ours, so that go.sum covers them.
	write .sdk/go.mod "$(printf 'module %s\n\ngo %s\n\nrequire golang.org/x/sys %s' "$module" "$go_version" "$sys_version")"
	workspace go.work ./.sdk .
	# The benchmarks are a module of their own, outside the workspace above.
	if [ -f bench/go.mod ]; then workspace bench/go.work ../.sdk .. .; fi
}

if [ -d .sdk/plugin/comms ]; then
	connect
	exit 0
fi

bounded() { if command -v timeout >/dev/null 2>&1; then timeout 20 "$@"; else "$@"; fi; }
if reply=$(GOWORK=off GOFLAGS=-mod=mod bounded go mod download "$module" 2>&1 </dev/null); then
	exit 0
fi
case $reply in
*"SECURITY ERROR"* | *"checksum mismatch"*)
	echo "sdk.sh: what the go command got as $module does not match go.sum; not going on:" >&2
	printf '%s\n' "$reply" >&2
	exit 1
	;;
esac
reply=$(printf '%s\n' "${reply:-no answer in 20 s}" | tail -n 1 | sed 's/.*: reading //')

fail() {
	{
		echo "sdk.sh: cannot get $module $version."
		echo "  tried: go mod download: $reply"
		while [ $# -gt 0 ]; do
			echo "  $1"
			shift
		done
		echo "  what helps: a network or GOPROXY that serves $module (then nothing else is needed),"
		echo "  or a Debian machine with apt, debian-archive-keyring and tar,"
		echo "  or a copy of the .sdk folder made on such a machine."
	} >&2
	exit 1
}

work=
trap 'rm -rf "$work" ".sdk.new.$$"' EXIT
trap 'exit 1' HUP INT TERM

# decompress FILE prints it. apt can do what xz does, and is there where xz is not (a minimal Debian).
decompress() { if command -v xz >/dev/null 2>&1; then xz -dc "$1"; else /usr/lib/apt/apt-helper cat-file "$1"; fi; }

# unpack TARBALL puts the SDK into .sdk, or fails when the tarball does not hold a usable one.
unpack() {
	rm -rf ".sdk.new.$$"
	mkdir ".sdk.new.$$"
	decompress "$1" | tar -C ".sdk.new.$$" -xf - --wildcards "*$module" 2>/dev/null || return 1
	_found=$(find ".sdk.new.$$" -type d -path "*/$module" | head -n 1)
	[ -n "$_found" ] && [ -d "$_found/plugin/comms" ] || return 1
	rm -rf .sdk
	mv "$_found" .sdk
}

if [ -f "$cache/SHA256SUMS" ] && (cd "$cache" && sha256sum --check --status SHA256SUMS); then
	if unpack "$cache/$(awk '{ print $2; exit }' "$cache/SHA256SUMS")"; then
		connect
		exit 0
	fi
fi

missing=$(apt_missing)
[ -z "$missing" ] || fail "not tried: Debian's zabbix source package, because this machine lacks: $(echo "$missing" | paste -s -d ',' - | sed 's/,/, /g')"

mkdir -p "$cache"
work=$(mktemp -d "$cache/new.XXXXXX")
mirror=$(debian_mirror)
echo "sdk.sh: $module cannot be downloaded ($reply); taking it from Debian's zabbix source package" >&2
for suite in $suites; do
	mkdir "$work/$suite"
	if apt_open "$work/$suite" deb-src "$suite" 2>"$work/error" &&
		file=$(apt_source_file "$work/$suite" zabbix orig-vendor "$work" 2>>"$work/error"); then
		if unpack "$work/$file"; then
			mv "$work/$file" "$cache/$file"
			(cd "$cache" && sha256sum "$file") >"$work/SHA256SUMS"
			mv "$work/SHA256SUMS" "$cache/SHA256SUMS"
			connect
			echo "sdk.sh: .sdk made from $file ($suite)" >&2
			exit 0
		fi
		echo "$file holds no $module/plugin/comms" >>"$work/error"
	fi
	# apt's first line names the file and the cause, its last one only says that something failed.
	tried="${tried:-}
    $suite: $(grep -m 1 -v '^$' "$work/error" | cut -c 1-250)"
done
fail "tried: the zabbix source package of $mirror in the suites$tried"
