"""One role of Taskiq: main.py produce|work|figures, against the Redis of REDIS_URL.

Taskiq has no API that counts its tasks. What it has done is known from its middlewares, which write down what is sent,
begun and done. When a message was added to a stream, its id says.
"""

import asyncio
import importlib.metadata
import json
import os
import pathlib
import sys
import time

import redis
from taskiq import TaskiqMiddleware
from taskiq.api import run_receiver_task
from taskiq_redis import ListQueueBroker, RedisStreamBroker

BOOK = pathlib.Path("book.jsonl")


class Bookkeeper(TaskiqMiddleware):
    """Writes down what becomes of the tasks of a queue."""

    def __init__(self, queue):
        super().__init__()
        self.queue = queue

    def note(self, what, message):
        with BOOK.open("a") as book:
            book.write(json.dumps({"queue": self.queue, "what": what, "id": message.task_id, "at": time.time()}) + "\n")

    def post_send(self, message):
        self.note("sent", message)

    def pre_execute(self, message):
        self.note("begun", message)
        return message

    def post_execute(self, message, _result):
        self.note("done", message)


def broker(kind, name, **options):
    made = kind(os.environ["REDIS_URL"], queue_name=name, **options)
    made.add_middlewares(Bookkeeper(name))

    @made.task(task_name="ok")
    async def ok():
        return "done"

    @made.task(task_name="fails")
    async def fails():
        raise RuntimeError("on purpose")

    @made.task(task_name="slow")
    async def slow():
        await asyncio.sleep(900)

    return made, ok, fails, slow


# A message at a time, so that none is fetched ahead of its time.
def stream(name):
    return broker(RedisStreamBroker, name, xread_count=1, xread_block=500)


def lists(name):
    return broker(ListQueueBroker, name)


async def produce():
    for made, ok, fails, slow in (stream("taskiq"), lists("shop:taskiq:list")):
        await made.startup()
        for _ in range(3):
            await ok.kiq()
        await fails.kiq()
        for _ in range(5):
            await slow.kiq()
        await made.shutdown()
    made, ok, _, _ = stream("taskiq-unserved")
    await made.startup()
    for _ in range(2):
        await ok.kiq()
    await made.shutdown()


async def work():
    receivers = []
    for made, *_ in (stream("taskiq"), lists("shop:taskiq:list")):
        made.is_worker_process = True
        receivers.append(run_receiver_task(made, run_startup=True, max_async_tasks=2))
    await asyncio.gather(*receivers)


def added(connection):
    """When the messages of the streams were added, by the id of their task."""
    moments = {}
    for name in ("taskiq", "taskiq-unserved"):
        for entry, fields in connection.xrange(name):
            moments[json.loads(fields[b"data"])["task_id"]] = int(entry.split(b"-")[0]) / 1000
    return moments


def figures(connection):
    """What the middlewares have written down, under the plugin's names."""
    queues = {}
    tasks = {}
    moments = added(connection)
    for line in BOOK.read_text().splitlines():
        note = json.loads(line)
        tasks.setdefault((note["queue"], note["id"]), {})[note["what"]] = note["at"]
    now = time.time()
    for (queue, name), task in tasks.items():
        told = queues.setdefault(queue, {"waiting": 0, "active": 0, "latency": 0})
        if "begun" not in task:
            told["waiting"] += 1
            told["latency"] = max(told["latency"], now - moments.get(name, task["sent"]))
        elif "done" not in task:
            told["active"] += 1
    return {"version": importlib.metadata.version("taskiq"), "queues": queues}


def answer():
    connection = redis.Redis.from_url(os.environ["REDIS_URL"])
    for _ in sys.stdin:
        print(json.dumps(figures(connection)), flush=True)


role = sys.argv[1] if len(sys.argv) == 2 else ""
if role == "figures":
    answer()
elif role in ("produce", "work"):
    asyncio.run({"produce": produce, "work": work}[role]())
else:
    sys.exit("main.py produce|work|figures")
