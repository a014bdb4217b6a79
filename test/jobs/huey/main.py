"""One role of Huey: main.py produce|work|figures, against the Redis of REDIS_URL."""

import importlib.metadata
import json
import os
import sys
import time

from tasks import fails, never, ok, served, slow, unserved


def produce():
    for _ in range(3):
        ok()
    fails()
    ok.schedule(delay=3600)
    ok.schedule(delay=100)  # by then nobody will be there
    for _ in range(4):
        slow()
    for priority in (5, 5, 0):
        never(priority=priority)


def work():
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    os.execv(sys.executable, [sys.executable, "-m", "huey.bin.huey_consumer", "tasks.served", "--workers", "2", "--no-periodic"])


def figures():
    """What Huey's own API tells, under the plugin's names."""
    queues = {
        huey.name: {"waiting": huey.pending_count(), "scheduled": huey.scheduled_count()} for huey in (served, unserved)
    }
    # Its own sorted set has the microsecond when it added a message before it.
    added = [int.from_bytes(member[:8], "big") for member in unserved.storage.conn.zrange(unserved.storage.queue_key, 0, -1)]
    latency = time.time() - min(added) / 1e6
    queues["unserved"]["latency"] = latency
    return {"version": importlib.metadata.version("huey"), "queues": queues, "system": {"latency": latency}}


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
