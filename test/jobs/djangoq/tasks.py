"""The tasks that django-q2's worker runs."""

import time


def ok():
    return "done"


def slow():
    time.sleep(900)


def fails():
    raise RuntimeError("on purpose")
