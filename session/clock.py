"""How long each detection was on screen, how fast a person is, and what was done today."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from datetime import date, datetime

_LATEST = 21  # labels, of which the pace is the median: a pause must not count
_ENOUGH = 5  # labels, from which on there is a pace


class Clock:
    """Runs while a detection is on screen; a monotonic one, whatever the machine's does."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._seconds: dict[str, float] = {}
        self._latest: deque[float] = deque(maxlen=_LATEST)

    @property
    def runs(self) -> bool:
        """Tell whether something is on screen."""
        return self._since is not None

    def start(self) -> None:
        """Begin to count, unless it runs."""
        if self._since is None:
            self._since = time.monotonic()

    def stop(self, objid: str) -> None:
        """Add to what a detection was shown for in all."""
        if self._since is not None:
            self._seconds[objid] = self.seconds(objid) + time.monotonic() - self._since
        self._since = None

    def seconds(self, objid: str) -> float:
        """Return for how long a detection was shown, all its showings together."""
        return self._seconds.get(objid, 0.0)

    def labelled(self, objid: str) -> None:
        """Count a label for the pace."""
        self._latest.append(self.seconds(objid))

    @property
    def pace(self) -> float | None:
        """Return how many labels a minute are given, by the median of the latest; or None."""
        if len(self._latest) < _ENOUGH:
            return None
        middle = sorted(self._latest)[len(self._latest) // 2]
        return 60 / middle if middle else None


def midnight() -> float:
    """Return when today began, local time, in seconds since 1970."""
    return datetime.combine(date.today(), datetime.min.time()).timestamp()


class Today:
    """The detections that were labelled today: since midnight, local time."""

    def __init__(self) -> None:
        self._began = midnight()
        self._objids: set[str] = set()

    def add(self, objids: Iterable[str]) -> None:
        """Count detections that were labelled today; each counts once."""
        self._turn()
        self._objids.update(objids)

    @property
    def count(self) -> int:
        """Return how many there are."""
        self._turn()
        return len(self._objids)

    def _turn(self) -> None:
        if self._began != midnight():
            self._began = midnight()
            self._objids.clear()
