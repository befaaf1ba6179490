"""How far a fleet is: one line on standard error, or a function's calls."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Literal, TextIO

LINE_S = 30.0
"""How often a log gets a line; a terminal's is renewed twice a second."""


class Progress:
    """Tells of jobs that end."""

    def __init__(self, total: int, told: bool | Callable[[int, int], object], stream: TextIO | None = None) -> None:
        self._total = total
        self._call = told if callable(told) else None
        self._stream = (stream or sys.stderr) if told is True else None
        self._terminal = self._stream is not None and self._stream.isatty()
        self._began = self._written = time.monotonic()
        self._done = self._worked = self._failed = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        if self._stream is not None:
            self._write(0, "\n")
        return False

    def done(self, status: str, count: int = 1) -> None:
        """A job has ended, which counts for so many."""
        self._done += count
        self._worked += count * (status != "skipped")
        self._failed += count * (status == "failed")
        if self._call is not None:
            self._call(self._done, self._total)

    def tick(self, busy: int) -> None:
        """Time has passed, and so many workers are at work."""
        if self._stream is None or time.monotonic() - self._written < (0.5 if self._terminal else LINE_S):
            return
        self._written = time.monotonic()
        self._write(busy, "" if self._terminal else "\n")

    def line(self, busy: int) -> str:
        """The words: what is left takes as long as what was worked on, not what was finished before."""
        spent = time.monotonic() - self._began
        words = f"{self._done}/{self._total}"
        if self._failed:
            words += f", {self._failed} failed"
        if busy:
            words += f", {busy} at work"
        if self._worked and self._done < self._total:
            left = spent / self._worked * (self._total - self._done)
            words += f", {self._worked / spent:.2g} a second, about {_duration(left)} left"
        return words

    def _write(self, busy: int, end: str) -> None:
        if self._stream is not None:
            renewed = "\r\x1b[K" if self._terminal else ""
            print(renewed + self.line(busy), end=end, file=self._stream, flush=True)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
