"""One role of Celery: main.py produce|work|figures, against the Redis of REDIS_URL."""

import json
import os
import sys
import time

import celery
from amqp.exceptions import ChannelError
from tasks import app, fails, more, ok

QUEUES = ("celery", "slow", "unserved")


def produce():
    for _ in range(2):
        ok.apply_async(countdown=3600)
    for _ in range(3):
        ok.delay()
    fails.delay()
    more.delay()
    for priority in (0, 3, 5, 9):
        ok.apply_async(queue="unserved", priority=priority)


def work():
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    os.execv(sys.executable, [
        sys.executable, "-m", "celery", "-A", "tasks", "worker", "-c", "2", "-Q", "celery,slow", "-n", "w1@%h",
    ])


def length(channel, queue):
    try:
        return channel.queue_declare(queue, passive=True).message_count
    except ChannelError:  # an empty queue is none
        return 0


def figures(channel):
    """What Celery's own API tells, under the plugin's names; the workers are asked themselves."""
    lengths = {queue: length(channel, queue) for queue in QUEUES}
    inspect = app.control.inspect(timeout=2, limit=1)
    active, reserved, scheduled, stats = (
        sum((answer or {}).values(), [])
        for answer in (inspect.active(), inspect.reserved(), inspect.scheduled(),
                       {name: [row] for name, row in (inspect.stats() or {}).items()})
    )
    # kombu's own index of what was handed out, and when.
    oldest = channel.client.zrange(channel.unacked_index_key, 0, 0, withscores=True)
    system = {
        "oldest_unacked": time.time() - oldest[0][1] if oldest else 0,
        "waiting": sum(lengths.values()),
        # The slow tasks are acknowledged late: running ones are among the unacknowledged.
        "unacked": len(active) + len(reserved) + len(scheduled),
        "workers_alive": len(stats),
    }
    return {
        "version": celery.__version__,
        "queues": {name: {"waiting": n} for name, n in lengths.items()},
        "system": system,
    }


def main():
    role = sys.argv[1]
    if role == "produce":
        produce()
    elif role == "work":
        work()
    elif role == "figures":
        with app.connection_for_write() as connection:
            channel = connection.default_channel
            for _ in sys.stdin:
                print(json.dumps(figures(channel)), flush=True)
    else:
        sys.exit("main.py produce|work|figures")


main()
