"""Reads ahead: the next pictures are decoded while those before them are measured, which both run without the
interpreter's lock."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")

_AHEAD = 8


def ahead(items: Iterator[_Item]) -> Generator[_Item, None, None]:
    """The same items, a few of which are made before they are asked for. Closing it ends the reading."""
    made: queue.Queue[tuple[list[_Item], BaseException | None]] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(items: list[_Item], cause: BaseException | None = None) -> bool:
        while not stopped.is_set():
            try:
                made.put((items, cause), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for item in items:
                if not put([item]):
                    return
        except BaseException as cause:  # raised where the items are used
            put([], cause)
            return
        put([])

    thread = threading.Thread(target=read, name="spatial_reward reads ahead", daemon=True)
    thread.start()
    try:
        while True:
            got, cause = made.get()
            if cause is not None:
                raise cause
            if not got:
                return
            yield from got
    finally:
        stopped.set()
        thread.join()
