"""The jobs that RQ's worker runs."""

import time


def ok():
    return "done"


def slow():
    time.sleep(900)


def fails(to):
    raise RuntimeError(f"on purpose for {to}")
