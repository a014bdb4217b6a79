//go:build jobs && linux

package jobs

import "maps"

// system is a job system and what its folder's producer and worker make of it. Counts are the story's; what the system's
// own API tells is compared with the API, whatever the story says.
type system struct {
	name  string // in setup.sh's list
	title string
	from  string // where it was had from
	main  string // the script of its roles
	item  string // its name in job.get
	// settled is what the API tells when all jobs are where the story ends.
	settled figures
	// known are figures of then that the API does not tell; "*/overdue" is that of the queues not named.
	known figures
	// dead is what is known, from job.get alone, some time after the worker was killed.
	dead figures
	// differs are figures for which the API has another meaning once the worker is dead.
	differs map[string]string
	// repairs: asking the API moves the jobs of dead workers.
	repairs bool
	// derived are figures that follow from several polls in this system.
	derived []string
}

// with is f with others in their place.
func (f figures) with(others figures) figures {
	out := maps.Clone(f)
	maps.Copy(out, others)
	return out
}

// systems are in the order of the table. The queue unserved has no worker.
var systems = []system{
	{
		name: "sidekiq-6", title: "Sidekiq 6", from: "Debian 12", main: "sidekiq/main.rb", item: "sidekiq",
		settled: sidekiqSettled, known: sidekiqKnown, dead: sidekiqDead, differs: sidekiqDiffers,
	},
	{
		name: "sidekiq-7", title: "Sidekiq 7.3", from: "Debian trixie", main: "sidekiq/main.rb", item: "sidekiq",
		settled: sidekiqSettled, known: sidekiqKnown, dead: sidekiqDead, differs: sidekiqDiffers,
	},
	{
		name: "sidekiq-8", title: "Sidekiq 8.1", from: "Debian sid", main: "sidekiq/main.rb", item: "sidekiq",
		settled: sidekiqSettled, known: sidekiqKnown, dead: sidekiqDead, differs: sidekiqDiffers,
	},
	{
		name: "rq-1", title: "RQ 1.13", from: "Debian 12", main: "rq/main.py", item: "rq", repairs: true,
		settled: rqSettled, known: rqKnown.with(figures{"rate_limited": 0}), dead: rqDead, differs: rqDiffers,
	},
	{
		// Under a prefix, and with a rate limit that lets one of two jobs into unserved.
		name: "rq-3", title: "RQ 3.0", from: "PyPI", main: "rq/main.py", item: "rq", repairs: true,
		settled: rqSettled.with(figures{"waiting": 4, "unserved/waiting": 3, "rate_limited": 1}),
		known:   rqKnown, dead: rqDead.with(figures{"waiting": 4, "rate_limited": 1}), differs: rqDiffers,
	},
	{
		name: "celery-5.2", title: "Celery 5.2", from: "Debian 12", main: "celery/main.py", item: "celery",
		settled: celerySettled, known: celeryKnown, dead: celeryDead, differs: celeryDiffers,
	},
	{
		name: "celery-5.7", title: "Celery 5.7", from: "PyPI", main: "celery/main.py", item: "celery",
		settled: celerySettled, known: celeryKnown, dead: celeryDead, differs: celeryDiffers,
	},
	{
		name: "bullmq-5", title: "BullMQ 5", from: "npm", main: "bullmq/main.js", item: "bullmq",
		settled: bullmqSettled, known: bullmqKnown, dead: bullmqDead,
	},
	{
		name: "bullmq-6", title: "BullMQ 6", from: "npm", main: "bullmq/main.js", item: "bullmq",
		settled: bullmqSettled, known: bullmqKnown, dead: bullmqDead,
	},
	{
		name: "bull-4", title: "Bull 4", from: "npm", main: "bull/main.js", item: "bull",
		settled: figures{
			"mail/waiting": 1, "mail/active": 2, "mail/scheduled": 2, "mail/failed": 1, "mail/completed": 3,
			"mail/processed_total": 4, "mail/failed_total": 1, "workers_alive": 2,
			"unserved/waiting": 3, "unserved/scheduled": 1, "paused/waiting": 1, "paused/paused": 1,
			"limited/completed": 1, "limited/scheduled": 2,
		},
		known: figures{
			"overdue": 1, "unserved/overdue": 1, "*/overdue": 0, "orphaned": 0, "*/orphaned": 0, "queue_count": 4,
			"queues_paused": 1, "workers": 2, "rate_limited": 2, "limited/rate_limited": 2, "*/rate_limited": 0,
		},
		dead: figures{
			"active": 2, "orphaned": 2, "mail/orphaned": 2, "waiting": 5, "overdue": 1, "workers": 0, "workers_alive": 0,
		},
	},
	{
		name: "resque-node", title: "node-resque 9", from: "npm", main: "resque/main.js", item: "resque",
		settled: figures{
			"waiting": 4, "active": 1, "scheduled": 3, "failed": 2, "processed_total": 3, "failed_total": 2, "workers": 1,
			"default/waiting": 0, "slow/waiting": 2, "unserved/waiting": 2,
		},
		known: figures{
			"overdue": 1, "queue_count": 3, "queues_paused": 0, "*/paused": 0, "workers_alive": 1, "workers_dead": 0,
			"workers_busy": 1, "workers_slots": 1, "utilisation": 1, "workers_quiet": 0, "orphaned": 0, "schedulers_alive": 0,
		},
		dead: figures{
			"workers": 1, "workers_alive": 0, "workers_dead": 1, "workers_busy": 0, "waiting": 4, "active": 1,
			"slow/active": 1, "orphaned": 1, "oldest_running": 0,
		},
		differs: map[string]string{"oldest_running": "its own API takes a dead worker's job for running"},
	},
	{
		name: "asynq", title: "Asynq", from: "Go's module proxy", main: "asynq", item: "asynq",
		settled: figures{
			"waiting": 5, "active": 2, "scheduled": 2, "retry": 2, "failed": 1, "completed": 3, "aggregating": 2,
			"processed_total": 6, "failed_total": 3, "workers_alive": 1, "workers_busy": 2, "workers_slots": 2,
			"slow/waiting": 2, "slow/active": 2, "unserved/waiting": 2, "unserved/scheduled": 1, "paused/paused": 1,
			"paused/waiting": 1, "default/completed": 3,
		},
		known: figures{
			"overdue": 1, "unserved/overdue": 1, "*/overdue": 0, "workers": 1, "workers_dead": 0, "workers_quiet": 0,
			"utilisation": 1, "orphaned": 0, "*/orphaned": 0, "queue_count": 4, "queues_paused": 1,
		},
		dead: figures{
			"workers": 1, "workers_alive": 0, "workers_dead": 1, "workers_busy": 0, "active": 2, "orphaned": 2,
			"slow/orphaned": 2, "waiting": 5,
		},
	},
	{
		name: "laravel-8", title: "Laravel 8", from: "Debian 12", main: "laravel/main.php", item: "laravel",
		settled: figures{
			"default/waiting+active+scheduled": 2, "slow/waiting+active+scheduled": 3, "unserved/waiting+active+scheduled": 3,
		},
		known: figures{
			"default/waiting": 0, "default/scheduled": 2, "slow/waiting": 2, "slow/active": 1, "slow/scheduled": 0,
			"default/active": 0, "unserved/active": 0, "unserved/waiting": 2, "unserved/scheduled": 1, "unserved/overdue": 1,
			"*/overdue": 0, "orphaned": 0, "*/orphaned": 0, "default/latency": 0,
			"waiting": 4, "active": 1, "scheduled": 3, "overdue": 1, "queue_count": 3,
		},
		dead: figures{"active": 1, "orphaned": 1, "slow/orphaned": 1, "waiting": 4, "overdue": 1},
	},
	{
		name: "laravel-13", title: "Laravel 13", from: "Debian sid", main: "laravel/main.php", item: "laravel",
		settled: figures{
			"default/waiting+active+scheduled": 2, "slow/waiting+active+scheduled": 3, "unserved/waiting+active+scheduled": 3,
			"default/waiting": 0, "default/scheduled": 2, "slow/waiting": 2, "slow/active": 1, "unserved/waiting": 2, "unserved/scheduled": 1,
		},
		known: figures{
			"default/waiting": 0, "default/scheduled": 2, "slow/waiting": 2, "slow/active": 1, "slow/scheduled": 0,
			"default/active": 0, "unserved/active": 0, "unserved/waiting": 2, "unserved/scheduled": 1, "unserved/overdue": 1,
			"*/overdue": 0, "orphaned": 0, "*/orphaned": 0, "default/latency": 0,
			"waiting": 4, "active": 1, "scheduled": 3, "overdue": 1, "queue_count": 3,
		},
		dead: figures{"active": 1, "orphaned": 1, "slow/orphaned": 1, "waiting": 4, "overdue": 1},
	},
	{
		name: "symfony-6", title: "Symfony Messenger 6", from: "Debian 13", main: "symfony/main.php", item: "symfony",
		settled: figures{"messages/waiting": 0, "slow_async/waiting": 2, "unserved_async/waiting": 2, "failed/failed": 1},
		known: figures{
			"waiting": 4, "active": 1, "scheduled": 3, "overdue": 1, "failed": 1, "processed_total": 5, "added_total": 11,
			"orphaned": 0, "*/orphaned": 0, "queue_count": 4, "workers": 1, "workers_alive": 1, "workers_dead": 0,
			"messages/scheduled": 2, "unserved_async/scheduled": 1, "*/scheduled": 0, "unserved_async/overdue": 1, "*/overdue": 0,
			"slow_async/active": 1, "*/active": 0, "messages/processed_total": 5, "*/processed_total": 0, "*/failed": 0,
			"messages/added_total": 5, "slow_async/added_total": 3, "unserved_async/added_total": 2, "failed/added_total": 1,
			"failed/waiting": 0, "failed/latency": 0,
		},
		dead: figures{
			"active": 1, "slow_async/active": 1, "waiting": 4, "overdue": 1, "failed": 1, "workers": 1, "unserved_async/stuck": 1,
			"slow_async/saturated": 1,
		},
	},
	{
		name: "huey", title: "Huey", from: "PyPI", main: "huey/main.py", item: "huey",
		settled: figures{"waiting": 5, "scheduled": 3, "served/waiting": 2, "served/scheduled": 3, "unserved/waiting": 3},
		known:   figures{"overdue": 0, "*/overdue": 0, "queue_count": 2},
		dead:    figures{"waiting": 5, "served/waiting": 2, "served/stuck": 1, "unserved/stuck": 1, "overdue": 1, "served/overdue": 1},
	},
	{
		name: "arq", title: "arq", from: "PyPI", main: "arq/main.py", item: "arq",
		settled: figures{
			"waiting": 4, "active": 2, "scheduled": 3, "arq:queue/waiting": 0, "arq:queue/scheduled": 2, "arq:slow/waiting": 2,
			"arq:slow/active": 2, "arq:unserved/waiting": 2,
		},
		known: figures{"queue_count": 3},
		dead: figures{
			"waiting": 6, "active": 0, "arq:slow/waiting": 4, "arq:slow/active": 0, "workers_alive": 0, "arq:slow/stuck": 1,
			"arq:unserved/stuck": 1,
		},
	},
	{
		name: "dramatiq", title: "Dramatiq", from: "PyPI", main: "dramatiq/main.py", item: "dramatiq", derived: []string{"latency"},
		settled: figures{
			"default/waiting+active+scheduled": 2, "slow/waiting+active+scheduled": 7, "unserved/waiting+active+scheduled": 3,
		},
		known: figures{
			"waiting": 5, "active": 4, "scheduled": 3, "failed": 1, "orphaned": 0, "*/orphaned": 0, "queue_count": 3,
			"default/waiting": 0, "default/active": 0, "default/scheduled": 2, "default/failed": 1, "slow/waiting": 3, "slow/active": 4,
			"slow/scheduled": 0, "unserved/waiting": 2, "unserved/active": 0, "unserved/scheduled": 1, "*/failed": 0,
		},
		dead: figures{
			"waiting": 5, "active": 4, "orphaned": 4, "slow/orphaned": 4, "workers_alive": 0, "unserved/stuck": 1, "slow/stuck": 1,
		},
	},
	{
		// Its queues are two streams, of which one has no worker, and a list.
		name: "taskiq", title: "Taskiq", from: "PyPI (its own figures: what its middlewares wrote down)", main: "taskiq/main.py", item: "taskiq",
		settled: figures{
			"taskiq/waiting": 3, "taskiq/active": 2, "shop:taskiq:list/waiting": 3, "shop:taskiq:list/active": 2, "taskiq-unserved/waiting": 2,
		},
		known: figures{
			"queue_count": 3, "taskiq/orphaned": 0, "taskiq-unserved/orphaned": 0, "taskiq/added_total": 9,
			"taskiq-unserved/added_total": 2,
		},
		dead: figures{"taskiq/active": 2, "taskiq/waiting": 3, "shop:taskiq:list/waiting": 3, "waiting": 8,
			"taskiq/stuck": 1, "shop:taskiq:list/stuck": 1, "taskiq-unserved/stuck": 1},
	},
	{
		name: "beequeue", title: "Bee-Queue", from: "npm", main: "beequeue/main.js", item: "beequeue",
		settled: figures{
			"mail/waiting": 2, "mail/active": 2, "mail/scheduled": 2, "mail/failed": 1, "mail/completed": 3, "mail/added_total": 10,
			"unserved/waiting": 2, "unserved/scheduled": 1,
		},
		known: figures{"overdue": 1, "unserved/overdue": 1, "*/overdue": 0, "unserved/orphaned": 0, "queue_count": 2},
		dead: figures{
			"active": 2, "orphaned": 2, "mail/orphaned": 2, "waiting": 4, "overdue": 1, "mail/stuck": 1, "unserved/stuck": 1,
		},
	},
	{
		name: "saq", title: "SAQ", from: "PyPI", main: "saq/main.py", item: "saq",
		settled: figures{
			"mail/waiting": 2, "mail/active": 2, "mail/scheduled": 2, "workers_alive": 1, "unserved/waiting": 2, "unserved/scheduled": 1,
		},
		known: figures{"overdue": 1, "unserved/overdue": 1, "*/overdue": 0, "orphaned": 0, "*/orphaned": 0, "queue_count": 2},
		dead: figures{
			"workers": 0, "workers_alive": 0, "active": 2, "orphaned": 2, "mail/orphaned": 2, "waiting": 4, "overdue": 1,
		},
	},
	{
		// Its worker runs one task, has another, and a process holds a third one for it.
		name: "djangoq", title: "django-q2", from: "PyPI", main: "djangoq/main.py", item: "djangoq",
		settled: figures{"mail/waiting": 2, "unserved/waiting": 2},
		known:   figures{"queue_count": 2},
		dead:    figures{"mail/waiting": 2, "waiting": 4, "mail/stuck": 1, "unserved/stuck": 1},
	},
}

var (
	sidekiqSettled = figures{
		"waiting": 4, "active": 2, "scheduled": 2, "retry": 2, "failed": 1, "processed_total": 6, "failed_total": 3,
		"workers": 1, "workers_alive": 1, "workers_busy": 2, "workers_slots": 2,
		"default/waiting": 0, "slow/waiting": 2, "unserved/waiting": 2,
	}
	sidekiqKnown = figures{
		"overdue": 1, "workers_dead": 0, "workers_quiet": 0, "utilisation": 1, "queue_count": 3, "queues_paused": 0,
		"default/active": 0, "slow/active": 2, "unserved/active": 0,
	}
	sidekiqDead = figures{
		"workers": 1, "workers_alive": 0, "workers_dead": 1, "workers_busy": 0, "workers_slots": 0, "active": 0,
		"waiting": 4, "overdue": 1, "slow/active": 0, "slow/waiting": 2, "oldest_running": 0,
	}
	rqSettled = figures{
		"waiting": 3, "active": 1, "completed": 3, "failed": 1, "deferred": 1, "scheduled": 3, "canceled": 1,
		"workers": 1, "workers_alive": 1, "workers_busy": 1,
		"default/scheduled": 2, "default/completed": 3, "default/failed": 1, "slow/waiting": 1, "slow/active": 1,
		"slow/deferred": 1, "slow/canceled": 1, "unserved/waiting": 2, "unserved/scheduled": 1,
	}
	rqKnown = figures{
		"overdue": 1, "unserved/overdue": 1, "*/overdue": 0, "orphaned": 0, "*/orphaned": 0, "workers_dead": 0,
		"workers_slots": 1, "utilisation": 1, "workers_quiet": 0, "queue_count": 3, "queues_paused": 0, "*/paused": 0,
		"default/schedulers_alive": 1, "slow/schedulers_alive": 1, "unserved/schedulers_alive": 0,
	}
	rqDead = figures{
		"workers": 1, "workers_alive": 0, "workers_dead": 1, "workers_busy": 0, "orphaned": 1, "slow/orphaned": 1,
		"waiting": 3, "overdue": 1,
	}

	celerySettled = figures{
		"waiting": 6, "unacked": 4, "workers_alive": 1, "celery/waiting": 0, "slow/waiting": 2, "unserved/waiting": 4,
	}
	celeryKnown = figures{"queue_count": 3, "workers": 1, "unacked_expired": 0}
	celeryDead  = figures{"workers": 1, "unacked": 4, "waiting": 6}

	sidekiqDiffers = later("its own API takes a process for alive for a minute after its last heartbeat",
		"active", "oldest_running", "utilisation", "workers_alive", "workers_busy", "workers_slots")
	rqDiffers = later("its own API takes a worker for alive until its record ends, up to eight minutes later",
		"oldest_running", "utilisation", "workers_alive", "workers_busy", "workers_slots")
	celeryDiffers = map[string]string{"unacked": "its own API asks the workers, and none lives"}

	bullmqSettled = figures{
		"mail/waiting": 2, "mail/active": 2, "mail/scheduled": 2, "mail/failed": 1, "mail/completed": 3,
		"mail/prioritized": 1, "mail/waiting_children": 1, "mail/processed_total": 4, "mail/failed_total": 1,
		"workers_alive": 1, "unserved/waiting": 4, "unserved/scheduled": 1, "unserved/prioritized": 1,
		"paused/waiting": 1, "paused/paused": 1,
	}
	bullmqKnown = figures{
		"overdue": 1, "unserved/overdue": 1, "*/overdue": 0, "orphaned": 0, "*/orphaned": 0, "queue_count": 3,
		"queues_paused": 1, "workers": 1,
		"rate_limited": 0, "*/rate_limited": 0,
	}
	bullmqDead = figures{
		"active": 2, "orphaned": 2, "mail/orphaned": 2, "waiting": 7, "overdue": 1, "workers": 0, "workers_alive": 0,
	}
)

// later are figures that a system's own API gives later than the plugin, and why.
func later(why string, names ...string) map[string]string {
	out := make(map[string]string)
	for _, name := range names {
		out[name] = why
	}
	return out
}
