"""The broker of Dramatiq and its actors."""

import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

# Maintenance, which moves what dead workers have, is done by chance, and not here.
broker = RedisBroker(url=os.environ["REDIS_URL"], maintenance_chance=0)
dramatiq.set_broker(broker)


@dramatiq.actor
def ok():
    return "done"


@dramatiq.actor(max_retries=0)
def fails(to):
    raise RuntimeError(f"on purpose for {to}")


@dramatiq.actor(max_retries=3, min_backoff=3_600_000, max_backoff=7_200_000)
def later():
    raise RuntimeError("on purpose")


@dramatiq.actor(queue_name="slow")
def slow():
    time.sleep(900)


@dramatiq.actor(queue_name="unserved")
def unserved():
    return "done"


@dramatiq.actor
def more():
    """The slow messages, which come when the others are done: they would keep the worker from those."""
    for _ in range(7):
        slow.send()
