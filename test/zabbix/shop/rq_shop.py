"""A shop's RQ: rq_shop.py work|schedule|trade, against the Redis of REDIS_URL."""

import itertools
import os
import sys
import time
from datetime import timedelta

import redis
from rq import Queue, Retry, get_current_job

connection = redis.Redis.from_url(os.environ["REDIS_URL"])


def mail():
    time.sleep(0.05)


def report():
    time.sleep(75)


def payment():
    """Fails the first time."""
    if connection.set("app:rq:" + get_current_job().id, 1, nx=True, ex=600):
        raise RuntimeError("no answer of the bank")


def trade(jobs):
    default, reports, night = (Queue(name, connection=connection) for name in ("default", "reports", "night"))
    night.enqueue(jobs.mail)
    for second in itertools.count(1):
        if second % 2 == 0:
            default.enqueue(jobs.mail)
        if second % 240 == 0:
            default.enqueue(jobs.payment, retry=Retry(max=2, interval=10))
        if second % 30 == 0:
            default.enqueue_in(timedelta(seconds=20), jobs.mail)
        if second % 90 == 0:
            reports.enqueue(jobs.report)
        if second % 900 == 0:  # more than there are workers
            for _ in range(3):
                reports.enqueue(jobs.report)
        time.sleep(1)


def schedule(jobs):
    from rq.cron import CronScheduler

    scheduler = CronScheduler(connection=connection)
    scheduler.register(jobs.mail, "default", interval=20)
    scheduler.register(jobs.report, "reports", cron="0 3 * * *")
    scheduler.start()


def work():
    os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
    os.execv(sys.executable, [sys.executable, "-m", "rq.cli", "worker", "-u", os.environ["REDIS_URL"], "--with-scheduler",
                              "default", "reports", "night"])


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work()
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import rq_shop  # by the name under which a worker finds the jobs

    {"trade": trade, "schedule": schedule}[sys.argv[1]](rq_shop)
