#!/bin/sh
# Fetches what the tests of the packages run them with: fetch.sh [CACHE FOLDER]
#
# All of it comes from Debian's signed archive, unpacked and not installed: root folders of trixie with the agent and its
# libraries, one of this machine's architecture (with bash and busybox) and one of arm64, qemu's emulator for the latter,
# and Wine for the program of Windows. The folder is complete when programs.txt stands in it: one line each, "name version
# path"; or "name -" and why there is none. Then nothing is done and no network needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../packaging/apt.sh"
. "$here/../unpacked.sh"

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/packages}
agent="zabbix-agent2 libc6 libpcre2-8-0 libsqlite3-0 libssl3t64 zlib1g libzstd1"

fetched() {
	made_by_this || return 1
	grep -v ' - ' "$cache/programs.txt" >"$cache/there.txt" && all_there "$cache/there.txt" -e
}

if fetched; then exit 0; fi
needs_apt "what the packages are tried with"
unpacked_begin "$cache" || exit 0
echo "fetch.sh: fetching a root folder, qemu and Wine from Debian into $cache (240 MB; a minute)" >&2
apt_open "$new/apt" deb trixie || fail "apt cannot read the package lists of $(debian_mirror)"

version() { # PACKAGE
	apt-cache -c "$new/apt/apt.conf" show --no-all-versions "$1" | sed -n 's/^Version: \([0-9]*:\)\{0,1\}\([0-9.]*\).*/\2/p'
}

listed() { # NAME VERSION PATH
	echo "$1 $2 $cache/$3" >>"$new/programs.txt"
	echo "fetch.sh: $1 $2" >&2
}

root() { # NAME PACKAGES
	# One word each, on purpose.
	# shellcheck disable=SC2086
	apt_unpack "${apt_of:-$new/apt}" trixie "$new/$1" $2 || fail "apt cannot download: $2"
	for _link in bin sbin lib lib64; do
		[ ! -d "$new/$1/usr/$_link" ] || [ -e "$new/$1/$_link" ] || ln -s "usr/$_link" "$new/$1/$_link"
	done
	rm -rf "$new/$1/usr/share/doc" "$new/$1/usr/share/man" "$new/$1/usr/share/locale" "$new/$1/usr/share/lintian"
}

# only_the_base FOLDER removes the libraries and programs of Windows that a program of the command line does not need: nine
# tenths of them, which Wine would copy into the folder of each run. Drivers of sound, graphics and media are among them.
only_the_base() {
	_base=" advapi32 advpack bcrypt bcryptprimitives combase comctl32 coml2 conhost crypt32 dnsapi explorer gdi32 hidparse
		imm32 iphlpapi kernel32 kernelbase mountmgr mpr msvcrt mswsock ndis netapi32 newdev nsi nsiproxy ntdll ntoskrnl
		ole32 oleaut32 plugplay powrprof propsys rpcrt4 rpcss rsaenh rundll32 sechost secur32 services setupapi shcore
		shell32 shlwapi svchost ucrtbase user32 userenv uxtheme version win32u wineboot winedevice winmm ws2_32 "
	for _file in "$1"/*; do
		_stem=${_file##*/}
		case "$_base" in
		*[[:space:]]"${_stem%.*}"[[:space:]]*) ;;
		*) rm -rf "$_file" ;;
		esac
	done
}

root root "$agent bash libtinfo6 busybox-static"
listed root "$(version zabbix-agent2)" root

if [ "$(uname -m)" = x86_64 ]; then
	root qemu.root qemu-user
	mv "$new/qemu.root/usr/bin/qemu-aarch64" "$new/qemu-aarch64"
	rm -rf "$new/qemu.root"
	"$new/qemu-aarch64" --version >/dev/null || fail "qemu-user of trixie does not run on this machine"
	listed qemu-aarch64 "$(version qemu-user)" qemu-aarch64

	apt_architecture=arm64 apt_open "$new/apt-arm64" deb trixie || fail "apt cannot read the package lists of arm64"
	apt_of=$new/apt-arm64 root root-arm64 "$agent"
	listed root-arm64 "$(version zabbix-agent2)" root-arm64

	root wine "wine64 libwine libz-mingw-w64 libc6 libgcc-s1 libunwind8 liblzma5 zlib1g libzstd1"
	only_the_base "$(find "$new/wine/usr/lib" -type d -name x86_64-windows)"
	ln -s /usr/x86_64-w64-mingw32/lib/zlib1.dll "$(find "$new/wine/usr/lib" -type d -name x86_64-windows)/"
	mkdir -p "$new/wine/proc" "$new/wine/dev" "$new/wine/tmp" # where the test mounts them
	listed wine "$(version wine64)" wine
else
	for _name in qemu-aarch64 root-arm64 wine; do
		echo "$_name - it is for machines of x86_64, and this one is $(uname -m)" >>"$new/programs.txt"
	done
fi

rm -rf "$new/apt-arm64"
unpacked_end
