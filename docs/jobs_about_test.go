package docs_test

// aboutJobs is what the pages of job systems say beside their Specs.
var aboutJobs = map[string]jobPage{
	"sidekiq": {
		title: "Sidekiq, and Exq",
		intro: "Sidekiq 6 to 8, with sidekiq-cron and sidekiq-scheduler. Exq (Elixir) writes the same keys, and is read as `sidekiq` with\nthe prefix `exq`.",
		more:  []string{"schedulers_alive", "periodic_jobs", "scheduler_overdue", "scheduler_late"},
		setup: []string{
			"A namespace (redis-namespace, Sidekiq before 7) is the prefix. It is found by itself, or named in `Jobs.Prefixes=sidekiq:myapp`.",
			"Periodic jobs need no setup: see [schedulers](../jobs.md#schedulers).",
			"Sidekiq 6.5 and newer count runs by job class: `$.classes` in `job.failures.get`.",
		},
		instead: []string{
			"Jobs of a killed worker are lost unless super_fetch (Sidekiq Pro) is used. Watch `workers_dead`: the problem *Workers of … have died* names the system.",
			"Scheduled, retried and dead jobs are in one set for all queues. Sidekiq Web shows the queue of each.",
		},
		failures: "the dead set and the retry set: the retry set whole up to 200 jobs, otherwise the 200 that are tried again first",
	},
	"resque": {
		title: "Resque, and node-resque",
		intro: "Resque 2 and 3 with resque-scheduler, and node-resque 9.",
		more:  []string{"schedulers_alive", "periodic_jobs", "scheduler_overdue", "scheduler_late"},
		setup: []string{"A namespace other than `resque` is found by SCAN, or named in `Jobs.Prefixes=resque:myapp`."},
		instead: []string{
			"Jobs do not say when they were enqueued, so there is no `latency`. Watch `waiting` (`{$JOBS.BACKLOG.MAX.WARN}` for the queue) and `stalled`.",
			"The schedules in a file of resque-scheduler are not in Redis. Run such jobs with [`record`](../jobs.md#records-for-jobs-that-write-none).",
		},
		failures: "the list of failed jobs, or one for each queue (`failed_queues`)",
	},
	"rq": {
		title: "RQ",
		intro: "RQ 1 to 3, with its own cron (2.6 and newer) and rq-scheduler.",
		more:  []string{"deferred", "canceled", "rate_limited", "schedulers_alive", "periodic_jobs", "scheduler_overdue", "scheduler_late"},
		setup: []string{"`RQ_KEY_PREFIX` (RQ 3) is the prefix. It is found by SCAN, or named in `Jobs.Prefixes=rq:myapp`."},
		instead: []string{
			"If a job id is queued again while it waits, RQ keeps both entries and the time of the last one. `latency` is then the time since the plugin saw the first one, or unknown.",
			"Counters belong to each worker and end with it, so there are no rates. Watch `growth_rate` and `finished` jobs (`completed`, as long as RQ keeps them).",
		},
		failures: "the registries of failed jobs, without those that are to be tried again",
	},
	"celery": {
		title: "Celery",
		queue: "celery",
		intro: "Celery 5 with Redis as the broker (kombu's Redis transport). For periodic tasks see [redbeat](redbeat.md).",
		more:  []string{"unacked", "oldest_unacked", "unacked_expired"},
		setup: []string{
			"Queues may have any name. They are found by kombu's bindings; name those that no worker has bound yet in `Jobs.Queues=celery:video`, also before you run `-acl`.",
			"A separator of your own (`sep` in `broker_transport_options`) is found from the bindings. If they leave several open, the sums are unknown and `unavailable` shows a binding: name its queue in `Jobs.Queues`.",
			"`global_keyprefix` is the prefix.",
			"If the application sets `visibility_timeout`, set `Jobs.CeleryVisibilityTimeout` to the same value.",
		},
		instead: []string{
			"Celery does not store worker heartbeats in Redis. That no worker at all is connected is seen (`workers_alive` 0); if one of several dies, watch `oldest_unacked`, the age of the oldest message that a worker has taken and not confirmed, and `unacked_expired`, the number of those that Celery should have delivered again.",
			"`stuck` is 1 if jobs wait and no client is connected that could be a worker. It is unknown while there is one.",
			"Which workers live, what they run and how long it takes is in Celery's events only: use Flower or celery-exporter for that.",
			"The schedule of Celery's own beat is in a file, that of django-celery-beat in a database. Run such tasks with [`record`](../jobs.md#records-for-jobs-that-write-none), or change over to celery-redbeat.",
		},
	},
	"redbeat": {
		title:   "celery-redbeat",
		intro:   "celery-redbeat 2, a scheduler of Celery that keeps its schedule in Redis. The queues themselves are those of [celery](celery.md).",
		more:    []string{"schedulers_alive", "periodic_jobs", "scheduler_overdue", "scheduler_late"},
		setup:   []string{"`redbeat_key_prefix` is the prefix, with its colon."},
		instead: []string{"Watch `schedulers_alive` and `scheduler_overdue`. The lock of a killed scheduler lasts 25 minutes unless `redbeat_lock_timeout` is set, so `scheduler_overdue` shows it first."},
	},
	"bullmq": {
		title: "BullMQ",
		intro: "BullMQ 5 and 6, with its job schedulers. Groups of BullMQ Pro are not read.",
		more:  []string{"prioritized", "waiting_children", "rate_limited", "orphaned", "schedulers_alive", "periodic_jobs", "scheduler_overdue", "scheduler_late"},
		setup: []string{"A prefix other than `bull` is found by SCAN, or named in `Jobs.Prefixes=bullmq:myapp`."},
		instead: []string{
			"Workers are found by the names of their connections (`CLIENT LIST`), those of BullMQ for Python included. A worker whose own name has a blank cannot name its connection: while a job has a lock and no worker is found, or a connection without a name waits as workers do, `workers_alive` is unknown, not 0. A dead one is seen by `orphaned`, the jobs whose lock has expired.",
			"A worker whose process hangs or was stopped (SIGSTOP) keeps its connections, and counts in `workers_alive` and `schedulers_alive` until Redis closes them, as in `getWorkers` of BullMQ. It cannot be told from one that is paused, rate limited or not yet running: these do not wait for jobs either, and hold no locks. Watch `orphaned`: its jobs are there 30 s (`lockDuration`) after it stopped; `stalled` and `stuck` if jobs wait, and `scheduler_overdue`.",
			"BullMQ does not say how many jobs a worker may run at once. Watch `stalled` and `latency` in place of the utilization.",
		},
		failures: "the failed set of each queue, without jobs that are to be tried again",
	},
	"bull": {
		title: "Bull",
		intro: "Bull 3 and 4, with repeatable jobs.",
		more:  []string{"rate_limited", "orphaned", "schedulers_alive", "periodic_jobs", "scheduler_overdue", "scheduler_late"},
		setup: []string{"A prefix other than `bull` is found by SCAN, or named in `Jobs.Prefixes=bull:myapp`."},
		instead: []string{
			"Workers are found by the names of their connections (`CLIENT LIST`). While a job has a lock and no worker is found, or a connection without a name waits as workers do, `workers_alive` is unknown, not 0. A dead one is seen by `orphaned`, the jobs whose lock has expired.",
			"Bull does not say how many jobs a worker may run at once. Watch `stalled` and `latency` in place of the utilization.",
			"`rate_limited` are the jobs that a limiter, or one of its groups, has delayed. With `bounceBack` they stay waiting, and it is unknown while the limiter counts.",
		},
		failures: "the failed set of each queue, without jobs that are to be tried again",
	},
	"asynq": {
		title: "Asynq",
		intro: "Asynq (Go) 0.18 to 0.26, with its scheduler. Every value is known of 0.22 and newer.",
		setup: []string{"A client lists a queue (`asynq:queues`) with its first task, and never again. If the list loses it, because the database was emptied or the queue was deleted, the queue still has its row, with `listed` 0: it is found by SCAN, or known from before, from a server or from a scheduler."},
		more:  []string{"aggregating", "orphaned", "schedulers_alive", "periodic_jobs", "scheduler_overdue", "scheduler_late"},
		instead: []string{
			"Versions before 0.20 keep counters of single days and no totals: `processed_total` and `failed_total` are unknown as soon as a task was processed, and the rates with them. Watch `growth_rate`, `stalled` and `retry`.",
			"Versions before 0.19.1 do not keep since when a task waits: `latency` is unknown while tasks wait. Watch `stalled`. In any version that is so for a task that a server put back when it stopped, as long as it is the next one.",
			"Versions before 0.22 keep no lease of an active task. `orphaned` are those that no living server lists: all of them as soon as no server lives, otherwise those that were taken more than 15 s ago. It is unknown where a task has a deadline of its own (`asynq.Deadline`), which hides when it was taken.",
		},
		failures: "the archived tasks and those to be tried again: all of them up to 200 for each queue",
	},
	"laravel": {
		title: "Laravel queues",
		intro: "The queues of Laravel with the Redis driver. If the application uses Horizon, also see [horizon](horizon.md).",
		more:  []string{"orphaned"},
		setup: []string{
			"The prefix is that of the connection in `config/database.php`: `shop_database_`, from Laravel 12 on `shop-database-`, or nothing. It is found by SCAN, or named in `Jobs.Prefixes=laravel:shop-database-`.",
			"`job.queue.get` finds it as well: name it only if several applications have a queue of that name. A prefix may be written as keys begin, with `queues:`. So `job.queue.get[Prod,,,laravel,default,queues:]` is queue `default` without a prefix.",
		},
		instead: []string{
			"Workers do not register without Horizon. Watch `stalled` and `latency`, or use Horizon.",
			"`orphaned` are reserved jobs whose `retry_after` is over, while no client is connected that may be their worker (`CLIENT LIST`). While one is, a web server with a lasting connection included, `orphaned` is unknown: a job may run for longer than `retry_after`.",
			"Failed jobs are in the database of the application, in the table `failed_jobs`. Watch it with Zabbix' ODBC or with Horizon.",
			"The times of Laravel's scheduler are not in Redis. Run it with [`record`](../jobs.md#records-for-jobs-that-write-none).",
		},
	},
	"horizon": {
		title:    "Laravel Horizon",
		intro:    "Horizon beside the queues of [laravel](laravel.md): its supervisors, workers and failed jobs.",
		setup:    []string{"The prefix is `HORIZON_PREFIX`. It is found by SCAN, or named in `Jobs.Prefixes=horizon:shop_horizon:`."},
		instead:  []string{"The queues themselves, their jobs and ages are in the rows of `laravel`."},
		failures: "the failed jobs of Horizon",
	},
	"symfony": {
		title: "Symfony Messenger",
		queue: "messages",
		intro: "Messenger 5 to 7 with the Redis transport. A queue is a stream.",
		more:  []string{"added_total", "orphaned"},
		setup: []string{"Streams may have any name. Before Redis 6 only the usual names are found; name others in `Jobs.Queues=symfony:orders`, also before you run `-acl`."},
		instead: []string{
			"The messages in a failure transport are `failed` there and not `waiting`. It is recognized by the stamp in its first message, or by `fail` in its name if it has no consumers.",
			"`workers` are names of consumers. They are never removed, and several processes may share one. Whether one lives is unknown while it handles a message, and before Redis 7.2 also while it is idle.",
			"`orphaned` are messages that were taken an hour ago, the default of `redeliver_timeout`, while no client is connected that may be their worker (`CLIENT LIST`). While one is, it may handle them still, and `orphaned` is unknown.",
			"Before Redis 7.0 `processed_total` is unknown, and so is `waiting` if acknowledged messages are kept.",
		},
	},
	"huey": {
		title: "Huey",
		intro: "Huey 2 and 3 (Python) with its Redis storage.",
		instead: []string{
			"Running tasks, failures and consumers are not in Redis. Watch `stuck` and `overdue`.",
			"`latency` is known for queues with priorities (`PriorityRedisHuey`) that use at most two of them. Messages of other queues do not say since when they wait.",
		},
	},
	"arq": {
		title: "arq",
		queue: "arq:queue",
		intro: "arq 0.2x (Python), with its cron jobs.",
		more:  []string{"schedulers_alive", "periodic_jobs", "scheduler_overdue", "scheduler_late"},
		setup: []string{"Queues of any name are found by SCAN if they have a worker. Name others in `Jobs.Queues=arq:reports`, also before you run `-acl`."},
		instead: []string{
			"Workers do not register, and the health check of a queue may be an hour old. `workers_alive` is 0 if a job has been due for a minute and none runs, and otherwise unknown.",
			"The jobs of a killed worker stay `active` until `job_timeout` and 10 seconds have passed, and wait then.",
		},
	},
	"dramatiq": {
		title: "Dramatiq",
		intro: "Dramatiq 1 and 2 (Python) with the Redis broker.",
		more:  []string{"orphaned"},
		setup: []string{"A namespace other than `dramatiq` is found by SCAN, or named in `Jobs.Prefixes=dramatiq:myapp`."},
		instead: []string{
			"`active` are the messages that workers have fetched, running or not.",
			"A message does not say whether it was delayed. `latency` is known for messages that were made after `job.get` began to look, while there were no delayed ones. Otherwise it is the time since the message was first seen at the head of its queue, or unknown.",
			"`workers_alive` is 0 if no broker has shown a sign of life for a minute, and otherwise unknown, because web servers that send messages are brokers too.",
		},
		failures: "the dead letters of each queue, with the error of the attempt before the last one",
	},
	"taskiq": {
		title: "Taskiq",
		queue: "taskiq",
		intro: "taskiq-redis 1 (Python), with lists or streams.",
		more:  []string{"added_total", "orphaned"},
		setup: []string{"Streams are found by SCAN, lists only if `taskiq` is in their names. Name others in `Jobs.Queues=taskiq:mails`, also before you run `-acl`."},
		instead: []string{
			"A stream shows what waits and what workers have fetched (`active`). `orphaned` are the messages that were fetched ten minutes ago or earlier by a worker that has not asked for messages since, if no client is connected that may be that worker. While one is, `orphaned` is unknown: a worker with long tasks does not ask either. A list shows only what waits.",
			"Workers do not register. The plugin counts the clients whose last command only a worker sends. Without any, a queue in which jobs have waited for a minute is `stuck`; with one, `stuck` is unknown unless jobs of the queue run.",
			"Scheduled tasks and results are not read.",
		},
	},
	"beequeue": {
		title: "Bee-Queue",
		intro: "Bee-Queue 2 (Node).",
		more:  []string{"added_total", "orphaned"},
		setup: []string{"A prefix other than `bq` is found by SCAN, or named in `Jobs.Prefixes=beequeue:myapp`."},
		instead: []string{
			"Jobs of a dead worker stay `active` forever unless the application calls `checkStalledJobs`. `orphaned` is known if no worker is connected, or after such a check; each worker makes one when it starts.",
			"Delayed jobs stay where they are and become `overdue` unless a worker has `activateDelayedJobs`.",
			"Workers do not register. The plugin counts the clients whose last command only a worker sends. Without any, a queue in which jobs have waited for a minute is `stuck`.",
			"The age of a stalled job that is queued again counts from its creation.",
		},
	},
	"saq": {
		title: "SAQ",
		intro: "SAQ 0.26 (Python).",
		more:  []string{"orphaned"},
		instead: []string{
			"The registration of a worker ends after some seconds, so a dead one is not counted. Watch `workers_alive` and `orphaned`.",
			"Failed and completed jobs are in no list. Count them in the application, or watch `waiting` and `latency`.",
		},
	},
	"djangoq": {
		title: "django-q2",
		intro: "django-q2 1 with its Redis broker.",
		instead: []string{
			"Only what waits is in Redis. Results, failures and schedules are in the database of the application: watch its tables with Zabbix' ODBC.",
			"Workers do not register. The plugin counts the clients whose last command only a worker sends. Without any, a queue in which jobs have waited for a minute is `stuck`.",
		},
	},
	"plain": {
		title: "Plain lists, sorted sets, sets and streams",
		queue: "mails",
		intro: "Queues of your own programs: a list, set, sorted set or stream whose members are jobs.",
		setup: []string{
			"Name each key in `Jobs.Queues=plain:mails`, also before you run `-acl`.",
			"In a sorted set the members whose score is a time in the future are `scheduled`.",
		},
		instead: []string{"Workers of plain queues are unknown. Watch `stalled`, or let them write [job records](../jobs.md#storm-jobs)."},
	},
}
