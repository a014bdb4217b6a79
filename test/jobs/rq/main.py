"""One role of RQ: main.py produce|work|figures, against the Redis of REDIS_URL."""

import json
import os
import sys
from datetime import datetime, timedelta, timezone

# RQ 3 takes it when it is imported, RQ 1 has none.
os.environ["RQ_KEY_PREFIX"] = "shop:rq"

import redis
import rq
import tasks
from rq import Queue, Retry, Worker
from rq.registry import (CanceledJobRegistry, DeferredJobRegistry, FailedJobRegistry, FinishedJobRegistry,
                         ScheduledJobRegistry, StartedJobRegistry)

try:
    from rq.rate_limit import RateLimit, RateLimitRegistry  # RQ 3
except ImportError:
    RateLimit = None

REGISTRIES = {
    "active": StartedJobRegistry, "completed": FinishedJobRegistry, "failed": FailedJobRegistry,
    "deferred": DeferredJobRegistry, "scheduled": ScheduledJobRegistry, "canceled": CanceledJobRegistry,
}


def produce(connection):
    default, slow, unserved = (Queue(name, connection=connection) for name in ("default", "slow", "unserved"))
    for _ in range(3):
        default.enqueue(tasks.ok)
    default.enqueue(tasks.fails, "bob@example.com")
    default.enqueue(tasks.fails, "bob@example.com", retry=Retry(max=3, interval=3600))
    first = slow.enqueue(tasks.slow)
    slow.enqueue(tasks.slow)
    slow.enqueue(tasks.ok, depends_on=first)
    slow.enqueue(tasks.ok).cancel()
    default.enqueue_in(timedelta(hours=1), tasks.ok)
    for _ in range(2):
        unserved.enqueue(tasks.ok)
    unserved.enqueue_in(timedelta(seconds=1), tasks.ok)
    if RateLimit:
        for _ in range(2):  # the second one is held back
            unserved.enqueue(tasks.ok, rate_limit=RateLimit("api", concurrency=1))


def work():
    os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
    # A short interval makes a dead worker's registration end after a minute.
    os.execv(sys.executable, [
        sys.executable, "-m", "rq.cli", "worker", "-u", os.environ["REDIS_URL"], "--name", "w1", "--with-scheduler",
        "--job-monitoring-interval", "1", "default", "slow",
    ])


def age(moment):
    """Seconds since a moment; RQ 1 gives it without a time zone, and means UTC."""
    return (datetime.now(timezone.utc) - moment.replace(tzinfo=timezone.utc)).total_seconds()


def failures(connection):
    """What RQ's own API tells of failed jobs: the function, and the last line of the traceback."""
    told = []
    for queue in Queue.all(connection=connection):
        for job_id in FailedJobRegistry(queue=queue).get_job_ids():
            job = rq.job.Job.fetch(job_id, connection=connection)
            result = job.latest_result()
            text = (result.exc_string if result else job.exc_info).strip()
            # The job of a dead worker has no traceback.
            error, message = text.splitlines()[-1].split(": ", 1) if text.startswith("Traceback") else ("", text)
            told.append({"class": job.func_name, "queue": queue.name, "error": error, "message": message})
    return told


def figures(connection):
    """What RQ's own API tells, under the plugin's names. Its counts clean the registries up first."""
    queues = {}
    for queue in Queue.all(connection=connection):
        counts = {name: registry(queue=queue).count for name, registry in REGISTRIES.items()}
        latency = max((age(job.enqueued_at) for job in queue.jobs if job.enqueued_at), default=0)
        queues[queue.name] = {"waiting": queue.count, "latency": latency, **counts}
    workers = Worker.count(connection=connection)  # before all(), which forgets the dead
    alive = Worker.all(connection=connection)
    begun = []
    for worker in alive:
        if hasattr(worker, "get_current_executions"):  # RQ 3
            begun += [execution.created_at for execution in worker.get_current_executions()]
        elif (job := worker.get_current_job()) and job.started_at:
            begun.append(job.started_at)
    names = ["waiting", *REGISTRIES]
    limits = {}
    if RateLimit:
        limits["rate_limited"] = sum(limit.get_rate_limited_job_count() for limit in RateLimitRegistry.all(connection))
    return {
        "version": getattr(rq, "__version__", None) or rq.VERSION,
        "failures": failures(connection),
        "queues": queues,
        "system": {
            **{name: sum(queue[name] for queue in queues.values()) for name in names},
            **limits,
            "workers": workers,
            "workers_alive": len(alive),
            "oldest_running": max((age(moment) for moment in begun), default=0),
            "workers_busy": sum(worker.get_state() == "busy" for worker in alive),
        },
    }


def main():
    role = sys.argv[1]
    if role == "work":
        work()
    connection = redis.Redis.from_url(os.environ["REDIS_URL"])
    if role == "produce":
        produce(connection)
    elif role == "figures":
        for _ in sys.stdin:
            print(json.dumps(figures(connection)), flush=True)
    else:
        sys.exit("main.py produce|work|figures")


main()
