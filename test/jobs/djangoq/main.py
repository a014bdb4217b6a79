"""One role of django-q2: main.py produce|work|figures, against the Redis of REDIS_URL."""

import importlib.metadata
import json
import os
import sys
import time

import django
from django.conf import settings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

settings.configure(
    SECRET_KEY="of the test alone",
    INSTALLED_APPS=["django_q"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    USE_TZ=True,
    Q_CLUSTER={
        "name": "mail", "redis": os.environ["REDIS_URL"], "workers": 1, "queue_limit": 1, "timeout": 1800, "retry": 3600,
    },
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.signing import b62_decode  # noqa: E402
from django_q.brokers import get_broker  # noqa: E402
from django_q.tasks import async_task  # noqa: E402


def produce():
    call_command("migrate", verbosity=0)
    for _ in range(3):
        async_task("tasks.ok")
    async_task("tasks.fails")
    # One runs, one is kept for the worker, and one in the hands of the process that fetches them.
    for _ in range(5):
        async_task("tasks.slow")
    for _ in range(2):
        async_task("tasks.ok", cluster="unserved")


def figures():
    """What django-q2's own API tells, under the plugin's names. Of the time there is the signature."""
    queues = {}
    for name in ("mail", "unserved"):
        broker = get_broker(name)
        tasks = broker.connection.lrange(broker.list_key, 0, -1)
        signed = [b62_decode(task.decode().rsplit(":", 2)[1]) for task in tasks]
        queues[name] = {
            "waiting": broker.queue_size(),
            "latency": max((time.time() - at for at in signed), default=0),
        }
    return {"version": importlib.metadata.version("django-q2"), "queues": queues}


def answer():
    for _ in sys.stdin:
        print(json.dumps(figures()), flush=True)


ROLES = {"produce": produce, "work": lambda: call_command("qcluster"), "figures": answer}
if len(sys.argv) != 2 or sys.argv[1] not in ROLES:
    sys.exit("main.py produce|work|figures")
ROLES[sys.argv[1]]()
