"""One role of arq: main.py produce|work|figures, against the Redis of REDIS_URL."""

import asyncio
import importlib.metadata
import json
import os
import sys
import time

from arq import Retry, Worker, create_pool
from arq.connections import RedisSettings
from arq.jobs import Job, JobStatus

SETTINGS = RedisSettings.from_dsn(os.environ["REDIS_URL"])
SLOW, UNSERVED = "arq:slow", "arq:unserved"
QUEUES = ("arq:queue", SLOW, UNSERVED)


async def ok(ctx):
    return "done"


async def slow(ctx):
    await asyncio.sleep(900)


async def fails(ctx):
    raise RuntimeError("on purpose")


async def later(ctx):
    raise Retry(defer=3600)


async def produce():
    pool = await create_pool(SETTINGS)
    for _ in range(3):
        await pool.enqueue_job("ok")
    await pool.enqueue_job("fails")
    await pool.enqueue_job("later")
    await pool.enqueue_job("ok", _defer_by=3600)
    for _ in range(4):
        await pool.enqueue_job("slow", _queue_name=SLOW)
    await pool.enqueue_job("ok", _queue_name=SLOW, _defer_by=3600)
    for _ in range(2):
        await pool.enqueue_job("ok", _queue_name=UNSERVED)
    await pool.aclose()


def worker(queue):
    # The mark of a running job ends some time after its worker: ten seconds after the job's time is out.
    return Worker(
        functions=[ok, slow, fails, later], queue_name=queue, redis_settings=SETTINGS, max_jobs=2, job_timeout=90,
        health_check_interval=5, max_tries=1000, handle_signals=False,
    )


async def work():
    await asyncio.gather(*(worker(queue).async_run() for queue in QUEUES[:2]))


async def queued(pool, queue):
    """The jobs of a queue; arq's own API fails when one of them ends while it looks."""
    while True:
        try:
            return await pool.queued_jobs(queue_name=queue)
        except RuntimeError:
            pass


async def figures(pool):
    """What arq's own API tells, under the plugin's names: each job's state."""
    names = {JobStatus.queued: "waiting", JobStatus.in_progress: "active", JobStatus.deferred: "scheduled"}
    queues = {}
    for queue in QUEUES:
        row = {"waiting": 0, "active": 0, "scheduled": 0, "latency": 0}
        for job in await queued(pool, queue):
            status = await Job(job.job_id, pool, _queue_name=queue).status()
            if status not in names:  # it has ended in the meantime
                continue
            row[names[status]] += 1
            if status is JobStatus.queued:
                row["latency"] = max(row["latency"], time.time() - job.score / 1000)
        queues[queue] = row
    return {"version": importlib.metadata.version("arq"), "queues": queues, "system": {}}


async def tell():
    pool = await create_pool(SETTINGS)
    for _ in sys.stdin:
        print(json.dumps(await figures(pool)), flush=True)


def main():
    roles = {"produce": produce, "work": work, "figures": tell}
    if sys.argv[1] not in roles:
        sys.exit("main.py produce|work|figures")
    asyncio.run(roles[sys.argv[1]]())


main()
