"""One role of rq-scheduler: rqscheduler.py schedule|entries, against the Redis of REDIS_URL."""

import json
import os
import sys
from datetime import datetime, timezone
from importlib.metadata import version

import redis
from rq_scheduler import Scheduler

connection = redis.Redis.from_url(os.environ["REDIS_URL"])
scheduler = Scheduler(connection=connection, interval=5)


def entries():
    """What rq-scheduler itself reads of its jobs."""
    out = {}
    for job, due in scheduler.get_jobs(with_times=True):
        name = f"{job.func_name} {job.id}"
        out[name] = {"next": due.replace(tzinfo=timezone.utc).timestamp()}
        if job.enqueued_at:
            out[name]["last"] = job.enqueued_at.replace(tzinfo=timezone.utc).timestamp()
    return {"version": version("rq-scheduler"), "entries": out}


if sys.argv[1] == "schedule":
    if not connection.exists("rq:scheduler:scheduled_jobs"):
        scheduler.schedule(datetime.now(timezone.utc).replace(tzinfo=None), "tasks.ok", args=["secret"], interval=10, id="tick", queue_name="default")
        scheduler.cron("0 3 * * *", "tasks.ok", id="nightly", queue_name="default")
    scheduler.run()
elif sys.argv[1] == "entries":
    for _ in sys.stdin:
        print(json.dumps(entries()), flush=True)
