"""The instances of Huey and their tasks: one with a consumer, one with priorities and without."""

import os
import time

from huey import PriorityRedisHuey, RedisHuey

served = RedisHuey("served", url=os.environ["REDIS_URL"])
unserved = PriorityRedisHuey("unserved", url=os.environ["REDIS_URL"])


@served.task()
def ok():
    return "done"


@served.task(retries=3, retry_delay=3600)
def fails():
    raise RuntimeError("on purpose")


@served.task()
def slow():
    time.sleep(900)


@unserved.task()
def never():
    return "done"
