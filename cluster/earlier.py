"""Tables and batches of earlier ArtifactSpy versions become labels and chunks of a hub.

A table is ``USER--….csv``; see `earlier_table`. A batch is ``batch--NNNNN--STAMP.tar.gz``; it
becomes one chunk of the drop STAMP, with the detections that the hub does not have yet. Metadata
are ``STAMP.csv`` (or several STAMPs, joined by commas) with a column OBJID; they come to the
detections of the batches, and to those that the hub has.

A table is treated as if USER had uploaded it: it is kept as ``incoming/USER--TIME-SUM8.csv`` (TIME
is the latest in it, SUM8 the beginning of its SHA-256), and its rows go to ``verified/`` and
``rejected/`` under the same name; what the hub's owner labelled is the expert's. The last row of a
detection counts; SECONDS is 0, for not known. Where a person has dealt with all of a chunk, a slot
in ``claims/`` is theirs and ``earlier/USER/NAME`` closes it: `next` gives it to them no more, and
counts them among its labelers. Of a chunk that they have dealt with in part ``NAME.some``, or of
more than half ``NAME.most``, has the Object IDs.

With ``--expert`` what is no batch is the expert's, and lists of Object IDs go to
``expert/queue.csv``; see `review`. All is done anew each time, with the same outcome, so that a
table whose batch was missing can be given again with it. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import math
import os
import random
import re
import time
from collections.abc import Container, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import disk
import stamps
from cluster import chunks, claims, earlier_table, review, tables, verified
from cluster.drop import Drop
from cluster.earlier_table import Bad, Table
from cluster.hub import PARTLY, STAMP, Hub, HubError, detections, read
from cluster.options import from_caller
from cluster.terminal import Progress, counted
from cluster.verified import Rejected, Verified

VERB = "import"
HELP = "take over what earlier versions left"
EXAMPLE = "Batches/batch--*.tar.gz Metadata/*.csv UserResults/*.csv"

_BATCH = re.compile(rf"batch--[0-9]+--{STAMP.pattern}\.tar\.gz")
_METADATA = re.compile(rf"{STAMP.pattern}(,{STAMP.pattern})*\.csv")
_BEFORE = datetime(2000, 1, 1, tzinfo=earlier_table.UTC)  # any table that was written
_NAMED = 5  # of the rejected rows, in the summary


def options(parser: argparse.ArgumentParser) -> None:
    """Add what follows HUB; see `run`."""
    parser.add_argument(
        "sources",
        metavar="FILE",
        nargs="+",
        type=from_caller,
        help="USER--....csv, batch--NNNNN--STAMP.tar.gz, or metadata STAMP.csv",
    )
    parser.add_argument(
        "--timezone",
        metavar="ZONE",
        default="America/Chicago",
        help="in which the tables' times are (%(default)s)",
    )
    parser.add_argument(
        "--expert",
        action="store_true",
        help="the tables are the expert's (OBJID, LABEL or ACTION, perhaps COMMENT), or lists of "
        "OBJIDs for a second look",
    )


def run(
    folder: str | os.PathLike[str], sources: Sequence[str], timezone: str, expert: bool = False
) -> int:
    """Take over tables and batches, print what became of each, and return the exit status.

    What is none by its name, or is empty, is passed over and named.

    Parameters
    ----------
    folder : str
        The hub's.
    sources : list of str
        Tables, batches and metadata, in any order.
    timezone : str
        In which the tables' times are, such as America/Chicago. Of a time that clocks show twice,
        when summer time ends, the order of the rows tells which is meant, else it is the first; one
        that they never show, when it begins, is taken as if they had not been put forward yet.
    expert : bool
        What is no batch is the expert's: tables of labels, of which the one named last counts where
        they differ, and lists of Object IDs for a second look.

    Raises
    ------
    HubError
        Nothing was taken over: another process is adding, the zone is unknown. Or a source could
        not be read; the others were then taken over.
    """
    hub = Hub(folder)
    hub.owner_only("take over earlier tables")
    zone = earlier_table.zone_of(timezone)
    problems: list[str] = []
    passed: list[str] = []
    batches: list[Path] = []
    metadata: list[Path] = []
    results: list[Table] = []
    again: list[str] = []
    at = _BEFORE
    with chunks.alone(hub), Progress() as progress:
        for source in map(Path, sources):
            try:
                if _BATCH.fullmatch(source.name):
                    if source.exists() and not source.stat().st_size:
                        raise earlier_table.NoTable("it is empty")
                    batches.append(source)
                elif expert:
                    at = max(_written(source), at + timedelta(seconds=1))
                    found = earlier_table.read_expert(source, hub.expert, zone, at)
                    if isinstance(found, list):
                        again += found
                    else:
                        results.append(found)
                elif _METADATA.fullmatch(source.name):
                    metadata.append(source)
                else:
                    results.append(earlier_table.read(source, zone))
            except earlier_table.NoTable as error:
                passed.append(f"{source}: {error}.")
            except stamps.StampError as error:
                problems.append(f"{source}: {error}")
        metadata, others = _of_drops(hub, metadata, batches, results)
        passed += others
        if batches or metadata:
            problems += _take_batches(hub, batches, metadata, progress)
        progress("looking for the tables' detections", at_once=True)
        wanted = {objid for table in results for objid in table.good}.union(again)
        homes: dict[str, str] = {}  # Object ID -> its chunk
        held: dict[str, list[str]] = {}  # chunk -> its Object IDs
        for chunk in hub.chunks() if wanted else ():
            objids = hub.objids(chunk.name)
            if found_here := wanted.intersection(objids):
                homes.update(dict.fromkeys(found_here, chunk.name))
                held[chunk.name] = objids
        told = [line for table in results for line in _take_table(hub, table, homes)]
        closed = sum(_close(hub, user, held) for user in sorted({table.user for table in results}))
        if again:
            told.append(_queue(hub, again, homes))
    for line in told:
        print(line)
    if results:
        print(f"Chunks that one more person has finished: {closed}.")
    for line in passed:
        print(f"Passed over {line}")
    if problems:
        rest = results or batches or metadata or again
        raise HubError(
            f"{'; '.join(problems)}. {'The rest' if rest else 'Nothing'} was taken "
            "over: mend these and import them again."
        )
    return 0


def _written(path: Path) -> datetime:
    """Return when a file was written, in whole seconds: never in the future."""
    with contextlib.suppress(OSError):
        at = min(path.stat().st_mtime, time.time())
        return datetime.fromtimestamp(int(at), earlier_table.UTC)
    return _BEFORE


def _queue(hub: Hub, objids: Sequence[str], homes: Container[str]) -> str:
    """Put detections into the expert's queue; return the line that tells of it."""
    here = [objid for objid in objids if objid in homes]
    new, left = review.queue(hub, here), len(objids) - len(here)
    return (
        f"{counted(new, 'detection waits', 'detections wait')} for a second look of the expert; "
        f"{len(here) - new} did so already, {left} of the list "
        f"{'is' if left == 1 else 'are'} in no chunk of this hub."
    )


def _of_drops(
    hub: Hub, metadata: list[Path], batches: list[Path], results: list[Table]
) -> tuple[list[Path], list[str]]:
    """Return the metadata of drops that the hub, a batch or a table names, and what is of none."""
    known = {stamps.metadata_stamp(chunk.name) for chunk in hub.chunks()} if metadata else set()
    known.update(map(_stamp, batches), *(table.stamps for table in results))
    named = {path: known.isdisjoint(path.name[:-4].split(",")) for path in metadata}
    others = [f"{path}: there is no drop of that name." for path in metadata if named[path]]
    return [path for path in metadata if not named[path]], others


def _some(lines: Sequence[str]) -> Iterator[str]:
    """Go through the first of some lines, and how many more there are."""
    yield from lines[:_NAMED]
    if len(lines) > _NAMED:
        yield f"and {len(lines) - _NAMED} more"


def _take_batches(
    hub: Hub, batches: list[Path], metadata: list[Path], progress: Progress
) -> list[str]:
    """Make chunks of batches with their metadata, and print how many; return what is wrong."""
    problems, usable, columns = [], [], dict[str, None]()
    for path in map(str, metadata):
        progress(f"reading {path}", at_once=True)
        try:
            columns.update(dict.fromkeys(tables.examined(path, hub.rules.group_column).columns))
            usable.append(path)
        except tables.Unusable as error:
            problems.append(f"{path}: {error.reason}")
    with Drop(hub, progress) as drop:
        problems += [problem for problem in map(drop.read, batches) if problem]
        matched = drop.match()
        unused = drop.join(tables.read_several(usable), usable[0]).unused if usable else 0
        contents = (
            content
            for number, batch in enumerate(batches, 1)
            for content in drop.contents(
                _stamp(batch), drop.from_source(number), math.inf, list(columns)
            )
        )
        seed = random.SystemRandom().getrandbits(32)
        new = chunks.write(hub, contents, seed, columns=list(columns), progress=progress)
        gained, lacking = drop.bring(list(columns)), drop.lacking()
        already = drop.already()
    if batches:
        print(
            f"{counted(len(batches), 'batch', 'batches')} became {counted(len(new), 'chunk')} with "
            f"{counted(detections(new), 'detection')}; {matched.incomplete.count} incomplete, "
            f"{already} there already."
        )
    for line in matched.incomplete.lines():
        print(line)
    if metadata:
        left = counted(unused, "row has", "rows have")
        print(
            f"{counted(len(usable), 'metadata table')}: {gained} there already got what they "
            f"lacked, {lacking} new have no row; {left} no stamps."
        )
    return problems


def _stamp(batch: Path) -> str:
    """Return the STAMP of a batch, whose name `_BATCH` matches."""
    return stamps.metadata_stamp(stamps.stem(batch))


def _take_table(hub: Hub, table: Table, homes: dict[str, str]) -> Iterator[str]:
    """Write a table's rows down, and go through the lines that tell of it.

    `homes` has, by Object ID, the chunk that it is in.
    """
    tray, desk = hub.tray(table.user), hub.folder / "expert"
    sha256 = hashlib.sha256(table.data).hexdigest()
    name = f"{table.user}--{table.local:%Y-%m-%d_%H-%M-%S}-{sha256[:8]}.csv"
    kept = tray / "incoming" / name
    with contextlib.suppress(FileExistsError):
        disk.create_whole(kept, table.data, desk=desk)
    if read(kept) != table.data:
        raise HubError(
            f"{kept} is there and not {table.path}, which was not taken over. Remove it if it is "
            "nobody's, and run this again."
        )
    good, bad = [], [*table.bad]
    for label in table.good.values():
        if label.row.objid in homes:
            stamp = stamps.metadata_stamp(homes[label.row.objid])
            good.append(Verified(label.row._replace(metadata_stamp=stamp), table.user))
        else:
            row = label.row._replace(time=label.time)
            bad.append(Bad(label.line, Rejected(row, "OBJID is in no chunk of this hub")))
    bad.sort()
    verified.write(tray, name, good, (one.rejected for one in bad), desk)
    where = tray.relative_to(hub.folder) / "rejected" / name
    told = f", {len(bad)} rejected ({where} says why)" if bad else ""
    yield f"{table.user}: {counted(len(good), 'row')} of {table.path.name} verified{told}."
    for line in _some([f"line {one.line}: {one.rejected.reason}" for one in bad]):
        yield f"  {line}"
    if count := table.odd["twice"]:
        told = "the rows before tell which is meant, else the first was taken."
        yield f"  {counted(count, 'time')} that clocks show twice: {told}"
    if count := table.odd["never"]:
        yield f"  {counted(count, 'time')} that clocks skip: taken as if not put forward yet."


def _close(hub: Hub, user: str, held: dict[str, list[str]]) -> int:
    """Close a person's claims on those of some chunks that they dealt with; return how many.

    Of a chunk of which something is left, what is not left is noted: `receive` closes it when the
    rest comes, and where that is most of it `next` does not give it. `held` has each one's Object
    IDs by its name.
    """
    rows, closed = verified.rows_of(hub, user), 0
    folder = hub.folder / "earlier" / user
    for name, objids in held.items():
        dealt = sorted(rows.keys() & set(objids))
        if hub.has_finished(user, name) or not dealt:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for end in PARTLY:
            (folder / f"{name}.{end}").unlink(missing_ok=True)
        if len(dealt) < len(objids):
            end = PARTLY[2 * len(dealt) > len(objids)]
            disk.write_whole(folder / f"{name}.{end}", "\n".join(dealt).encode())
            continue
        last = max(rows[objid].time for objid in objids)  # like 2026-11-22T13:08:00.123Z
        line = claims.line(user, f"{last[:19]}Z")
        if not hub.is_expert(user):  # whose labels are no votes: they take up no labeler's place
            _take_slot(hub.folder / "claims" / name, user, line)
        disk.create(folder / name, line)
        closed += 1
    return closed


def _take_slot(folder: Path, user: str, line: bytes) -> None:
    taken = claims.slots(folder)
    if any(one.user == user for one in claims.read_slots(str(folder), taken, os.getuid())):
        return
    while True:
        slot = claims.first_free(taken)
        with contextlib.suppress(FileExistsError):
            disk.create(folder / str(slot), line)
            return
        taken.add(slot)
