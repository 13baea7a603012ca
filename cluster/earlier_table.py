"""A table of earlier ArtifactSpy versions, read: its labels by Object ID, and its bad rows.

It is ``USER--….csv`` with the columns (unnamed index), ``OBJID,ACTION,COMMENT,TIME,
METADATA_STAMP``; TIME is ``mm/dd/yy HH:MM:SS``, local time of a zone that the caller names, and
METADATA_STAMP may be several, joined by commas. Whether the hub has a detection is not known here.
Standard library only.
"""

from __future__ import annotations

import csv
import re
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import NamedTuple

import labelfile
import stamps
from cluster.hub import UPLOAD_LIMIT, USAGE, HubError
from cluster.verified import BLANK, Rejected

UTC = timezone.utc
_COLUMNS = ["OBJID", "ACTION", "COMMENT", "TIME", "METADATA_STAMP"]
_TABLE = re.compile(r"(.+?)--.+\.csv")
_TIME = re.compile(r"([0-9]{2}/){2}[0-9]{2} ([0-9]{2}:){2}[0-9]{2}")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # before that no survey of this kind took pictures
_COMMENT_LINES = 20  # at most, of which one row is made


class Label(NamedTuple):
    """A good row of a table: the line it begins in, what it is in the hub, and TIME as it stood."""

    line: int
    row: labelfile.Row
    time: str


class Bad(NamedTuple):
    """A row for rejected/, and the line of the table it begins in."""

    line: int
    rejected: Rejected


class Table(NamedTuple):
    """A table: where it came from, whose it is, its bytes, and its rows with what was made of them.

    `good` has the labels by Object ID; `stamps` are all in METADATA_STAMP, `local` is the latest
    TIME in the table, and `odd` counts those that clocks show twice or never.
    """

    path: Path
    user: str
    data: bytes
    good: dict[str, Label]
    bad: list[Bad]
    stamps: set[str]
    local: datetime
    odd: Counter[str | None]


class _Moment(NamedTuple):
    """A TIME as it stands and in UTC; `oddity` is "twice" or "never" if clocks show it so."""

    wall: datetime
    at: datetime
    oddity: str | None


def zone_of(name: str) -> tzinfo:
    """Return a zone by a name such as America/Chicago; HubError is raised if there is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; a path; a folder of zones
        raise HubError(
            f"This machine knows no time zone {name!r}: nothing was taken over. Use a name such as "
            "America/Chicago, or UTC.",
            USAGE,
        ) from None


def read(path: Path, zone: tzinfo) -> Table:
    """Read a table, and part its good rows from the bad ones, but for whether the hub has them.

    Raises
    ------
    stamps.StampError
        It is none, or cannot be read.
    """
    match = _TABLE.fullmatch(path.name)
    if match is None or not labelfile.is_user(match[1]):
        raise stamps.StampError("it is neither USER--….csv nor batch--NNNNN--STAMP.tar.gz")
    try:
        if path.stat().st_size > UPLOAD_LIMIT or not path.is_file():
            raise stamps.StampError(f"it is no table of at most {UPLOAD_LIMIT} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise stamps.StampError(f"it cannot be read ({error.strerror})") from error
    records = _records(data.decode("utf-8-sig", "replace"))
    first = next(records, None)
    header = [name.strip() for name in (first and first.fields) or ()]
    # an index has no name, or one that pandas made up
    if header not in (_COLUMNS, [header[0] if header else "", *_COLUMNS]):
        raise stamps.StampError(f"its columns are not those of a table, {', '.join(_COLUMNS)}")
    good: dict[str, Label] = {}
    bad: list[Bad] = []
    odd: Counter[str | None] = Counter()
    local, latest = _EARLIEST.replace(tzinfo=None), datetime.now(UTC) + timedelta(days=1)
    for record in records:
        if record.fields is None or len(record.fields) != len(header):
            row = BLANK._replace(comment=record.text)
            bad.append(Bad(record.line, Rejected(row, "the line is no row")))
            continue
        told = dict(zip(header, map(str.strip, record.fields)))
        comment = "".join(c if c.isprintable() else " " for c in told["COMMENT"])
        row = labelfile.Row(
            objid=told["OBJID"],
            action=told["ACTION"],
            comment=" ".join(comment.split()),
            time=told["TIME"],
            metadata_stamp=told["METADATA_STAMP"],
            seconds="0",
        )
        moment = _moment(row.time, zone)
        if moment is None:
            bad.append(Bad(record.line, Rejected(row, "TIME is not like 11/22/26 13:08:00")))
            continue
        local = max(local, moment.wall)
        label = row._replace(time=moment.at.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        reason = labelfile.check(label)
        if reason is None and not _EARLIEST <= moment.at <= latest:
            reason = "TIME is before 2000 or in the future"
        if reason is not None:
            bad.append(Bad(record.line, Rejected(row, reason)))
            continue
        odd[moment.oddity] += 1
        good.pop(label.objid, None)  # the last row counts, and stands where it came
        good[label.objid] = Label(record.line, label, row.time)
    named = {s for label in good.values() for s in label.row.metadata_stamp.split(",")}
    return Table(path, match[1], data, good, bad, named, local, odd)


class _Record(NamedTuple):
    """A row of a CSV: the number of its first line, its fields, and that line.

    Fields are None for a line that is no row.
    """

    line: int
    fields: list[str] | None
    text: str


def _records(text: str) -> Iterator[_Record]:
    """Go through the rows of a CSV.

    A quote that is not closed within a few lines costs its own line, and not the rest of the table.
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
            yield _Record(first + 1, fields, lines[first][: labelfile.COMMENT_LIMIT])


def _moment(text: str, zone: tzinfo) -> _Moment | None:
    """Return what a TIME means in a zone, or None if it is none."""
    if not _TIME.fullmatch(text):
        return None
    try:
        wall = datetime.strptime(text, "%m/%d/%y %H:%M:%S")
    except ValueError:
        return None
    # PEP 495: with fold 0, what is shown twice is the first, and what is never shown is counted
    # on from before the clocks were put forward
    local, other = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    at, oddity = local.astimezone(UTC), None
    if local.utcoffset() != other.utcoffset():
        oddity = "twice" if at.astimezone(zone).replace(tzinfo=None) == wall else "never"
    return _Moment(wall, at, oddity)
