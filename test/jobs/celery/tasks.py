"""The Celery application and its tasks: broker in database 0, results in database 1."""

import os
import time

from celery import Celery

url = os.environ["REDIS_URL"]
app = Celery("tasks", broker=url + "/0", backend=url + "/1")
app.conf.update(worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)


@app.task
def ok():
    return "done"


@app.task
def fails():
    raise RuntimeError("on purpose")


@app.task(acks_late=True)
def slow():
    time.sleep(900)


@app.task
def more():
    """The slow tasks, which come when the others are done: they would keep the worker from those."""
    for _ in range(4):
        slow.apply_async(queue="slow")
