"""One role of SAQ: main.py produce|work|figures, against the Redis of REDIS_URL."""

import asyncio
import importlib.metadata
import json
import os
import sys
import time

from saq import Queue, Worker
from saq.job import Status

NAMES = ("mail", "unserved")


async def ok(_ctx):
    return "done"


async def fails(_ctx):
    raise RuntimeError("on purpose")


async def slow(_ctx):
    await asyncio.sleep(900)


def queue(name):
    return Queue.from_url(os.environ["REDIS_URL"], name=name)


async def produce():
    mail, unserved = queue("mail"), queue("unserved")
    for _ in range(3):
        await mail.enqueue("ok")
    await mail.enqueue("fails")
    await mail.enqueue("fails", retries=3, retry_delay=3600)
    for _ in range(4):
        await mail.enqueue("slow", timeout=0)
    await mail.enqueue("ok", scheduled=int(time.time()) + 3600)
    for _ in range(2):
        await unserved.enqueue("ok")
    await unserved.enqueue("ok", scheduled=int(time.time()) + 1)


async def work():
    mail = queue("mail")
    # Its worker would sweep at once, and take a job that it is about to begin for one of a dead worker.
    await mail.sweep(lock=900)
    # A short interval makes a dead worker's registration end soon.
    await Worker(mail, functions=[ok, fails, slow], concurrency=2, timers={"worker_info": 2}).start()


async def figures(queues):
    """What SAQ's own API tells, under the plugin's names."""
    told, workers, running = {}, 0, []
    for each in queues:
        info = await each.info()
        waiting = []
        async for job in each.iter_jobs([Status.QUEUED, Status.ACTIVE]):
            if job.status == Status.ACTIVE:
                running.append(job.started)
            elif not job.scheduled and not job.attempts:
                waiting.append(job.queued)
        workers += len(info["workers"])
        now = time.time()
        told[each.name] = {
            "waiting": info["queued"],
            "active": info["active"],
            "scheduled": info["scheduled"],
            "latency": max((now - at / 1000 for at in waiting), default=0),
        }
    oldest = max((time.time() - at / 1000 for at in running), default=0)
    return {
        "version": importlib.metadata.version("saq"),
        "queues": told,
        "system": {"workers": workers, "workers_alive": workers, "oldest_running": oldest},
    }


async def answer():
    queues = [queue(name) for name in NAMES]
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await figures(queues)), flush=True)


ROLES = {"produce": produce, "work": work, "figures": answer}
if len(sys.argv) != 2 or sys.argv[1] not in ROLES:
    sys.exit("main.py produce|work|figures")
asyncio.run(ROLES[sys.argv[1]]())
