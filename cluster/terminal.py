"""What the commands say on a terminal: numbers with their nouns, columns, a line of progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Container, Sequence


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number and its noun: ``1 chunk``, ``2 chunks``, ``2 people``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def aligned(rows: Sequence[Sequence[str]], left: Container[int] = (0,)) -> str:
    """Return a table as text: the columns at these places flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


class Progress:
    """One line on the terminal, if there is one, that tells what is going on; gone at the end."""

    def __init__(self) -> None:
        self._on, self._next, self._width = sys.stderr.isatty(), 0.0, 0

    def __call__(self, text: str, at_once: bool = False) -> None:
        """Tell it, unless something was told just before."""
        if self._on and (at_once or time.monotonic() >= self._next):
            self._next = time.monotonic() + 0.2  # an eye follows no faster
            text = text[:78]  # a line that wraps could not be taken back
            sys.stderr.write("\r" + text.ljust(self._width))
            sys.stderr.flush()
            self._width = len(text)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
