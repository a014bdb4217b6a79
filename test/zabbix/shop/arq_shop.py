"""A shop's arq: arq_shop.py work|trade, against the Redis of REDIS_URL."""

import asyncio
import itertools
import os
import sys

from arq import Retry, Worker, create_pool, cron
from arq.connections import RedisSettings

SETTINGS = RedisSettings.from_dsn(os.environ["REDIS_URL"])


async def mail(ctx):
    await asyncio.sleep(0.05)


async def report(ctx):
    await asyncio.sleep(60)


async def payment(ctx):
    if ctx["job_try"] == 1:  # it fails the first time
        raise Retry(defer=5)


async def work():
    await Worker(functions=[mail, report, payment], redis_settings=SETTINGS, max_jobs=5, job_timeout=120,
                 cron_jobs=[cron(mail, name="tick", second={0, 20, 40})]).async_run()


async def trade():
    pool = await create_pool(SETTINGS)
    for second in itertools.count(1):
        await pool.enqueue_job("mail")
        if second % 200 == 0:
            await pool.enqueue_job("payment")
        if second % 30 == 0:
            await pool.enqueue_job("mail", _defer_by=20)
        if second % 60 == 0:
            await pool.enqueue_job("report")
        if second % 900 == 0:
            for _ in range(8):  # more than there are slots
                await pool.enqueue_job("report")
        await asyncio.sleep(1)


asyncio.run({"work": work, "trade": trade}[sys.argv[1]]())
