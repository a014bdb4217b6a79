package advice

import (
	"fmt"
	"strings"
)

// reservedFiles are the files that a server keeps for itself beside clients.
// Source: redis src/server.h, CONFIG_MIN_RESERVED_FDS
const reservedFiles = 32

// maxClientsDefault is the limit that a server has when nobody sets one.
const maxClientsDefault = 10_000

var clientRules = []Rule{
	{
		ID: "maxclients_cut", Severity: Warning, Scope: Server,
		Title: "The limit of open files has cut maxclients",
		When:  "maxclients is below its default of 10,000, and 32 less than a power of two, which is what a server makes of a limit of open files.",
		Why:   "The server could not open as many files as it was configured for, and refuses clients earlier than its configuration says.",
		Remedy: "Raise the limit of open files (LimitNOFILE= in the systemd unit, ulimit -n, or the container's) to maxclients and 32, and " +
			"restart the server. If maxclients was set to this number on purpose, silence this rule.",
		Source: "https://redis.io/docs/latest/develop/reference/clients/; redis src/server.c, adjustOpenFilesLimit",
		judge: func(f *facts) string {
			limit := f.settingNumber("maxclients")
			if files := limit + reservedFiles; limit >= maxClientsDefault || files < 64 || files&(files-1) != 0 {
				return ""
			}
			return fmt.Sprintf("maxclients is %d, so that the server may open %d files", limit, limit+reservedFiles)
		},
	},
	{
		ID: "clients_rejected", Severity: Warning, Scope: Server,
		Title: "Clients were turned away",
		When:  "rejected_connections is above 0.",
		Why: "The server had maxclients connections, and applications got errors. Clients of other machines are counted as well that protected " +
			"mode refuses, as long as there is no password.",
		Remedy: "Where maxclients was reached, raise it with the limit of open files, or find who opens so many connections (redis.clients.get) and " +
			"give it a connection pool. Where protected mode refuses them, set a password if they are to get in.",
		Source: "https://redis.io/docs/latest/develop/reference/clients/; redis src/networking.c, clientAcceptHandler",
		judge: func(f *facts) string {
			n := f.number("stats", "rejected_connections")
			if n == 0 {
				return ""
			}
			text := counted(n, "connection") + " since the start of the server"
			if f.config["protected-mode"] == "yes" && !onLoopback(f.config["bind"]) {
				text += "; protected-mode is yes, which may be the reason"
			}
			return text
		},
	},
	{
		ID: "dead_clients_stay", Severity: Warning, Scope: Server,
		Title:  "Connections of dead clients stay forever",
		When:   "timeout and tcp-keepalive are both 0.",
		Why:    "A client whose machine or network vanished is never noticed. Such connections add up to maxclients.",
		Remedy: "Set tcp-keepalive 300, which is the default and costs nothing.",
		Source: "https://redis.io/docs/latest/develop/reference/clients/",
		judge: func(f *facts) string {
			if f.settingNumber("timeout") == 0 && f.settingNumber("tcp-keepalive") == 0 {
				return "timeout is 0 and tcp-keepalive is 0"
			}
			return ""
		},
	},
	{
		ID: "output_buffer_unlimited", Severity: Warning, Scope: Server,
		Title:  "A slow subscriber or replica can take all memory",
		When:   "client-output-buffer-limit has no limit for replicas or for publish/subscribe.",
		Why:    "What such a client does not read is kept in the server's memory, without an end.",
		Remedy: "Set limits again, by default: client-output-buffer-limit replica 256mb 64mb 60, and pubsub 32mb 8mb 60.",
		Source: "https://redis.io/docs/latest/develop/reference/clients/",
		judge: func(f *facts) string {
			words := strings.Fields(f.setting("client-output-buffer-limit"))
			var open []string
			for ; len(words) >= 4; words = words[4:] {
				class := strings.Replace(words[0], "slave", "replica", 1)
				if class != "normal" && words[1] == "0" && words[2] == "0" {
					open = append(open, class)
				}
			}
			if len(open) == 0 {
				return ""
			}
			return "no limit for " + list(open)
		},
	},
	{
		ID: "output_buffer_disconnects", Severity: Warning, Scope: Server,
		Title:  "Clients were disconnected for their output buffers",
		When:   "client_output_buffer_limit_disconnections is above 0 (Redis 7.2 and newer).",
		Why:    "A subscriber has lost messages, or a replica must copy again. Some client reads too slowly, or asks for too much at once.",
		Remedy: "redis.clients.get shows the largest clients. Read in smaller pieces (SCAN, ranges), or raise the limit of that class of clients.",
		Source: "https://redis.io/docs/latest/develop/reference/clients/",
		judge: func(f *facts) string {
			if n := f.number("stats", "client_output_buffer_limit_disconnections"); n > 0 {
				return counted(n, "client") + " since the start of the server"
			}
			return ""
		},
	},
	{
		ID: "clients_evicted", Severity: Warning, Scope: Server,
		Title:  "Clients were disconnected to free memory",
		When:   "evicted_clients is above 0 (Redis 7.0 and newer).",
		Why:    "All clients together took more than maxmemory-clients, and the server closed the largest.",
		Remedy: "redis.clients.get shows the largest clients: fewer connections, smaller pipelines and replies, or a higher maxmemory-clients.",
		Source: "https://redis.io/docs/latest/develop/reference/clients/",
		judge: func(f *facts) string {
			if n := f.number("stats", "evicted_clients"); n > 0 {
				return counted(n, "client") + " since the start of the server"
			}
			return ""
		},
	},
	{
		ID: "large_client_buffers", Severity: Warning, Scope: Server,
		Title:  "Clients take much memory",
		When:   "mem_clients_normal is at least 64 MiB, and more than 200 KiB for each client.",
		Why:    "This memory counts against maxmemory: keys are evicted for it, or writes fail.",
		Remedy: "redis.clients.get shows the largest clients. Read in smaller pieces and do not pipeline more than some thousand commands.",
		Source: "MEMORY DOCTOR (redis src/object.c, getMemoryDoctorReport)",
		judge: func(f *facts) string {
			bytes, n := f.number("memory", "mem_clients_normal"), f.number("clients", "connected_clients")
			if bytes < 64<<20 || n == 0 || bytes/n <= 200<<10 {
				return ""
			}
			return fmt.Sprintf("%s for %s", size(bytes), counted(n, "client"))
		},
	},
}
