"""One role of RQ's cron: rqcron.py schedule|entries, against the Redis of REDIS_URL."""

import json
import os
import sys

os.environ["RQ_KEY_PREFIX"] = "shop:rq"

import redis
import tasks
from rq.cron import CronScheduler
from rq.version import VERSION

connection = redis.Redis.from_url(os.environ["REDIS_URL"])


def entries():
    """What RQ itself reads of its schedulers."""
    out = {}
    for scheduler in CronScheduler.all(connection, cleanup=False):
        for job in scheduler.get_jobs():
            times = {"next": job.next_enqueue_time, "last": job.latest_enqueue_time}
            out[job.name] = {name: at.timestamp() for name, at in times.items() if at}
    return {"version": VERSION, "entries": out}


if sys.argv[1] == "schedule":
    scheduler = CronScheduler(connection=connection, name="vm:1")
    scheduler.register(tasks.ok, "default", args=("secret",), interval=5, name="tick")
    scheduler.register(tasks.ok, "default", cron="0 3 * * *", name="nightly")
    scheduler.start()
elif sys.argv[1] == "entries":
    for _ in sys.stdin:
        print(json.dumps(entries()), flush=True)
