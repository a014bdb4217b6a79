"""A shop's Celery with redbeat: celery_shop.py work|schedule|trade, against the Redis of REDIS_URL."""

import itertools
import os
import sys
import time

from celery import Celery
from celery.schedules import crontab

app = Celery("celery_shop", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(
    redbeat_redis_url=os.environ["REDIS_URL"], broker_connection_retry_on_startup=True, timezone="UTC", result_expires=600,
    worker_prefetch_multiplier=1,
    # So that a scheduler is well soon after another one was killed, whose lock lasts for five times this otherwise.
    redbeat_lock_timeout=60, beat_max_loop_interval=20,
    beat_schedule={
        "tick": {"task": "celery_shop.mail", "schedule": 20.0},
        "nightly": {"task": "celery_shop.report", "schedule": crontab(minute=0, hour=3), "options": {"queue": "slow"}},
    })


@app.task(name="celery_shop.mail")
def mail():
    time.sleep(0.05)


@app.task(name="celery_shop.report", acks_late=True)
def report():
    time.sleep(60)


@app.task(name="celery_shop.payment", bind=True, max_retries=3)
def payment(self):
    if self.request.retries == 0:  # it fails the first time
        raise self.retry(countdown=5)


def trade():
    mail.apply_async(queue="night")
    for second in itertools.count(1):
        mail.delay()
        if second % 200 == 0:
            payment.delay()
        if second % 30 == 0:
            mail.apply_async(countdown=20)
        if second % 80 == 0:
            report.apply_async(queue="slow")
        if second % 900 == 0:
            for _ in range(4):  # more than there are slots
                report.apply_async(queue="slow")
        time.sleep(1)


def run(*words):
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    os.execv(sys.executable, [sys.executable, "-m", "celery", "-A", "celery_shop", *words])


if __name__ == "__main__":
    if sys.argv[1] == "work":
        run("worker", "-c", "3", "-Q", "celery,slow,night", "-n", f"w{os.getpid()}@%h")
    if sys.argv[1] == "schedule":
        run("beat", "-S", "redbeat.RedBeatScheduler", "--pidfile=", "-s", "/dev/null")
    trade()
