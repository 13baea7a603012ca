"""Practice: simulated stamps whose labels are known, on a hub of one's own, made afresh each time.

``truth.csv`` beside the stamps has a row for each detection: ``OBJID,LABEL,HINT,STAMP,X,Y`` (and
what the simulator used); STAMP, X and Y are where the detection gives itself away.
"""

from __future__ import annotations

import csv
import logging
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import disk
import stamps
from session.settings import ROOT, SessionError, Settings
from session.verdict import Truth

TIMEOUT = 600  # seconds; a thousand fresh stamps took some 70
log = logging.getLogger("artifactspy")


def prepare(
    chosen: Settings, run: Callable[[list[str | Path], float], tuple[int, str]]
) -> dict[str, Truth]:
    """Make the practice folder afresh: a hub of its own, with the practice stamps in it.

    Parameters
    ----------
    chosen : Settings
    run : callable
        Runs a command, as `Sync.run` does.

    Returns
    -------
    dict
        Object ID -> `Truth`.

    Raises
    ------
    SessionError
        It could not be made.
    """
    folder, python = chosen.data, sys.executable
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("labels/open", "labels/waiting", "labels/sent", "chunks"):
        disk.make_private(folder / part)
    source = ROOT / "data" / "practice"
    commands: list[list[str | Path]] = []
    if chosen.fresh:
        source = folder / "stamps"
        count, seed = str(chosen.fresh), str(time.time_ns() % 2**32)
        simulate = ROOT / "data" / "simulate.py"
        commands.append([python, simulate, "practice", source, "--count", count, "--seed", seed])
    commands.append([python, "-m", "cluster", "init", chosen.hub])
    commands.append([python, "-m", "cluster", "add", chosen.hub, source, "--stamp", "practice"])
    for command in commands:
        status, said = run(command, TIMEOUT)
        if status:
            log.error("%s: %s", command, said)
            raise SessionError(f"The practice stamps could not be made ready: {said}")
    return _read_truth(source / "truth.csv")


def _read_truth(path: Path) -> dict[str, Truth]:
    with path.open(newline="", encoding="utf-8") as table:
        return {
            entry["OBJID"]: Truth(
                entry["LABEL"],
                entry["HINT"],
                (stamps.KINDS.index(entry["STAMP"]), int(entry["X"]), int(entry["Y"])),
            )
            for entry in csv.DictReader(table)
        }
