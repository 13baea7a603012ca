"""Practice: stamps whose labels are known, on a hub of one's own, made afresh each time.

They are added to that hub in portions, each when it is asked for the next chunk: the clear ones
first, then those that are as hard as the sky. Stamps that are simulated first begin with a few, so
that nobody waits. ``truth.csv`` beside the stamps has a row for each detection:
``OBJID,LABEL,HINT,STAMP,X,Y`` and perhaps ``ALSO,LEVEL``; STAMP, X and Y are where the detection
gives itself away.
"""

from __future__ import annotations

import csv
import logging
import shutil
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import disk
import stamps
from session.settings import ROOT, SessionError, Settings
from session.verdict import Truth

TIMEOUT = 600  # seconds
LEVELS = "clear", "real"  # of the simulator, in the order in which one learns
FIRST, NEXT = 10, 50  # detections of a portion that is simulated
SHIPPED = ROOT / "data" / "practice"
# Chunks one after the other, as they were added, and none that the expert would label
_RULES = "[hub]\nchunk_size = 100\ngold_share = 0\n"
log = logging.getLogger("artifactspy")


class Portion(NamedTuple):
    """Detections that are added together: those of a level that ship, or so many to be made."""

    level: str
    size: int


class Practice:
    """What is added to the hub of practice, and what is known of it.

    All but `total` is for the errands' thread.

    Parameters
    ----------
    chosen : Settings
    run : callable
        ``run(command, timeout, heard=…)``, as `Sync.run`.

    Attributes
    ----------
    total : int
        How many detections there are to practise on, in all.
    """

    def __init__(self, chosen: Settings, run: Callable[..., tuple[int, str]]):
        self._chosen, self._run = chosen, run
        self.total = chosen.fresh
        self._portions: list[Portion] = []
        self._added = 0
        self._made = 0  # detections, of all portions before
        self._seed = time.time_ns() % 2**32

    def begin(self) -> None:
        """Make the practice folder afresh, with a hub of its own in it.

        Raises
        ------
        SessionError
            It could not be made.
        """
        folder, hub = self._chosen.data, Path(self._chosen.hub)
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("labels/open", "labels/waiting", "labels/sent", "chunks", "stamps"):
            disk.make_private(folder / part)
        self._do([sys.executable, "-m", "cluster", "init", hub])
        (hub / "hub.ini").write_text(_RULES)
        if self._chosen.fresh:
            self._portions = portions(self._chosen.fresh)
        else:
            truth = read_truth(SHIPPED / "truth.csv")
            self.total = len(truth)
            levels = list(dict.fromkeys(each.level for each in truth.values()))
            self._portions = [Portion(level, 0) for level in levels]

    def bring(self, tell: Callable[[str], None]) -> dict[str, Truth]:
        """Add the next portion to the hub, if there is one.

        Parameters
        ----------
        tell : callable
            ``tell(text)``: how far it is.

        Returns
        -------
        dict
            Object ID -> `Truth` of what was added.

        Raises
        ------
        SessionError
            It could not be added; calling this again tries it again.
        """
        if self._added == len(self._portions):
            return {}
        portion, name = self._portions[self._added], f"practice-{self._added + 1}"
        source = self._chosen.data / "stamps" / name
        if portion.size:
            self._simulate(portion, source, tell)
            truth = read_truth(source / "truth.csv")
        else:
            truth = read_truth(SHIPPED / "truth.csv")
            truth = {objid: each for objid, each in truth.items() if each.level == portion.level}
            source = _pack(truth, source.with_name(f"{name}.tar.gz"))
        add = sys.executable, "-m", "cluster", "add"
        self._do([*add, self._chosen.hub, source, "--stamp", name])
        self._added += 1
        self._made += portion.size
        return truth

    def _simulate(self, portion: Portion, folder: Path, tell: Callable[[str], None]) -> None:
        shutil.rmtree(folder, ignore_errors=True)  # of an attempt that failed
        simulate = sys.executable, ROOT / "data" / "simulate.py", "practice"
        options = "--count", str(portion.size), "--seed", str(self._seed + self._added)

        def heard(line: str) -> None:
            if line.isdecimal():
                tell(f"making {self._made + int(line)} of {self.total}")

        self._do([*simulate, folder, *options, "--level", portion.level, "--tell"], heard)

    def _do(self, command: list[str | Path], heard: Callable[[str], None] | None = None) -> None:
        status, said = self._run(command, TIMEOUT, heard=heard)
        if status:
            log.error("%s: %s", command, said)
            raise SessionError(f"The practice stamps could not be made ready: {said}")


def portions(count: int) -> list[Portion]:
    """Divide so many detections: a few first, half of them clear, the other half as hard."""
    found: list[Portion] = []
    for level, left in zip(LEVELS, (count - count // 2, count // 2)):
        while left:
            found.append(Portion(level, min(left, NEXT if found else FIRST)))
            left -= found[-1].size
    return found


def read_truth(path: Path) -> dict[str, Truth]:
    """Return what a truth.csv says, by Object ID."""
    with path.open(newline="", encoding="utf-8") as table:
        return {
            entry["OBJID"]: Truth(
                entry["LABEL"],
                entry["HINT"],
                (stamps.KINDS.index(entry["STAMP"]), int(entry["X"]), int(entry["Y"])),
                entry.get("ALSO") or "",
                entry.get("LEVEL") or "",
            )
            for entry in csv.DictReader(table)
        }


def _pack(objids: dict[str, Truth], path: Path) -> Path:
    """Write the shipped stamps of these detections into an archive, and return its path."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for objid in objids:
            for kind in stamps.KINDS:
                archive.add(SHIPPED / f"{kind}{objid}.gif", f"{kind}{objid}.gif")
    return path
