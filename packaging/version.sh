#!/bin/sh
# Prints the version that is stamped into the program and the packages.
#
# On a tag v1.2.3: 1.2.3. Five commits after it: 1.2.3+5.gabc1234, which every package manager takes for newer than 1.2.3
# and older than 1.2.4. Without a tag: 0.0.0-dev+gabc1234; with changes that are not committed .dirty is added, without
# git (a tarball) it is 0.0.0-dev.
set -eu
cd "$(dirname "$0")/.."
[ -e .git ] || { echo 0.0.0-dev; exit; }
described=$(git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null) ||
	described=$(git describe --always --dirty 2>/dev/null | sed 's/^/0.0.0-dev-0-g/') || described=0.0.0-dev
printf '%s\n' "$described" | sed -E 's/^v//; s/-dirty$/.dirty/; s/-0-g([0-9a-f]+)/+g\1/; s/-([0-9]+)-g([0-9a-f]+)/+\1.g\2/; s/^([0-9.]+)\.dirty$/\1+dirty/'
