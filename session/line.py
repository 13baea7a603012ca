"""The line of pages that a person goes through: one detection each, back and forth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Detection(NamedTuple):
    """One detection of a chunk; `number` is its place in that, from 1."""

    objid: str
    chunk: str
    number: int


class Line:
    """Pages in their order; past the last one there is nothing to show.

    Attributes
    ----------
    pages : list of Detection
        Those that were labelled first, and then those that are not, in the order of their chunks.
    left : int
        How many have no answer.
    """

    def __init__(self) -> None:
        self.pages: list[Detection] = []
        self.left = 0
        self._at = self._seen = 0  # the page on screen, and the last that was

    @property
    def detection(self) -> Detection | None:
        """Return the page that is on screen."""
        return self.pages[self._at] if self._at < len(self.pages) else None

    @property
    def last(self) -> Detection | None:
        """Return the page on screen, and past the end the one before."""
        return self.detection or (self.pages[-1] if self.pages else None)

    @property
    def ends_here(self) -> bool:
        """Tell whether the chunk of the page on screen is the last one."""
        return self.detection is None or self.pages[-1].chunk == self.detection.chunk

    def around(self) -> list[Detection]:
        """Return the page on screen and its neighbours, the most urgent first."""
        near = (self._at, self._at + 1, self._at - 1, self._at + 2)
        return [self.pages[i] for i in near if 0 <= i < len(self.pages)]

    def add(self, labelled: Iterable[Detection], new: Iterable[Detection]) -> None:
        """Put labelled pages before all others and new ones behind: what is on screen stays so."""
        before, behind = list(labelled), list(new)
        self.pages[:0] = before
        self._at += len(before)
        self._seen += len(before)
        self.pages += behind
        self.left += len(behind)

    def turn(self, pages: int) -> bool:
        """Go so many pages on, or back if negative; tell whether one may, and was there before."""
        if not 0 <= self._at + pages <= self._seen:
            return False
        self._at += pages
        return True

    @property
    def seen_ahead(self) -> int:
        """Return how many pages further on one has been."""
        return self._seen - self._at

    def answered(self, first: bool) -> None:
        """Go one page on, from one that got its `first` answer or another."""
        self.left -= first
        self._at += 1
        self._seen = max(self._seen, self._at)

    def drop(self, answered: bool) -> None:
        """Take the page on screen off the line: the next takes its place."""
        del self.pages[self._at]
        if self._at < self._seen:
            self._seen -= 1
        if not answered:
            self.left -= 1
