"""One role of Dramatiq: main.py produce|work|figures, against the Redis of REDIS_URL."""

import importlib.metadata
import json
import os
import sys

from dramatiq import Message
from tasks import broker, fails, later, more, ok, unserved

QUEUES = ("default", "slow", "unserved")


def produce():
    for _ in range(3):
        ok.send()
    fails.send("bob@example.com")
    later.send()
    ok.send_with_options(delay=3_600_000)
    more.send()
    for _ in range(2):
        unserved.send()
    unserved.send_with_options(delay=1000)


def work():
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    # Two threads fetch four messages of each queue.
    os.execv(sys.executable, [
        sys.executable, "-m", "dramatiq", "tasks", "--processes", "1", "--threads", "2", "--queues", "default", "slow",
    ])


def failures():
    """The dead letters. The message is that of the attempt before the last one, of which there is none here."""
    told = []
    for queue in QUEUES:
        for text in broker.client.hvals(f"dramatiq:{queue}.XQ.msgs"):
            message = Message.decode(text)
            trace = message.options.get("traceback", ": ")
            error, text = trace.strip("\n").splitlines()[-1].split(": ", 1)
            told.append({"class": message.actor_name, "queue": queue, "error": error, "message": text})
    return told


def figures():
    """What the broker tells of a queue is its size: messages that wait, that were fetched and that wait for their time."""
    sizes = {queue: broker.do_qsize(queue) for queue in QUEUES}
    return {
        "version": importlib.metadata.version("dramatiq"),
        "failures": failures(),
        "queues": {queue: {"waiting+active+scheduled": size} for queue, size in sizes.items()},
        "system": {},
    }


def main():
    role = sys.argv[1]
    if role == "produce":
        produce()
    elif role == "work":
        work()
    elif role == "figures":
        for _ in sys.stdin:
            print(json.dumps(figures()), flush=True)
    else:
        sys.exit("main.py produce|work|figures")


main()
