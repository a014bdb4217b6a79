"""One role of celery-redbeat: beat.py schedule|entries, against the Redis of REDIS_URL."""

import json
import os
import sys
import time

import redbeat
from celery import Celery
from celery.schedules import crontab
from redbeat import RedBeatSchedulerEntry
from redbeat.schedulers import get_redis

app = Celery("schedulers", broker=os.environ["REDIS_URL"])
app.conf.update(
    redbeat_redis_url=os.environ["REDIS_URL"], broker_connection_retry_on_startup=True, timezone="UTC", result_expires=None,
    beat_schedule={
        "tick": {"task": "ok", "schedule": 5.0, "args": ["secret"]},
        "nightly": {"task": "ok", "schedule": crontab(minute=0, hour=3)},
    })


def entries():
    """What redbeat itself reads of its entries."""
    out = {}
    for key in get_redis(app).zrange("redbeat::schedule", 0, -1):
        entry = RedBeatSchedulerEntry.from_key(key, app=app)
        out[entry.name] = {}
        # Its due_at is right at the moment of a run alone; the beat goes by the scores.
        if entry.total_run_count:
            out[entry.name] = {"last": entry.last_run_at.timestamp()}
    return {"version": redbeat.__version__ if hasattr(redbeat, "__version__") else "2.4.2", "entries": out}


if sys.argv[1] == "schedule":
    # Until it works: the beat that was killed keeps the lock.
    app.start(["beat", "-S", "redbeat.RedBeatScheduler", "--pidfile=", "-s", "/dev/null"])
elif sys.argv[1] == "entries":
    for _ in sys.stdin:
        print(json.dumps(entries()), flush=True)
