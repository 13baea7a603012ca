"""What became of uploads, row by row: labels that count, and rows that were rejected with a reason.

``verified/FILE`` has a label file's columns and USER, ``rejected/FILE`` the same columns and REASON
(a line that is no row stands under COMMENT, what cannot be shown is U+FFFD). Both are read by the
names in their headers, so that what the hub wrote when rows had fewer columns still counts. Of a
person's rows of one detection the latest TIME counts, but a label stands above what was skipped in
another drop. Where a TIME cannot be, since the laptop's clock was wrong, TIME is when the row
arrived, and what the clock said stands in a column CLOCK.

Everyone can write into verified/, so what is read there is verified again: whose file it is, that
its person was given the detection, and TIME. Only the hub's owner is believed. Standard library
only.
"""

from __future__ import annotations

import contextlib
import csv
import re
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import disk
import labelfile
import labels
from cluster.hub import (
    UPLOAD_LIMIT,
    Hub,
    HubError,
    account_name,
    parsed,
    printable,
    read_owned,
    table,
    user_name,
)

UPLOAD = re.compile(r"(.+)--([0-9]{4}-\d\d-\d\d_\d\d-\d\d-\d\d(?:-[0-9a-f]{8})?)\.csv", re.ASCII)
COLUMNS = (*labelfile.COLUMNS, "USER")
REJECTED = (*labelfile.COLUMNS, "REASON")
Rows = Mapping[tuple[str, str], labelfile.Row]  # by USER and OBJID
_EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.utc).timestamp()  # `import` takes no older ones
_SKEW = 86400  # seconds; hubs of before believed clocks that were a day ahead
BLANK = labelfile.Row(*("" for _ in labelfile.COLUMNS))  # what is known of a line that is no row


class Verified(NamedTuple):
    """A row of verified/: a label, whose it is, and what the clock said if it was wrong."""

    row: labelfile.Row
    user: str
    clock: str = ""


class Rejected(NamedTuple):
    """A row of rejected/: what came, and why it is no label."""

    row: labelfile.Row
    reason: str


class Read(NamedTuple):
    """A file of verified/: its owner's uid, and its rows; a line that is no row is None."""

    owner: int
    rows: list[Verified | None]


def read(path: Path) -> Read:
    """Read a file of verified/.

    Raises
    ------
    OSError, HubError, csv.Error
        It cannot be read.
    """
    owner, lines = _lines(path)
    header = next(lines, [])
    if "OBJID" not in header:  # whatever else stands there, the columns are those of today
        header = [*COLUMNS]
    width, defaults = len(header), [*labelfile.Row(), "", ""]
    # a column that the header lacks is looked for behind the line, where the defaults are put
    pick: Callable[[list[str]], tuple[str, ...]] = itemgetter(
        *(
            header.index(name) if name in header else width + place
            for place, name in enumerate((*COLUMNS, "CLOCK"))
        )
    )
    rows: list[Verified | None] = []
    for line in lines:
        if len(line) == width:
            # a million rows have few different ACTIONs, and three of each Object ID
            *fields, user, clock = map(sys.intern, pick(line + defaults))
            rows.append(Verified(labelfile.Row._make(fields), user, clock))
        else:
            rows.append(None)
    return Read(owner, rows)


def count(path: Path) -> int:
    """Return how many rows a file of verified/ or rejected/ has; errors are those of `read`."""
    _, lines = _lines(path)
    return max(0, sum(1 for _ in lines) - 1)


def _lines(path: Path) -> tuple[int, Iterator[list[str]]]:
    owner, data = read_owned(path, 4 * UPLOAD_LIMIT)
    return owner, parsed(data)


def write(
    tray: Path, name: str, good: Iterable[Verified], bad: Iterable[Rejected], desk: Path
) -> None:
    """Write what became of an upload: rows for verified/NAME, and for rejected/NAME if any.

    The first time verified/NAME comes last, since it tells that all is done. Where it is there and
    fewer rows are rejected by now it comes first, or a crash would leave the old rows for good.
    """
    rejected, path = tray / "rejected" / name, tray / "verified" / name
    # a NUL or a bare CR, and csv of some Pythons does not read back what it wrote
    lines = [(*map(printable, told.row), told.reason) for told in bad]
    known = path.exists()
    if known:
        disk.write_whole(path, _verified(good), desk=desk)
    if lines:
        disk.write_whole(rejected, table(REJECTED, lines), desk=desk)
    else:
        rejected.unlink(missing_ok=True)  # left by a crash, and of another opinion
    if not known:
        disk.write_whole(path, _verified(good), desk=desk)


def _verified(good: Iterable[Verified]) -> bytes:
    rows = list(good)
    if not any(label.clock for label in rows):
        return table(COLUMNS, ((*label.row, label.user) for label in rows))
    return table((*COLUMNS, "CLOCK"), ((*label.row, label.user, label.clock) for label in rows))


def _set_aside(path: Path, why: str) -> None:
    told = printable(f"{path} {why}: it does not count. Its upload in incoming/ is unharmed.")
    sys.stderr.write(f"{told}\n")


def user_of(file: str) -> str | None:
    """Return whose upload has this name, or None if it is no name of one."""
    match = UPLOAD.fullmatch(file)
    return match[1] if match and labelfile.is_user(match[1]) else None


def gather(hub: Hub) -> Rows:
    """Read all that labelers had verified.

    A file that its person's account did not write (nor the hub's owner), and a row that cannot be
    one, are left out and named on stderr.

    Returns
    -------
    dict
        (USER, OBJID) -> `labelfile.Row`, the latest by TIME; of equal ones that of the last file.
    """
    return _latest(hub, hub.folder)


def voting(hub: Hub) -> Rows:
    """Return what `gather` does, but for people who are excluded."""
    return {key: row for key, row in gather(hub).items() if key[0] not in hub.excluded}


def expert_rows(hub: Hub) -> dict[str, labelfile.Row]:
    """Read what the expert had verified: Object ID -> the latest `labelfile.Row`, of any ACTION."""
    rows = _latest(hub, hub.folder / "expert")
    return {objid: row for (user, objid), row in rows.items() if user == hub.expert}


def rows_of(hub: Hub, user: str) -> dict[str, labelfile.Row]:
    """Read what a speaker had verified: Object ID -> the latest `labelfile.Row`."""
    rows = _latest(hub, hub.tray(user), user, lambda *_: None)  # `collect` tells
    return {objid: row for (_, objid), row in rows.items()}


def gold_truth(hub: Hub) -> dict[str, str]:
    """Return the expert's votes in gold chunks: Object ID -> ACTION."""
    rows, chunks = expert_rows(hub), hub.chunks()
    return {
        objid: rows[objid].action
        for place in (chunks.gold() if rows else ())
        for objid in hub.objids(chunks[place].name)
        if objid in rows and labels.is_vote(rows[objid].action)
    }


def every(hub: Hub) -> Iterator[labelfile.Row]:
    """Go through all rows that anyone had verified, the expert's too, in no order."""
    for tray in (hub.folder, hub.folder / "expert"):
        for label in _labels(hub, tray, None, lambda *_: None):  # `collect` tells
            yield label.row


def _latest(
    hub: Hub, tray: Path, only: str | None = None, tell: Callable[[Path, str], None] = _set_aside
) -> Rows:
    rows: dict[tuple[str, str], labelfile.Row] = {}
    for label in _labels(hub, tray, only, tell):
        row, user = label.row, label.user
        old = rows.get((user, row.objid))
        if old is None or _counts_above(row, old):
            rows[user, row.objid] = row
    return rows


def _counts_above(row: labelfile.Row, old: labelfile.Row) -> bool:
    """Tell whether a person's row counts, and not another of theirs of the same detection."""
    label, before = row.action != labels.SKIPPED, old.action != labels.SKIPPED
    if label != before and row.metadata_stamp != old.metadata_stamp:
        return label
    return labelfile.given_at(row) >= labelfile.given_at(old)


def only_skipped(rows: Iterable[labelfile.Row]) -> dict[str, set[str]]:
    """Return the detections of some rows that have no label: Object ID -> the drops skipped in.

    A detection can come anew with a later drop; that it was skipped is said of the stamps it had.
    """
    found: dict[str, set[str]] = {}
    answered = set()
    for row in rows:
        if row.action == labels.SKIPPED:
            found.setdefault(row.objid, set()).add(row.metadata_stamp)
        else:
            answered.add(row.objid)
    return {objid: stamps for objid, stamps in found.items() if objid not in answered}


def _labels(
    hub: Hub, tray: Path, only: str | None, tell: Callable[[Path, str], None]
) -> Iterator[Verified]:
    given: dict[str, Container[str]] = {}
    for path in sorted((tray / "verified").iterdir()):
        match = UPLOAD.fullmatch(path.name)
        if match is None or only not in (None, match[1]):
            continue
        user = match[1]
        try:
            owner, found = read(path)
        except (OSError, HubError, csv.Error) as error:
            tell(path, f"cannot be read ({error})")
            continue
        if owner != hub.owner and user_name(owner) != user:
            tell(path, f"was written by {account_name(owner)}")
            continue
        if owner != hub.owner and user not in given:
            given[user] = given_to(hub, user)
        bad = 0
        for label in found:
            if label is None or not is_label(
                label, user, None if owner == hub.owner else given[user]
            ):
                bad += 1
                continue
            yield label
        if bad:
            told = f"{bad} {'row' if bad == 1 else 'rows'}"
            tell(path, f"has a row that is no verified label ({told} in all), and without that")


def given_to(hub: Hub, user: str) -> Container[str]:
    """Return the detections that a person was given."""
    found: set[str] = set()
    claimed: set[str] = set()
    with contextlib.suppress(PermissionError):  # who closes their folder hides their own work alone
        claimed, _ = hub.claimed(user)
    for name in claimed:
        with contextlib.suppress(OSError, HubError):  # their folder may name any chunk
            found.update(hub.objids(name))
    return found


def is_label(label: Verified, user: str, given: Container[str] | None) -> bool:
    """Tell whether a row of verified/ is a label of a person, on one of the detections `given`.

    With None for these it was verified by the hub's owner, and may be on any detection.
    """
    if label.user != user or labelfile.check(label.row):
        return False
    if not _EARLIEST <= labelfile.given_at(label.row) <= time.time() + _SKEW:
        return False
    return given is None or label.row.objid in given
