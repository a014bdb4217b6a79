# shellcheck shell=sh
# A private apt, to be sourced: packages from Debian's signed archive without touching the machine's own apt.
#
# Sources, lists, caches and pins live in a throw-away folder. The mirror and the proxy are the machine's own, every
# index and file is checked against the archive's signature by apt itself, and no root is needed.
# REDISJOBS_DEBIAN_MIRROR names a Debian mirror for machines whose apt knows none (Ubuntu, for one).

# debian_mirror prints the base address of the Debian mirror that this machine is set up to use.
debian_mirror() {
	_mirror=${REDISJOBS_DEBIAN_MIRROR:-}
	if [ -z "$_mirror" ]; then
		# The variables in the formats are apt's, not the shell's.
		# shellcheck disable=SC2016
		_mirror=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' 'Label: Debian' 2>/dev/null | head -n 1)
	fi
	if [ -z "$_mirror" ] && [ -r /etc/os-release ]; then
		# Before the first `apt-get update` (a fresh container) only the configured names are known.
		_codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-unstable}")
		# shellcheck disable=SC2016
		_mirror=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(SITE)' 2>/dev/null |
			awk -v name="$_codename" '$1 == name || $1 ~ /^(oldstable|stable|testing|unstable|sid)$/ { print $2; exit }')
	fi
	[ -n "$_mirror" ] || return 1
	printf '%s\n' "$_mirror"
}

# apt_missing prints what this machine lacks for the functions below; nothing when all is there.
apt_missing() {
	command -v apt-get >/dev/null 2>&1 || { echo "apt (a Debian machine)"; return; }
	debian_keyring >/dev/null || echo "the package debian-archive-keyring"
	debian_mirror >/dev/null || echo "a Debian mirror in apt's sources (or REDISJOBS_DEBIAN_MIRROR=<its address>)"
}

debian_keyring() {
	for _keyring in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
		[ -r "$_keyring" ] && { printf '%s\n' "$_keyring"; return; }
	done
	return 1
}

# apt_open DIR TYPE SUITE... makes a private apt in DIR that knows the given suites (TYPE: deb or deb-src) and fetches
# their indexes; those of another architecture than this machine's when the variable apt_architecture names one.
apt_open() {
	_dir=$1 _type=$2
	shift 2
	mkdir -p "$_dir/lists/partial" "$_dir/cache/archives/partial"
	: >"$_dir/status"
	_keyring=$(debian_keyring) _mirror=$(debian_mirror)
	for _suite; do
		echo "$_type [signed-by=$_keyring] $_mirror $_suite main"
	done >"$_dir/sources.list"
	# Hooks of the machine's own configuration would clean or announce the machine's lists, not ours.
	cat >"$_dir/apt.conf" <<-CONF
		#clear APT::Update;
		#clear DPkg::Post-Invoke;
		#clear Acquire::IndexTargets::deb::DEP-11;
		Dir::Etc::sourcelist "$_dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State::lists "$_dir/lists";
		Dir::State::status "$_dir/status";
		Dir::Cache "$_dir/cache";
		Dir::Cache::pkgcache "pkgcache.bin";
		Dir::Cache::srcpkgcache "srcpkgcache.bin";
		Acquire::Languages "none";
		Acquire::Retries "2";
		Acquire::http::Timeout "30";
		Acquire::AllowInsecureRepositories "false";
		APT::Get::AllowUnauthenticated "false";
		APT::Sandbox::User "root";
	CONF
	[ -z "${apt_architecture:-}" ] || cat >>"$_dir/apt.conf" <<-CONF
		APT::Architecture "$apt_architecture";
		#clear APT::Architectures;
		APT::Architectures { "$apt_architecture"; };
	CONF
	# apt-get update ends with 0 on failed downloads unless told otherwise.
	apt-get -qq -c "$_dir/apt.conf" -o APT::Update::Error-Mode=any update
}

# apt_source_file DIR PACKAGE PATTERN OUTDIR downloads the one file of a source package whose name contains PATTERN
# and prints its name.
apt_source_file() {
	_line=$(apt-get -qq -c "$1/apt.conf" --print-uris --download-only source "$2" | grep -F -e "$3" | head -n 1) || return 1
	[ -n "$_line" ] || return 1
	_url=$(printf '%s' "$_line" | cut -d "'" -f 2)
	_file=$(printf '%s' "$_line" | awk '{ print $2 }')
	_hash=$(printf '%s' "$_line" | awk '{ print $4 }')
	/usr/lib/apt/apt-helper -qq -c "$1/apt.conf" download-file "$_url" "$4/$_file" "$_hash" >&2 || return 1
	printf '%s\n' "$_file"
}

# apt_unpack DIR SUITE OUTDIR PACKAGE... downloads binary packages of a suite and unpacks them into OUTDIR.
apt_unpack() {
	_dir=$1 _suite=$2 _out=$3
	shift 3
	_debs=$(mktemp -d "$_dir/debs.XXXXXX")
	mkdir -p "$_out"
	for _package; do
		shift
		set -- "$@" "$_package/$_suite"
	done
	(cd "$_debs" && apt-get -qq -c "$_dir/apt.conf" download "$@" >&2) || return 1
	for _deb in "$_debs"/*.deb; do
		dpkg-deb -x "$_deb" "$_out" || return 1
	done
	rm -rf "$_debs"
}
