"""Stamps and their metadata table become chunks, in random order or the most uncertain first.

The stamps are gathered and looked at by a `Drop` and written by `chunks`; the order follows from
the seed that chunks.csv records. Standard library only, but for the processes of `looking`.
"""

from __future__ import annotations

import argparse
import math
import os
import random
from collections.abc import Container, Sequence

import disk
import stamps
from cluster import arrivals, chunks, tables
from cluster.drop import Drop
from cluster.hub import REFUSED, STAMP, USAGE, Hub, HubError, detections
from cluster.options import from_caller
from cluster.tables import SCORE
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
    parser.add_argument(
        "--format",
        choices=stamps.FORMATS,
        help="take these stamps (GIF, where a detection has both)",
    )
    parser.add_argument("--stamp", help="the drop's name (the time, if not given)")
    parser.add_argument(
        "--min-score",
        metavar="S",
        type=float,
        help="leave out detections whose PHOTPROB is below S (0.8 is usual for DES)",
    )
    parser.add_argument(
        "--require-score",
        action="store_true",
        help="leave out detections without a PHOTPROB, too",
    )
    parser.add_argument(
        "--require-metadata",
        action="store_true",
        help="leave out detections without a row of the table",
    )
    parser.add_argument(
        "--arriving",
        action="store_true",
        help="STAMPS are folders in which tarballs arrive, each perhaps with a table NAME.csv "
        "beside NAME.tar.gz: add what is new and whole, and say nothing if nothing is (for cron)",
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
    format: str | None = None,
    seed: int | None = None,
    require_score: bool = False,
    require_metadata: bool = False,
    arriving: bool = False,
    whole: bool = False,
) -> int:
    """Cut stamps into chunks, print how many, and return the exit status.

    Parameters
    ----------
    folder : str
        The hub's.
    sources : list of str
        Archives (tar.gz), and folders that hold stamps at any depth.
    metadata : str, optional
        A CSV with a column OBJID. Those that the hub has already get what it says of them, too.
    lightcurves : str, optional
        A folder of SNANA light curves, at any depth, to be used as if they were such a CSV.
    stamp : str, optional
        The drop's name; the time if not given.
    min_score : float, optional
        Leave out detections whose PHOTPROB is below it. Those without one (none in the table, no
        number, or negative as SNANA's -9) pass.
    order : str
        "random", or "uncertain": PHOTPROB nearest 0.5 first, those without one last.
    format : {None, "gif", "fits"}
        Take stamps of this one of `stamps.FORMATS` alone; see `stamps.one_format`.
    seed : int, optional
        Of the random order; drawn if not given.
    require_score, require_metadata : bool
        Leave out what has no PHOTPROB, or no row of the table.
    arriving : bool
        The sources are folders in which tarballs arrive; see `arrivals`. Each becomes a drop of its
        name, with the table that lies beside it, else with the one that is given.
    whole : bool
        Add nothing if a source cannot be read to its end.

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
    by_score = min_score is not None or require_score or order == "uncertain"
    if arriving and stamp:
        raise HubError(
            "--arriving takes folders, whose tarballs name their drops themselves, and no --stamp: "
            "nothing was added.",
            USAGE,
        )
    if arriving:

        def add(found: arrivals.Arrival) -> None:
            used = {stamps.metadata_stamp(chunk.name) for chunk in hub.chunks()}
            run(
                folder,
                [str(found.path)],
                metadata if found.table is None else str(found.table),
                lightcurves if found.table is None else None,
                stamp=None if found.stamp in used else found.stamp,
                min_score=min_score,
                order=order,
                format=format,
                seed=seed,
                require_score=require_score,
                require_metadata=require_metadata,
                whole=True,
            )

        needs_table = require_score or require_metadata or by_score
        arrivals.take(hub, sources, needs_table and path is None, add)
        return 0
    if path is None and require_metadata:
        raise HubError("Name a table with --metadata: nothing was added.", USAGE)
    open_table = tables.read_csv if lightcurves is None else tables.read_light_curves
    with chunks.alone(hub), Progress() as progress, Drop(hub, progress) as drop:
        stamp = _unused_stamp(stamp, {stamps.metadata_stamp(chunk.name) for chunk in hub.chunks()})
        # a table of no use should be known before hours of copying
        columns: list[str] = []
        total = 0
        if path is not None:
            progress(f"reading {path}", at_once=True)
            columns, total = tables.examined(path, hub.rules.group_column, open_table)
        if by_score and SCORE not in columns:
            raise HubError(
                "--min-score, --require-score and --order uncertain need a table with a column "
                f"{SCORE}: nothing was added. Name one with --metadata or --lightcurves, or leave "
                "them out.",
                USAGE,
            )
        told = "; ".join(filter(None, map(drop.read, sources)))
        if told and whole:
            raise arrivals.Unfinished(f"{told}. Nothing of it was added.")
        matched = drop.match(format)
        drop.replace(format)
        unused = 0
        if path is not None:
            progress(f"looking for them in {path}", at_once=True)
            unused, any_fits = drop.join(open_table(path), path)
            if matched.found and not any_fits:
                raise HubError(
                    f"{told}{'. ' if told else ''}None of the {counted(total, 'row')} of {path} "
                    "belongs to these stamps: nothing was added. Is it the right table?",
                    REFUSED,
                )
        below = drop.cut(min_score)
        rowless = drop.require("fields") if require_metadata else 0
        scoreless = drop.require("score") if require_score else 0
        unreadable, blind = drop.look(format)
        unscored, lacking = drop.unscored(), drop.lacking() if path is not None else 0
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        cuts = [f"{SCORE}>={min_score}"] if min_score is not None else []
        cuts += [f"with {SCORE}"] * require_score + ["with a row"] * require_metadata
        contents = drop.contents(stamp, drop.ordered(seed, order), hub.rules.chunk_size, columns)
        already, again, both = drop.already(), drop.again(), drop.both()
        new = chunks.write(hub, contents, seed, "; ".join(cuts), columns, progress)
        gained = drop.bring(columns)
    if told and not new:
        raise HubError(f"{told}. Nothing was added.")
    added = f"Added {counted(detections(new), 'detection')} in {counted(len(new), 'chunk')} as drop"
    told_more = [f"{matched.incomplete.count} incomplete", f"{already} there already"]
    if min_score is not None:
        told_more.append(f"{below} below {SCORE} {min_score}")
    if require_metadata:
        told_more.append(f"{rowless} without a row")
    if require_score:
        told_more.append(f"{scoreless} without {SCORE}")
    if unreadable.count:
        told_more.append(f"{unreadable.count} that cannot be shown")
    if again:
        told_more.append(f"{again} anew that could only be skipped")
    if both and format is None:
        told_more.append(f"{both} both as GIF and as FITS, of which GIF was taken")
    print(f"{added} {stamp}" if new else "Nothing was added", f"{', '.join(told_more)}.", sep="; ")
    for line in (*matched.incomplete.lines(), *unreadable.lines()):
        print(line)
    if blind:
        print(
            f"  Stamps were taken without a look at them ({blind}): whether people can see them "
            "tells an add with a Python that has numpy, Pillow and astropy."
        )
    if gained:
        print(f"  {counted(gained, 'detection')} of the hub got what {path} says.")
    if drop.sources.passed:
        files = counted(drop.sources.passed, "file was", "files were")
        print(f"  {files} passed over, such as {drop.sources.example}: no name of a stamp.")
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
