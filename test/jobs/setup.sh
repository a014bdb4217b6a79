#!/bin/sh
# Gets the real job systems that `make test-jobs` runs: setup.sh [CACHE FOLDER]
#
# Debian packages are installed by test/setup.sh (as root; no service is started). What comes from PyPI, npm and Go's
# module proxy goes into the cache folder, at the versions that stand here, by the tools' own settings for registries and
# proxies. The folder's systems.txt tells the tests what there is, one system per line:
#
#	NAME run PROGRAM      PROGRAM MAIN ROLE plays a role; see the folders beside this script
#	NAME skip REASON      its registry cannot be reached
#
# Only a registry that is out of reach makes a system skipped; any other trouble fails. What was fetched before is used
# again and needs no network.
# What the programs run with is expanded when they start.
# shellcheck disable=SC2016
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../packaging/apt.sh"

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/jobs}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
# Of two runs at once the second waits and finds the work done.
exec 9>"$cache.lock"
flock 9
list=$(mktemp "$cache/systems.txt.XXXXXX")
trap 'rm -rf "$list" "$cache"/*.new' EXIT
trap 'exit 1' HUP INT TERM

say() { echo "test/jobs/setup.sh: $1" >&2; }
fail() {
	say "$1"
	exit 1
}

# skip NAME REGISTRY
skip() {
	say "$1 is SKIPPED: $2 cannot be reached"
	echo "$1 skip $2 cannot be reached" >>"$list"
}

# wanted NAME WHAT... says whether the program is there, made of just that, and lists it then.
wanted() {
	_made=$cache/$1/made-of
	_system=$1
	shift
	[ "$(cat "$_made" 2>/dev/null)" = "$*" ] && ready "$_system"
}

# program NAME COMMAND makes the program of a system that was put into $cache/NAME.new, and the folder final.
program() {
	printf '#!/bin/sh\n%s\n' "$2" >"$cache/$1.new/run"
	chmod 755 "$cache/$1.new/run"
	rm -rf "${cache:?}/$1"
	mv "$cache/$1.new" "$cache/$1"
}

# ready NAME says whether the program is there, and lists it then.
ready() {
	[ -x "$cache/$1/run" ] || return 1
	echo "$1 run $cache/$1/run" >>"$list"
}

# empty NAME makes the folder for program.
empty() {
	rm -rf "${cache:?}/$1.new"
	mkdir "$cache/$1.new"
}

# debian NAME COMMAND
debian() {
	[ -n "$debian" ] || {
		skip "$1" "Debian's archive"
		return
	}
	empty "$1"
	program "$1" "$2"
	ready "$1"
}

# Folders of packages that name themselves in their files, where unpacked puts their new place; one word each.
renamed=

# unpacked NAME SUITE COMMAND PACKAGE... takes packages of another suite of Debian, which are not installed: COMMAND finds
# them in $ROOT.
unpacked() {
	_name=$1 _suite=$2 _command=$3
	shift 3
	if wanted "$_name" "$_suite" "$@"; then return; fi
	say "unpacking $* of Debian $_suite"
	empty "$_name"
	mkdir "$cache/$_name.new/apt"
	if ! apt_open "$cache/$_name.new/apt" deb "$_suite" >/dev/null 2>&1; then
		skip "$_name" "Debian's archive"
		return
	fi
	if ! apt_unpack "$cache/$_name.new/apt" "$_suite" "$cache/$_name.new/root" "$@"; then
		[ "$_suite" = sid ] || fail "apt cannot download $*"
		skip "$_name" "one of its packages in Debian sid, whose names change," # see the errors above
		return
	fi
	rm -rf "$cache/$_name.new/apt"
	for _folder in $renamed; do
		grep -rlF "$_folder/" "$cache/$_name.new/root$_folder" | xargs sed -i "s#$_folder/#$cache/$_name/root$_folder/#g"
	done
	echo "$_suite $*" >"$cache/$_name.new/made-of"
	program "$_name" "ROOT='$cache/$_name/root'
$_command"
	ready "$_name"
}

# pypi NAME REQUIREMENT... installs into a virtual environment. It is made in its final place, because it cannot be moved.
pypi() {
	_name=$1
	shift
	if wanted "$_name" "$@"; then return; fi
	say "installing $* from PyPI"
	rm -rf "${cache:?}/$_name"
	/usr/bin/python3 -m venv "$cache/$_name" || fail "no virtual environment for $_name"
	if "$cache/$_name/bin/python" -m pip --quiet --disable-pip-version-check install "$@"; then
		printf '#!/bin/sh\nexec "%s" "$@"\n' "$cache/$_name/bin/python" >"$cache/$_name/run"
		chmod 755 "$cache/$_name/run"
		echo "$*" >"$cache/$_name/made-of"
		ready "$_name"
	elif "$cache/$_name/bin/python" -m pip --quiet --disable-pip-version-check index versions pip >/dev/null 2>&1; then
		fail "pip cannot install $*"
	else
		skip "$_name" PyPI
	fi
}

# npm_system NAME PACKAGE...
npm_system() {
	_name=$1
	shift
	if wanted "$_name" "$@"; then return; fi
	say "installing $* from npm"
	empty "$_name"
	echo '{"private":true}' >"$cache/$_name.new/package.json"
	if (cd "$cache/$_name.new" && npm install --silent --no-audit --no-fund --no-package-lock "$@" >/dev/null 2>npm.log); then
		echo "$*" >"$cache/$_name.new/made-of"
		program "$_name" "NODE_PATH='$cache/$_name/node_modules' exec node \"\$@\""
		ready "$_name"
	elif npm view npm version >/dev/null 2>&1; then
		cat "$cache/$_name.new/npm.log" >&2
		fail "npm cannot install $*"
	else
		skip "$_name" npm
	fi
}

# go_system NAME FOLDER MODULE builds the program of a module of its own. It takes the role alone. Its sources are this
# repository's, so that it is built anew each time.
go_system() {
	empty "$1"
	if (cd "$here/$2" && GOWORK=off CGO_ENABLED=0 go build -buildvcs=false -o "$cache/$1.new/program" .); then
		# The first argument is a script for others.
		program "$1" "shift; exec '$cache/$1/program' \"\$@\""
		ready "$1"
	elif (cd "$here/$2" && GOWORK=off go list -m -versions "$3" >/dev/null 2>&1); then
		fail "$2 does not build"
	else
		skip "$1" "Go's module proxy"
	fi
}

# Debian's, and what the others run on.
set -- ruby-sidekiq ruby-sidekiq-cron python3-rq python3-celery python3-redis python3-venv php-cli php-redis \
	php-illuminate-queue php-illuminate-redis php-illuminate-events php-illuminate-bus
# Others than Debian's will do.
command -v node >/dev/null 2>&1 || set -- "$@" nodejs
command -v npm >/dev/null 2>&1 || set -- "$@" npm
debian=yes
if ! "$here/../setup.sh" "$@"; then
	mkdir "$cache/apt.new"
	if apt_open "$cache/apt.new" deb bookworm >/dev/null 2>&1; then
		fail "the Debian packages cannot be installed"
	fi
	debian=
fi
# The names and the order are those of the tests.
debian sidekiq-6 'exec ruby "$@"'
debian rq-1 'exec /usr/bin/python3 "$@"'
pypi rq-3 rq==3.0.0
debian celery-5.2 'exec /usr/bin/python3 "$@"'
pypi celery-5.7 'celery[redis]==5.7.0'
npm_system bullmq-5 bullmq@5.81.5
npm_system bullmq-6 bullmq@6.7.0 ioredis@5
npm_system bull-4 bull@4.16.5
npm_system resque-node node-resque@9.7.1
go_system asynq asynq github.com/hibiken/asynq
debian laravel-8 'exec php "$@"'
# The gems of trixie on this machine's own Ruby, and those of sid on sid's, through its own loader.
unpacked sidekiq-7 trixie 'RUBYLIB=$(printf "%s:" "$ROOT"/usr/share/rubygems-integration/all/gems/*/lib)
export RUBYLIB
RUBY=ruby exec ruby "$@"' ruby-sidekiq ruby-redis-client ruby-connection-pool ruby-rack ruby-base64
unpacked sidekiq-8 sid 'GEM_PATH=$ROOT/usr/share/rubygems-integration/all GEM_HOME=$GEM_PATH LIB=$(echo "$ROOT"/usr/lib/*-linux-gnu)
RUBYLIB=$(printf "%s:" "$GEM_PATH"/gems/*/lib)$(echo "$LIB"/ruby/vendor_ruby/* "$ROOT"/usr/lib/ruby/3* "$LIB"/ruby/3* | tr " " :)
RUBY="$(echo "$LIB"/ld-linux-*) --library-path $LIB $(echo "$ROOT"/usr/bin/ruby3*)"
export RUBY RUBYLIB GEM_PATH GEM_HOME
exec $RUBY "$@"' libc6 libgcc-s1 libzstd1 zlib1g libssl3t64 libcrypt1 libffi8 libgmp10 libyaml-0-2 ruby3.3 libruby3.3 ruby-sidekiq \
	ruby-redis-client ruby-connection-pool ruby-rack ruby-json
renamed=/usr/share/php
unpacked laravel-13 sid 'LIB=$(echo "$ROOT"/usr/lib/*-linux-gnu) LARAVEL=$ROOT/usr/share/php LARAVEL_VERSION=13
export LARAVEL LARAVEL_VERSION
exec "$(echo "$LIB"/ld-linux-*)" --library-path "$LIB" "$(echo "$ROOT"/usr/bin/php8*)" -n -d include_path="$LARAVEL" \
	-d extension_dir="$(echo "$ROOT"/usr/lib/php/20*)" -d extension=mbstring -d extension=igbinary -d extension=redis \
	-d extension=ctype -d extension=tokenizer -d extension=posix -d extension=intl "$@"' \
	libc6 libgcc-s1 libcrypt1 libtinfo6 libffi8 libzstd1 zlib1g libssl3t64 libmd0 libbsd0 libedit2 libargon2-1 libpcre2-8-0 \
	libsodium26 libxml2-16 liblzma5 libxxhash0 liblz4-1 libstdc++6 libicu78 libonig5 php8.4-cli php8.4-common php8.4-igbinary php8.4-redis \
	php8.4-mbstring php8.4-intl php-brick-math php-carbon-doctrine-types php-doctrine-inflector php-illuminate-conditionable \
	php-psr-container php-psr-simple-cache php-illuminate-contracts php-illuminate-macroable php-symfony-polyfill-php85 \
	php-symfony-polyfill-php86 php-illuminate-collections php-illuminate-reflection php-psr-clock php-symfony-clock \
	php-symfony-polyfill-time php-symfony-translation-contracts php-symfony-deprecation-contracts php-symfony-translation \
	php-nesbot-carbon php-voku-portable-ascii php-illuminate-support php-illuminate-pipeline php-illuminate-bus \
	php-illuminate-container php-illuminate-events php-symfony-finder php-illuminate-filesystem php-illuminate-view \
	php-symfony-service-contracts php-symfony-string php-symfony-console php-laravel-prompts php-nunomaduro-termwind \
	php-symfony-process php-illuminate-console php-laravel-serializable-closure php-illuminate-database php-ramsey-collection \
	php-ramsey-uuid php-illuminate-queue php-illuminate-redis
renamed=
# Its own packages have no API that counts, and its PHP runs the next ones.
unpacked symfony-6 trixie 'SYMFONY_VERSION=6.4 SYMFONY_PHP=$ROOT/usr/share/php exec php "$@"' \
	php-symfony-redis-messenger php-symfony-messenger php-symfony-clock php-symfony-event-dispatcher \
	php-symfony-event-dispatcher-contracts php-symfony-deprecation-contracts php-psr-clock php-psr-container \
	php-psr-event-dispatcher php-psr-log
pypi huey huey==3.5.4 redis
pypi arq arq==0.28.0
pypi dramatiq 'dramatiq[redis]==2.2.1'
pypi taskiq taskiq==0.13.0 taskiq-redis==1.2.4
npm_system beequeue bee-queue@2.0.0
pypi saq 'saq[redis]==0.26.4' typing_extensions
pypi djangoq django-q2==1.11.1 django==5.2.19 redis
# Schedulers; those of RQ, BullMQ, Bull, node-resque and Asynq are parts of them.
debian sidekiq-cron 'exec ruby "$@"'
pypi redbeat celery-redbeat==2.4.2 'celery[redis]==5.7.0'
pypi rq-scheduler rq-scheduler==0.14.0 rq==2.10.0

chmod 644 "$list"
mv "$list" "$cache/systems.txt"
