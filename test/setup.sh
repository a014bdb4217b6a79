#!/bin/sh
# Installs the Debian packages that the tests need and this machine lacks; does nothing when all are there.
# Packages named as arguments are needed besides: setup.sh [PACKAGE...]
#
# As root only. No service is started: a policy-rc.d that says no stands guard while apt runs, and is taken away again
# unless it was there before.
set -eu

packages=
need() { # COMMAND PACKAGE
	# Some commands live where an ordinary user's PATH does not look.
	(PATH=$PATH:/usr/sbin:/sbin && command -v "$1" >/dev/null 2>&1) || packages="$packages $2"
}
need redis-server redis-server
need redis-cli redis-tools
need openssl openssl
need xz xz-utils
need flock util-linux
need git git
[ -e /etc/ssl/certs/ca-certificates.crt ] || [ "$(uname)" != Linux ] || packages="$packages ca-certificates"

for package; do
	dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || packages="$packages $package"
done

[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "setup.sh: the tests need these Debian packages or their like:$packages" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "setup.sh: the tests need packages that only root can install: apt-get install --no-install-recommends$packages" >&2
	exit 1
fi

guard=/usr/sbin/policy-rc.d
if [ ! -e "$guard" ]; then
	trap 'rm -f "$guard"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$guard"
	chmod 755 "$guard"
fi
echo "setup.sh: installing$packages" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update </dev/null
# One word each, on purpose.
# shellcheck disable=SC2086
apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends $packages </dev/null >/dev/null
