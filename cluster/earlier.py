"""Tables and batches of earlier ArtifactSpy versions become labels and chunks of a hub.

A table is ``USER--….csv`` with the columns (unnamed index), ``OBJID,ACTION,COMMENT,TIME,
METADATA_STAMP``; TIME is ``mm/dd/yy HH:MM:SS``, local time of a zone that the caller names, and
METADATA_STAMP may be several, joined by commas. A batch is ``batch--NNNNN--STAMP.tar.gz``; it
becomes one chunk of the drop STAMP, with the detections that the hub does not have yet.

A table is treated as if USER had uploaded it: it is kept as ``incoming/USER--TIME-SUM8.csv`` (TIME
is the latest in it, SUM8 the beginning of its SHA-256), and its rows go to ``verified/`` and
``rejected/`` under the same name; what the hub's owner labelled is the expert's. The last row of a
detection counts; SECONDS is 0, for not known. Where a person has dealt with all of a chunk, a slot
in ``claims/`` is theirs and ``earlier/USER/NAME`` closes it: `next` gives it to them no more, and
counts them among its labelers. All is done anew each time, with the same outcome, so that a table
whose batch was missing can be given again with it. Standard library only.
"""

import contextlib
import csv
import hashlib
import math
import os
import random
import re
import zoneinfo
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import disk
import labels
import stamps
from cluster import receive
from cluster.add import Drop, Progress, alone, write_chunks
from cluster.handout import read_claim
from cluster.hub import (
    FILE_LIMIT,
    STAMP,
    USAGE,
    Hub,
    HubError,
    account_name,
    counted,
    read,
)

UTC = timezone.utc
_COLUMNS = ["OBJID", "ACTION", "COMMENT", "TIME", "METADATA_STAMP"]
_BATCH = re.compile(rf"batch--[0-9]+--({STAMP.pattern})\.tar\.gz")
_TABLE = re.compile(r"(.+?)--.+\.csv")
_TIME = re.compile(r"([0-9]{2}/){2}[0-9]{2} ([0-9]{2}:){2}[0-9]{2}")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # before that no survey of this kind took pictures
_COMMENT_LINES = 20  # at most, of which one row is made
_NAMED = 5  # of the rejected rows, in the summary


class _Table(NamedTuple):
    """A table: where it came from, whose it is, its bytes, and its rows with what was made of them.

    `good` has by Object ID the line's number, the `labels.Row` and TIME as it stands, `bad` pairs
    of a number and the row for rejected/; `local` is the latest TIME in it, and `odd` counts those
    that clocks show twice or never.
    """

    path: Path
    user: str
    data: bytes
    good: dict
    bad: list
    local: datetime
    odd: Counter


def take_over(folder, sources, timezone):
    """Take over tables and batches, print what became of each, and return the exit status.

    Parameters
    ----------
    folder : str
        The hub's.
    sources : list of str
        Tables and batches, in any order.
    timezone : str
        In which the tables' times are, such as America/Chicago. Of a time that clocks show twice,
        when summer time ends, the first is meant; one that they never show, when it begins, is
        taken as if they had not been put forward yet.

    Raises
    ------
    HubError
        Nothing was taken over: another process is adding, the zone is unknown. Or a source could
        not be read; the others were then taken over.
    """
    hub = Hub(folder)
    hub.owner_only("take over earlier tables")
    zone = _zone(timezone)
    problems, batches, tables = [], [], []
    with alone(hub), Progress() as progress:
        for source in map(Path, sources):
            try:
                if _BATCH.fullmatch(source.name):
                    batches.append(source)
                else:
                    tables.append(_read_table(source, zone))
            except stamps.StampError as error:
                problems.append(f"{source}: {error}")
        if batches:
            problems += _take_batches(hub, batches, progress)
        progress("looking for the tables' detections", at_once=True)
        wanted = {objid for earlier in tables for objid in earlier.good}
        homes, chunks = {}, {}
        for chunk in hub.chunks() if wanted else ():
            objids = hub.objids(chunk.name)
            if found := wanted.intersection(objids):
                homes.update(dict.fromkeys(found, chunk.name))
                chunks[chunk.name] = objids
        told = [line for earlier in tables for line in _take_table(hub, earlier, homes)]
        closed = sum(
            _close(hub, user, chunks) for user in sorted({earlier.user for earlier in tables})
        )
    for line in told:
        print(line)
    if tables:
        print(f"Chunks that one more person has finished: {closed}.")
    if problems:
        raise HubError(
            f"{'; '.join(problems)}. {'The rest' if tables or batches else 'Nothing'} was taken "
            "over: mend these and import them again."
        )
    return 0


def _zone(name):
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; a path; a folder of zones
        raise HubError(
            f"This machine knows no time zone {name!r}: nothing was taken over. Use a name such as "
            "America/Chicago, or UTC.",
            USAGE,
        ) from None


def _take_batches(hub, batches, progress):
    """Make chunks of batches, and print how many; return what is wrong with which."""
    listed = list(hub.chunks())
    with Drop(hub, progress) as drop:
        problems = [problem for problem in map(drop.read, batches) if problem]
        _, incomplete, why = drop.match()
        groups = (
            (_BATCH.fullmatch(batch.name)[1], group)
            for number, batch in enumerate(batches, 1)
            for group in drop.groups(drop.from_source(number), math.inf)
        )
        seed = random.SystemRandom().getrandbits(32)
        new = write_chunks(hub, drop, listed, groups, seed, progress=progress)
        already = drop.already()
    count = sum(int(chunk.detections) for chunk in new)
    print(
        f"{counted(len(batches), 'batch', 'batches')} became {counted(len(new), 'chunk')} with "
        f"{counted(count, 'detection')}; {incomplete} incomplete, {already} there already."
    )
    for objid, reasons in why:
        print(f"  {objid}: {reasons}")
    if incomplete > len(why):
        print(f"  and {incomplete - len(why)} more")
    return problems


def _read_table(path, zone):
    """Read a table, and part its good rows from the bad ones, but for whether the hub has them."""
    match = _TABLE.fullmatch(path.name)
    if match is None or not labels.is_user(match[1]):
        raise stamps.StampError("it is neither USER--….csv nor batch--NNNNN--STAMP.tar.gz")
    try:
        if path.stat().st_size > FILE_LIMIT or not path.is_file():
            raise stamps.StampError(f"it is no table of at most {FILE_LIMIT} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise stamps.StampError(f"it cannot be read ({error.strerror})") from error
    records = _records(data.decode("utf-8-sig", "replace"))
    _, header, _ = next(records, (0, None, ""))
    header = [name.strip() for name in header or ()]
    # an index has no name, or one that pandas made up
    if header not in (_COLUMNS, [header[0] if header else "", *_COLUMNS]):
        raise stamps.StampError(f"its columns are not those of a table, {', '.join(_COLUMNS)}")
    good, bad, odd = {}, [], Counter()
    local, latest = _EARLIEST.replace(tzinfo=None), datetime.now(UTC) + timedelta(days=1)
    for number, fields, text in records:
        if fields is None or len(fields) != len(header):
            bad.append((number, receive.shown("", "", text, "", "", "", "the line is no row")))
            continue
        objid, action, comment, time, stamp = (field.strip() for field in fields[-5:])
        comment = " ".join("".join(c if c.isprintable() else " " for c in comment).split())
        at, reason = None, None
        try:
            wall, at, oddity = _moment(time, zone)
        except ValueError:
            reason = "TIME is not like 11/22/26 13:08:00"
        else:
            local = max(local, wall)
            if not _EARLIEST <= at <= latest:
                reason = "TIME is before 2000 or in the future"
            time = at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        entry = labels.Row(objid, action, comment, time, stamp, "0")
        reason = (at and labels.check(entry)) or reason
        if reason:
            fields = (*entry[:3], fields[-2].strip(), *entry[4:], reason)
            bad.append((number, receive.shown(*fields)))
            continue
        odd[oddity] += 1
        good.pop(objid, None)  # the last row counts, and stands where it came
        good[objid] = number, entry, fields[-2].strip()
    return _Table(path, match[1], data, good, bad, local, odd)


def _records(text):
    """Go through the rows of a CSV: number of the first line, fields, and that line.

    Fields are None for a line that is no row. A quote that is not closed within a few lines costs
    its own line, and not the rest of the table.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    place = 0
    while place < len(lines):
        first, end, fields = place, place, None
        while fields is None and end < min(first + _COMMENT_LINES, len(lines)):
            end += 1
            try:
                (fields,) = csv.reader((line + "\n" for line in lines[first:end]), strict=True)
            except csv.Error as error:
                if "unexpected end" not in str(error):
                    break
        place = first + 1 if fields is None else end
        if lines[first].strip():
            yield first + 1, fields, lines[first][: labels.COMMENT_LIMIT]


def _moment(text, zone):
    """Return a TIME as it stands, in UTC, and "twice" or "never" if clocks show it so, else None.

    Raises ValueError if it is none.
    """
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    wall = datetime.strptime(text, "%m/%d/%y %H:%M:%S")
    # PEP 495: with fold 0, what is shown twice is the first, and what is never shown is counted
    # on from before the clocks were put forward
    local, other = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    at, oddity = local.astimezone(UTC), None
    if local.utcoffset() != other.utcoffset():
        oddity = "twice" if at.astimezone(zone).replace(tzinfo=None) == wall else "never"
    return wall, at, oddity


def _take_table(hub, earlier, homes):
    """Write a table's rows down, and return the lines that tell of it.

    `homes` has, by Object ID, the chunk that it is in.
    """
    folder = hub.folder / "expert" if hub.is_expert(earlier.user) else hub.folder
    sha256 = hashlib.sha256(earlier.data).hexdigest()
    name = f"{earlier.user}--{earlier.local:%Y-%m-%d_%H-%M-%S}-{sha256[:8]}.csv"
    kept = folder / "incoming" / name
    with contextlib.suppress(FileExistsError):
        receive.create_whole(kept, earlier.data)
    if read(kept) != earlier.data:
        raise HubError(
            f"{kept} is there and not {earlier.path}, which was not taken over. Remove it if it is "
            "nobody's, and run this again."
        )
    good, bad = [], list(earlier.bad)
    for objid, (number, entry, time) in earlier.good.items():
        if objid in homes:
            entry = entry._replace(metadata_stamp=stamps.metadata_stamp(homes[objid]))
            good.append([*entry, earlier.user])
        else:
            entry = entry._replace(time=time)
            bad.append((number, receive.shown(*entry, "OBJID is in no chunk of this hub")))
    bad.sort()
    receive.write_rows(folder, name, good, [line for _, line in bad])
    where = folder.relative_to(hub.folder) / "rejected" / name
    told = f", {len(bad)} rejected ({where} says why)" if bad else ""
    yield f"{earlier.user}: {counted(len(good), 'row')} of {earlier.path.name} verified{told}."
    for number, line in bad[:_NAMED]:
        yield f"  line {number}: {line[-1]}"
    if len(bad) > _NAMED:
        yield f"  and {len(bad) - _NAMED} more"
    if count := earlier.odd["twice"]:
        yield f"  {counted(count, 'time')} that clocks show twice: the first was taken."
    if count := earlier.odd["never"]:
        yield f"  {counted(count, 'time')} that clocks skip: taken as if not put forward yet."


def _close(hub, user, chunks):
    """Close a person's claims on those of some chunks that they dealt with; return how many.

    `chunks` has each one's Object IDs by its name.
    """
    expert = hub.is_expert(user)
    folder = hub.folder / "expert" if expert else hub.folder
    dealt, closed = {}, 0
    for path in folder.glob(f"verified/{user}--*.csv"):
        with contextlib.suppress(OSError, HubError, csv.Error):  # as `collect` tells
            owner, rows = receive.read_rows(path)
            if owner == hub.owner or account_name(owner) == user:
                dealt.update((row[0], row[3]) for row in rows if row and row[-1] == user)
    for name, objids in chunks.items():
        if hub.has_finished(user, name) or not dealt.keys() >= set(objids):
            continue
        last = max(dealt[objid] for objid in objids)  # like 2026-11-22T13:08:00.123Z
        line = f"{user} {last[:19]}Z\n".encode()
        if not expert:  # whose labels are no votes, so that they take up no labeler's place
            _take_slot(hub.folder / "claims" / name, user, line)
        note = hub.folder / "earlier" / user / name
        note.parent.mkdir(parents=True, exist_ok=True)
        disk.create(note, line)
        closed += 1
    return closed


def _take_slot(slots, user, line):
    taken = sorted(map(int, filter(str.isdecimal, os.listdir(slots))))
    if any(read_claim(slots / str(number)).user == user for number in taken):
        return
    number = max(taken, default=0) + 1
    while True:
        with contextlib.suppress(FileExistsError):
            disk.create(slots / str(number), line)
            return
        number += 1
