"""Folders in which tarballs arrive: what is new in them, and whole, is added, once each.

``arrivals.csv`` (PATH,STATE) says what has been added; STATE is the size and the time of a tarball
and of its table, ``NAME.csv`` beside ``NAME.tar.gz``. What changes counts as new: its detections
that the hub has are passed over, and its table is brought to them. What was written a moment ago,
or cannot be read to its end, may be half copied: it waits. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import disk
from cluster.hub import STAMP, USAGE, Hub, HubError, parsed, read, table

_SETTLED = 60  # seconds after its last write in which a file may still be growing
_LATE = 86400  # seconds after which what is not whole will hardly become so


class Unfinished(HubError):
    """A tarball cannot be read to its end, and nothing of it was added."""


class Arrival(NamedTuple):
    """A tarball, its table or None, the name of its drop or None, and the state of both files."""

    path: Path
    table: Path | None
    stamp: str | None
    state: str
    written: float


def take(
    hub: Hub, folders: Sequence[str], needs_table: bool, add: Callable[[Arrival], object]
) -> None:
    """Add what has arrived in some folders, the oldest first.

    Parameters
    ----------
    hub : Hub
    folders : sequence of str
    needs_table : bool
        What has no table beside it waits.
    add : callable
        Adds an arrival, or raises HubError; what is `Unfinished` is tried again each time.

    Raises
    ------
    HubError
        Something could not be added, or has waited for a day; all the rest was.
    """
    done, problems = _done(hub), dict[str, None]()
    for found in sorted(_arrivals(folders), key=lambda one: (one.written, one.path)):
        age = time.time() - found.written
        if done.get(str(found.path)) == found.state or age < _SETTLED:
            continue
        try:
            if found.table is None and needs_table:
                raise Unfinished(f"{found.path} has no table {found.path.name.split('.')[0]}.csv")
            add(found)
        except HubError as error:
            if not isinstance(error, Unfinished) or age > _LATE:
                problems[str(error)] = None
            continue
        done[str(found.path)] = found.state
        disk.write_whole(hub.folder / "arrivals.csv", table(("PATH", "STATE"), done.items()))
    if problems:
        raise HubError(" ".join(problems))


def _done(hub: Hub) -> dict[str, str]:
    with contextlib.suppress(FileNotFoundError):
        _, *rows = parsed(read(hub.folder / "arrivals.csv"))
        return {row[0]: row[1] for row in rows}
    return {}


def _arrivals(folders: Sequence[str]) -> Iterator[Arrival]:
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise HubError(
                f"{folder} is no folder: nothing was added. With --arriving name folders in which "
                "tarballs arrive.",
                USAGE,
            )
        for path in folder.iterdir():
            stem, end = path.name.partition(".")[::2]
            if end not in ("tar.gz", "tgz") or not stem:
                continue
            beside = path.with_name(f"{stem}.csv")
            with contextlib.suppress(FileNotFoundError):  # it went as we looked
                files = [path, *([beside] if beside.exists() else [])]
                seen = [os.stat(file) for file in files]
                yield Arrival(
                    path.resolve(),
                    beside if len(files) > 1 else None,
                    stem if STAMP.fullmatch(stem) else None,
                    " ".join(f"{one.st_size} {one.st_mtime_ns}" for one in seen),
                    max(one.st_mtime for one in seen),
                )
