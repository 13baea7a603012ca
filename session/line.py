"""The line of pages that a person goes through: one detection each, back and forth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Detection(NamedTuple):
    """One detection of a chunk; `number` is its place in that, from 1 (in practice in all)."""

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

    def may_turn(self, pages: int) -> bool:
        """Tell whether one may go so many pages on, or back if negative: one was there before."""
        return 0 <= self._at + pages <= self._seen

    def turn(self, pages: int) -> bool:
        """Go so many pages on, or back if negative; tell whether one may."""
        if not self.may_turn(pages):
            return False
        self._at += pages
        return True

    @property
    def seen_ahead(self) -> int:
        """Return how many pages further on one has been."""
        return self._seen - self._at

    def past(self, count: int) -> list[Detection]:
        """Return the latest pages that one has left behind, or earlier ones from this one on."""
        first = max(0, min(self._at, self._seen - count))
        return self.pages[first : min(first + count, self._seen)]

    def way_to(self, objid: str) -> int | None:
        """Return how many pages further on a detection is, or None if it was not seen yet."""
        seen = self.pages[: self._seen + 1]
        places = (i for i, page in enumerate(seen) if page.objid == objid)
        return next((place - self._at for place in places), None)

    def answered(self, first: bool, stays: bool = False) -> None:
        """Go one page on, from one that got its `first` answer or another; or only be free to."""
        self.left -= first
        self._seen = max(self._seen, self._at + 1)
        self._at += not stays

    def bring(self, alike: Callable[[Detection], bool], pages: int) -> bool:
        """Let one of the pages that are `alike` come soon; tell whether there is one at all.

        Parameters
        ----------
        alike : callable
            Told of a page that was not seen yet.
        pages : int
            How many others come before.
        """
        first = max(self._seen, self._at + 1)
        soon = first + pages
        place = next((i for i in range(first, len(self.pages)) if alike(self.pages[i])), None)
        if place is not None and place > soon:
            self.pages.insert(soon, self.pages.pop(place))
        return place is not None

    def put_off(self, pages: int) -> bool:
        """Let the page on screen, which is the last that was seen, come once more, unanswered.

        Parameters
        ----------
        pages : int
            How many others come before, at most.

        Returns
        -------
        bool
            False if it is not the last seen, or nothing comes after it.
        """
        if self._at + 1 != self._seen or self._seen == len(self.pages):
            return False
        self.pages.insert(self._at + pages, self.pages.pop(self._at))
        self._seen -= 1
        self.left += 1
        return True

    def drop(self, answered: bool) -> None:
        """Take the page on screen off the line: the next takes its place."""
        del self.pages[self._at]
        if self._at < self._seen:
            self._seen -= 1
        if not answered:
            self.left -= 1
