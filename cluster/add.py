"""Stamps and their metadata table become chunks, in random order or the most uncertain first.

The stamps are gathered by a `Drop` and written by `chunks`; the order follows from the seed that
chunks.csv records. Standard library only.
"""

from __future__ import annotations

import argparse
import math
import os
import random
from collections.abc import Callable, Container, Sequence

import disk
import stamps
from cluster import chunks, tables
from cluster.drop import Drop
from cluster.hub import REFUSED, STAMP, USAGE, Hub, HubError, detections
from cluster.options import from_caller
from cluster.tables import SCORE, Table
from cluster.terminal import Progress, counted

VERB = "add"
HELP = "cut stamps into chunks"
EXAMPLE = "night1.tar.gz --metadata night1.csv"


def options(parser: argparse.ArgumentParser) -> None:
    """Add what follows HUB; see `run`."""
    parser.add_argument(
        "sources",
        metavar="STAMPS",
        nargs="+",
        type=from_caller,
        help="a tar.gz of stamps, or a folder that holds some at any depth",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--metadata", metavar="CSV", type=from_caller, help="a table with an OBJID column"
    )
    either.add_argument(
        "--lightcurves",
        metavar="DIR",
        type=from_caller,
        help="a folder of SNANA light curves, whose OBS lines are the table",
    )
    parser.add_argument("--stamp", help="the drop's name (the time, if not given)")
    parser.add_argument(
        "--min-score",
        metavar="S",
        type=float,
        help="leave out detections whose PHOTPROB is below S (0.8 is usual for DES)",
    )
    parser.add_argument(
        "--order",
        choices=("random", "uncertain"),
        default="random",
        help="uncertain: those whose PHOTPROB is nearest 0.5 first",
    )


def run(
    folder: str | os.PathLike[str],
    sources: Sequence[str],
    metadata: str | None = None,
    lightcurves: str | None = None,
    stamp: str | None = None,
    min_score: float | None = None,
    order: str = "random",
    seed: int | None = None,
) -> int:
    """Cut stamps into chunks, print how many, and return the exit status.

    Parameters
    ----------
    folder : str
        The hub's.
    sources : list of str
        Archives (tar.gz), and folders that hold stamps at any depth.
    metadata : str, optional
        A CSV with a column OBJID.
    lightcurves : str, optional
        A folder of SNANA light curves, at any depth, to be used as if they were such a CSV.
    stamp : str, optional
        The drop's name; the time if not given.
    min_score : float, optional
        Leave out detections whose PHOTPROB is below it. Those without one (none in the table, no
        number, or negative as SNANA's -9) pass.
    order : str
        "random", or "uncertain": PHOTPROB nearest 0.5 first, those without one last.
    seed : int, optional
        Of the random order; drawn if not given.

    Raises
    ------
    HubError
        Nothing was added: another process is adding, the table cannot be used or is another's,
        and so on. Or a source could not be read to its end; what could be read was then added.
    """
    hub = Hub(folder)
    hub.owner_only("add stamps")
    if min_score is not None and not math.isfinite(min_score):
        raise HubError(f"{min_score} is no score: nothing was added. Use one like 0.8.", USAGE)
    path = metadata if lightcurves is None else lightcurves
    open_table = tables.read_csv if lightcurves is None else tables.read_light_curves
    by_score = min_score is not None or order == "uncertain"
    with chunks.alone(hub), Progress() as progress, Drop(hub, progress) as drop:
        stamp = _unused_stamp(stamp, {stamps.metadata_stamp(chunk.name) for chunk in hub.chunks()})
        # a table of no use should be known before hours of copying
        columns, total = _check_table(open_table, path, by_score, progress)
        told = "; ".join(filter(None, map(drop.read, sources)))
        matched = drop.match()
        unused = lacking = 0
        if path is not None:
            progress(f"looking for them in {path}", at_once=True)
            unused, lacking, any_fits = drop.join(open_table(path))
            if matched.found and not any_fits:
                raise HubError(
                    f"{told}{'. ' if told else ''}None of the {counted(total, 'row')} of {path} "
                    "belongs to these stamps: nothing was added. Is it the right table?",
                    REFUSED,
                )
        below, unscored = drop.cut(min_score), drop.unscored()
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        cut = "" if min_score is None else f"{SCORE}>={min_score}"
        contents = drop.contents(stamp, drop.ordered(seed, order), hub.rules.chunk_size, columns)
        new = chunks.write(hub, contents, seed, cut, columns, progress)
        already = drop.already()
    if told and not new:
        raise HubError(f"{told}. Nothing was added.")
    added = f"Added {counted(detections(new), 'detection')} in {counted(len(new), 'chunk')} as drop"
    left_out = "" if min_score is None else f", {below} below {SCORE} {min_score}"
    print(
        f"{added} {stamp}" if new else "Nothing was added",
        f"{matched.incomplete} incomplete, {already} there already{left_out}.",
        sep="; ",
    )
    for line in matched.lines():
        print(line)
    if by_score and unscored:
        verb = "is last" if min_score is None else "passed"
        verb = verb if unscored == 1 else verb.replace("is", "are")
        print(f"  {counted(unscored, 'detection')} without {SCORE} {verb}.")
    if lacking or unused:
        print(
            f"  {counted(lacking, 'detection has', 'detections have')} no row in {path}; "
            f"{counted(unused, 'of its rows has', 'of its rows have')} no stamps."
        )
    if told:
        raise HubError(f"{told}. What could be read was added: mend the rest and add it again.")
    return 0


def _unused_stamp(stamp: str | None, used: Container[str]) -> str:
    if stamp is None:
        return next(name for name in disk.time_names() if name not in used)
    if not STAMP.fullmatch(stamp):
        raise HubError(
            f"{stamp!r} cannot name a drop: nothing was added. Use 1 to 64 letters, digits, _ and "
            "-, no - in front and no --.",
            USAGE,
        )
    if stamp in used:
        raise HubError(
            f"The hub has a drop {stamp} already: nothing was added. Leave out --stamp, or choose "
            "another one.",
            REFUSED,
        )
    return stamp


def _check_table(
    open_table: Callable[[str], Table], path: str | None, by_score: bool, progress: Progress
) -> tuple[list[str], int]:
    """Go through a table once; return its columns without OBJID, and how many rows it has."""
    columns: list[str] = []
    total = 0
    if path is not None:
        progress(f"reading {path}", at_once=True)
        table = open_table(path)
        columns = [*table.columns]
        if "OBJID" not in columns:
            found = ", ".join(columns)[:500] or "none"
            raise tables.unusable(path, f"it has no column OBJID; its columns are {found}")
        total = sum(1 for _ in table.rows)
        columns.remove("OBJID")
    if by_score and SCORE not in columns:
        raise HubError(
            f"--min-score and --order uncertain need a table with a column {SCORE}: nothing was "
            "added. Name one with --metadata or --lightcurves, or leave them out.",
            USAGE,
        )
    return columns, total
