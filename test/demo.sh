#!/bin/bash
# Shows live items: a private redis-server with the records of Storm jobs and with a real job system at work (Asynq, in
# database 1), a private Zabbix agent with the shipped configuration, and what the agent's passive port answers.
# What it started is stopped and removed at the end; downloads stay in the cache folders. Run it with `make demo`, which installs what is missing and builds the
# plugin first.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
plugin=${REDISJOBS_PLUGIN:-$root/build/zabbix-agent2-plugin-redisjobs}
agents=${REDISJOBS_AGENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/agents/agents.txt}
width=100
export REDISJOBS_STEP=${REDISJOBS_STEP:-3} # seconds without a word
say() { echo "demo: $*" >&2; }

[ -x "$plugin" ] || { echo "demo.sh: $plugin is missing, run \`make demo\`" >&2; exit 1; }

if agent=$(PATH=$PATH:/usr/sbin command -v zabbix_agent2); then
	: # the machine's own agent, with a configuration of ours
else
	packaging/step.sh 'fetching an agent' test/agents.sh "$(dirname "$agents")"
	agent=$(awk '$1 == "agent-7.0-backports" { sub(/^[^ ]+ [^ ]+ /, ""); print }' "$agents")
fi

work=$(mktemp -d)
pids=()
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
	local pid
	for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null || :; done
	for pid in ${pids[@]+"${pids[@]}"}; do wait "$pid" 2>/dev/null || :; done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

die() { # MESSAGE LOG
	echo "demo.sh: $1" >&2
	tail -n 20 "$2" >&2 || :
	exit 1
}

# free_port prints a loopback port that nobody listens on; agents refuse ports above 32767.
free_port() {
	local port
	while :; do
		port=$((10000 + RANDOM % 22000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
}

# await DESCRIPTION LOG PID COMMAND... runs the command until it succeeds, for 20 s, while the process lives.
await() {
	local what=$1 log=$2 pid=$3 started=$SECONDS deadline=$((SECONDS + 20)) next=$((SECONDS + REDISJOBS_STEP))
	shift 3
	until "$@" >/dev/null 2>&1; do
		kill -0 "$pid" 2>/dev/null || die "$what ended at once" "$log"
		[ "$SECONDS" -lt "$deadline" ] || die "$what does not answer" "$log"
		if [ "$SECONDS" -ge "$next" ]; then
			say "waiting for $what, $((SECONDS - started)) s"
			next=$((SECONDS + REDISJOBS_STEP))
		fi
		sleep 0.1
	done
}

# All is built before anything starts: the records below are of now. With the flags of `make build`, whose compiled
# standard library then serves here, too.
export CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -trimpath"
say "building what it shows (the first time this takes a minute)"
packaging/step.sh 'building the programs of the demo' go build -o "$work/" ./test/cmd/zget ./test/cmd/queues
(cd test/jobs/asynq && ../../../packaging/step.sh 'building a job system (Asynq)' env GOWORK=off go build -o "$work/asynq" .)
say "starting a private redis-server and a worker of Asynq"

redis_port=$(free_port)
redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$work" --save '' --appendonly no >"$work/redis.log" 2>&1 &
pids+=($!)
redis() { redis-cli -p "$redis_port" "$@"; }
await redis-server "$work/redis.log" "$!" redis ping

# The records that a topology and two batch jobs leave: one at work, one failed, one that has gone quiet.
now=$(date +%s)
redis >/dev/null <<-RECORDS
	SADD storm:jobs wordcount nightly-export clickstream
	HSET storm:job:wordcount status ACTIVE type topology updated_at $now started_at $((now - 7200)) processed 184220 failed 12 interval 30
	HSET storm:job:nightly-export status FAILED type batch updated_at $((now - 600)) finished_at $((now - 600)) last_success_at $((now - 87000)) message "disk full"
	HSET storm:job:clickstream status ACTIVE type topology updated_at $((now - 3600)) started_at $((now - 90000)) processed 991 failed 0 interval 30
RECORDS
# A job system: queues, a worker that is busy with two slow tasks, failed tasks, a paused queue.
export REDIS_URL=redis://127.0.0.1:$redis_port/1
"$work/asynq" produce
"$work/asynq" work >"$work/asynq.log" 2>&1 &
pids+=($!)
# shellcheck disable=SC2317 # await calls it
busy() { [ "$(redis -n 1 llen 'asynq:{slow}:active')" = 2 ]; }
await "the worker" "$work/asynq.log" "$!" busy

say "starting a private Zabbix agent 2"
agent_port=$(free_port)
cat >"$work/agent.conf" <<-CONF
	LogType=console
	Hostname=demo
	Server=127.0.0.1
	ServerActive=
	ListenIP=127.0.0.1
	ListenPort=$agent_port
	PidFile=$work/agent.pid
	ControlSocket=$work/control.sock
	PluginSocket=$work/plugin.sock
	Include=$root/packaging/redisjobs.conf
	Include=$root/packaging/redisjobs-aliases.conf
	Plugins.RedisJobs.System.Path=$plugin
CONF
"$agent" -c "$work/agent.conf" -f >"$work/agent.log" 2>&1 </dev/null &
pids+=($!)
await "$agent" "$work/agent.log" "$!" "$work/zget" "127.0.0.1:$agent_port" agent.ping

say "reading items"
uri=tcp://127.0.0.1:$redis_port
"$work/zget" "127.0.0.1:$agent_port" agent.version | sed 's/^/Zabbix agent /'
"$work/zget" -table -width "$width" "127.0.0.1:$agent_port" \
	"redis.ping[$uri]" \
	"redis.info[$uri]" \
	"redis.get[$uri]" \
	"redis.status[$uri]" \
	"storm.job.status[$uri,,,wordcount]" \
	"storm.job.status[$uri,,,nightly-export]" \
	"storm.job.status[$uri,,,clickstream]" \
	"storm.job.discovery[$uri]" \
	"job.get[$uri/1]" \
	"job.queue.get[$uri/1,,,asynq,slow]" \
	"redis.pool.get" || failed=1

"$work/zget" "127.0.0.1:$agent_port" "job.get[$uri/1]" | "$work/queues"

pool=$("$work/zget" "127.0.0.1:$agent_port" redis.pool.get)
figure() { grep -o "\"$1\":[0-9]*" <<<"$pool" | head -n 1 | cut -d : -f 2; }
echo
echo "the pool: $(figure dials) connections made, one for each database, used again $(figure reuses) times, $(figure open) open now"
echo "connections that Redis has from the plugin: $(redis client list | grep -c ' name=zabbix_redisjobs ')"
exit "${failed:-0}"
