"""An upload becomes verified rows, and the claims on chunks of which nothing is left are closed.

The laptop asks first. What is there already is answered at once; else the answer is ``send
people/USER`` (``send expert`` to the expert), a folder in which only the sender's account can
write, and the laptop puts the file there as ``.FILE.SUM8.part`` and asks again. Laptops of before
put it into ``incoming/.FILE.part`` and ask once.

``incoming/FILE`` is an upload as it came; each of its rows goes to ``verified/FILE`` or to
``rejected/FILE`` (see `verified`). Where somebody else's file has one of these names, or another
upload of this name was kept, all three are called ``USER--TIME-SUM8.csv``. They are written in the
order incoming, rejected, verified, and then the person's own folder is brought up to date. A power
cut between any two steps heals when the file is received again: until ``verified/FILE`` is there,
which each upload gets, all is done anew from ``incoming/FILE``; from then on the answer is read off
the two, but for rows that were rejected for a reason that holds no longer.

In ``people/USER/``, ``NAME.TIME`` lists the Object IDs of a chunk that the upload of that TIME
dealt with, and ``NAME.done`` closes the claim when nothing is left; ``NAME.skipped`` is beside it
as long as no label is among that. The expert's uploads go the same way through the folders of the
same names in ``expert/``, which nobody else can read. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import os
import re
import stat
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import disk
import labelfile
import labels
import stamps
from cluster import claims, verified
from cluster.collect import read_agreement
from cluster.hub import (
    ANSWER,
    CHUNK,
    DAMAGED,
    NOTE,
    PARTLY,
    REFUSED,
    REVIEW,
    UPLOAD_LIMIT,
    USAGE,
    Hub,
    HubError,
    account_name,
    read,
    read_owned,
    sweep,
)
from cluster.options import speak_for
from cluster.terminal import counted
from cluster.verified import UPLOAD, Rejected, Verified

VERB = "receive"
HELP = "take in a label file, or say where to put it"
EXAMPLE = "alice--2026-11-22_13-08-00.csv SHA256"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_EARLIEST = datetime(2020, 1, 1, tzinfo=timezone.utc).timestamp()  # lost clocks begin in 1970
_SKEW = 600  # seconds; as much as a clock may be ahead without anybody caring
_TOLD = 1000  # lines that are no rows, and are kept one by one


def options(parser: argparse.ArgumentParser) -> None:
    """Add what follows HUB; see `run`."""
    parser.add_argument("file", metavar="FILE", help="USER--YYYY-MM-DD_HH-MM-SS.csv")
    parser.add_argument("sha256", metavar="SHA256", help="the file's SHA-256, in hexadecimal")
    speak_for(parser)


def run(folder: str | os.PathLike[str], file: str, sha256: str, as_user: str | None = None) -> int:
    """Take in an upload, or say where to put it, and print the answer to ``receive``.

    Receiving the same content again changes nothing and gives the same answer. Other content
    under the same name (two laptops in one second) is kept beside it, as ``USER--TIME-SUM8.csv``.

    Parameters
    ----------
    folder : str
        The hub's.
    file : str
        Name of the label file; its USER must be who speaks.
    sha256 : str
        Of its content, in hexadecimal.
    as_user : str, optional
        See `Hub.speaker`.
    """
    hub = Hub(folder)
    user, sha256 = labelfile.user_of(file), sha256.lower()
    if user is None or not _SHA256.fullmatch(sha256):
        raise HubError(
            f"{file!r} with the sum {sha256!r} is no label file and its SHA-256: nothing was taken "
            "in, your labels are safe on your side.",
            USAGE,
        )
    if user != (speaker := hub.speaker(as_user)):
        raise HubError(
            f"This hub knows you as {speaker}, not {user}: start with --user {speaker}. {file} was "
            "not taken in and is safe on your side.",
            REFUSED,
        )
    given, desk = _Given(hub, user), hub.desk(user)
    parts = desk / f".{file}.{sha256[:8]}.part", hub.folder / "incoming" / f".{file}.part"
    sweep(desk)
    try:
        # first: another process that receives the same upload keeps it, and then removes the part
        data = _arrived(parts, file, sha256)
        name, upload = _take(given, desk, file, sha256, data)
    except HubError:
        print(ANSWER, "send", desk.relative_to(hub.folder))
        raise
    for part in parts:
        with contextlib.suppress(OSError):
            part.unlink()
    _close_claims(given, name, [label.row for label in upload.good])
    os.utime(hub.person(user))  # when they were last seen, as `status` tells
    where = hub.tray(user).relative_to(hub.folder) / "rejected" / name
    told = f", {upload.rejected} rejected ({where} says why)" if upload.rejected else ""
    print(f"{user}: {counted(upload.verified, 'row')} of {file} verified{told}.")
    if note := _clock_note(upload.good):
        print(NOTE, note)
    # it is news, and no reason to refuse labels
    agreement = read_agreement(hub, user) or ()
    print(ANSWER, "received", file, upload.verified, upload.rejected, *agreement)
    return 0


class _Upload(NamedTuple):
    """What became of an upload: numbers of rows, and the good ones."""

    verified: int
    rejected: int
    good: list[Verified]


def _arrived(parts: tuple[Path, ...], file: str, sha256: str) -> bytes | None:
    """Return what was uploaded, or None; what can be of no use is removed."""
    for part in parts:
        try:
            owner, data = read_owned(part, UPLOAD_LIMIT)
        except FileNotFoundError:
            continue
        except (OSError, HubError) as error:
            with contextlib.suppress(OSError):  # what is too large stays no second time
                part.unlink()
            raise HubError(
                f"{part} is no upload of yours of at most {UPLOAD_LIMIT} bytes: it was not taken "
                "in, and your labels are safe on your side. Ask the hub's owner to remove it.",
                REFUSED,
            ) from error
        if owner != os.getuid():
            raise HubError(
                f"{part} belongs to {account_name(owner)}, not to you: it was not taken in and is "
                "safe on your side. Ask the hub's owner to remove it.",
                REFUSED,
            )
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
        part.unlink(missing_ok=True)
        raise HubError(
            f"{file} arrived damaged and was thrown away: it is safe on your side. Send it again.",
            DAMAGED,
        )
    return None


def _take(
    given: _Given, desk: Path, file: str, sha256: str, data: bytes | None
) -> tuple[str, _Upload]:
    """Keep an upload, unless it is kept already, and verify it; return its name, and what became.

    A name is passed over if somebody else's file has it in one of the three folders.
    """
    tray = given.hub.tray(given.user)
    for name in _names(file, sha256):
        kept = tray / "incoming" / name
        paths = [tray / folder / name for folder in ("incoming", "verified", "rejected")]
        if not all(_is_free(given.hub, path) for path in paths):
            continue
        if data is not None:
            with contextlib.suppress(FileExistsError):
                disk.create_whole(kept, data, desk=desk)
        try:
            content = read(kept)
        except (OSError, HubError):  # it is not there, or no plain file
            continue
        if hashlib.sha256(content).hexdigest() == sha256:
            # somebody may take the name in verified/ at this very moment
            with contextlib.suppress(PermissionError):
                return name, _verdict(given, tray, desk, name, content)
    if data is None:
        raise HubError(
            f"No upload of {file} has arrived: it is safe on your side. Send it again.", DAMAGED
        )
    raise HubError(
        f"{file} could not be kept: it is safe on your side. Ask the hub's owner.", REFUSED
    )


def _names(file: str, sha256: str) -> Iterator[str]:
    """Go through the names under which an upload may be kept, its own first."""
    yield file
    stem, time, _ = re.split(r"--(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)", file, maxsplit=1)
    for place in range(0, 64, 8):
        yield f"{stem}--{time}-{sha256[place : place + 8]}.csv"


def _is_free(hub: Hub, path: Path) -> bool:
    """Tell whether a path is nobody's, or a plain file of this account or of the hub's owner."""
    try:
        info = path.lstat()
    except FileNotFoundError:
        return True
    return stat.S_ISREG(info.st_mode) and info.st_uid in (os.getuid(), hub.owner)


def _verdict(given: _Given, tray: Path, desk: Path, name: str, data: bytes) -> _Upload:
    """Return what verified/ and rejected/ say of an upload, or write it there if it is news."""
    known = _settled(tray, name)
    if known is not None and not known.rejected:
        return known
    # what is received once more arrived when it came first
    arrived = min(time.time(), (tray / "incoming" / name).lstat().st_mtime)
    good, bad = _verify(given, data, arrived)
    if known is not None and len(bad) >= known.rejected:
        return known
    verified.write(tray, name, good, bad, desk)
    return _Upload(len(good), len(bad), good)


def _settled(tray: Path, name: str) -> _Upload | None:
    """Return what verified/ and rejected/ say of an upload, if it has been through."""
    try:
        _, rows = verified.read(tray / "verified" / name)
    except FileNotFoundError:
        return None
    bad = 0
    with contextlib.suppress(FileNotFoundError):
        bad = verified.count(tray / "rejected" / name)
    return _Upload(len(rows), bad, [label for label in rows if label is not None])


def _verify(given: _Given, data: bytes, arrived: float) -> tuple[list[Verified], list[Rejected]]:
    """Part the good rows of an upload from the bad ones.

    A label that was given before 2020 or after it arrived was given by a clock that is wrong. It
    counts, and as of when it arrived (in seconds since 1970).
    """
    at = datetime.fromtimestamp(arrived, timezone.utc).isoformat(timespec="milliseconds")
    good: dict[str, Verified] = {}
    bad = []
    rows, torn = labelfile.parse(data)
    for row in rows:
        reason, found = labelfile.check(row), None
        if reason is None:
            found = given.find(row.objid, row.metadata_stamp)
        if found is None:
            reason = reason or f"OBJID is in no chunk that {given.user} was given"
            bad.append(Rejected(row, reason))
            continue
        # the laptop's file may have been renamed; the chunk knows which drop it is from
        row, clock = row._replace(metadata_stamp=stamps.metadata_stamp(found.home)), ""
        if not _EARLIEST <= labelfile.given_at(row) <= arrived + _SKEW:
            row, clock = row._replace(time=at.replace("+00:00", "Z")), row.time
        good.pop(row.objid, None)  # the last row counts, and stands where it came
        good[row.objid] = Verified(row, given.user, clock)
    told = list(itertools.islice(filter(bytes.strip, torn), _TOLD + 1))
    if len(told) > _TOLD:
        told[_TOLD] = b"and all that follows"
    for line in told:
        text = line[: labelfile.COMMENT_LIMIT].decode("utf-8", "replace")
        row = verified.BLANK._replace(comment=text)
        bad.append(Rejected(row, "the line is no row, or has no end"))
    return [*good.values()], bad


def _clock_note(good: list[Verified]) -> str | None:
    """Return the sentence for a person whose clock was wrong, or None if it was not."""
    doubtful = [label for label in good if label.clock]
    if not doubtful:
        return None
    said, arrived = doubtful[-1].clock, labelfile.given_at(doubtful[-1].row)
    ahead = labelfile.given_at(doubtful[-1].row._replace(time=said)) - arrived
    wrong = f"stood at {said[:10]}"
    if ahead > 0:
        hours = ahead / 3600
        span = counted(round(hours), "hour") if hours >= 1.5 else f"{hours * 60:.0f} minutes"
        span = counted(round(hours / 24), "day") if hours >= 48 else span
        wrong = f"was {span} ahead of the hub's"
    many = "label was" if len(doubtful) == 1 else "labels were"
    return (
        f"Your computer's clock {wrong} when {len(doubtful)} {many} given: they count, as of when "
        "they arrived; set the clock right."
    )


class _Found(NamedTuple):
    """The chunk with which someone was given a detection, and its own: the two differ in review."""

    chunk: str
    home: str


class _Given:
    """Finds detections among what a person was given.

    Only as many of the chunks' tables are read as it takes: those of the row's drop come first, the
    unfinished ones before the others, the newest before older ones. `open` are the chunks that the
    person has and has not finished.
    """

    def __init__(self, hub: Hub, user: str):
        self.hub, self.user = hub, user
        claimed, finished = hub.claimed(user)
        self.open = claimed - finished
        if hub.is_expert(user):
            told = {path.name[:-4] for path in (hub.folder / "expert" / "votes").iterdir()}
            claimed |= {name for name in told if CHUNK.fullmatch(name) or REVIEW.fullmatch(name)}
        self._unread = sorted(claimed, key=lambda name: (name not in finished, name))
        self._found: dict[str, dict[str, _Found]] = {}  # by Object ID and by the chunk's drop

    def find(self, objid: str, stamp: str) -> _Found | None:
        """Return where a detection was given to the person: in this drop, else in any."""
        if stamp not in self._found.get(objid, ()):
            self._unread.sort(key=lambda name: stamps.metadata_stamp(name) == stamp)
        while self._unread:
            found = self._found.get(objid, {})
            name = self._unread[-1]
            # one that was skipped may have come anew, and the person may have been given both
            if stamp in found or (found and stamps.metadata_stamp(name) != stamp):
                break
            self._unread.pop()
            if REVIEW.fullmatch(name):
                homes = {row[0]: row[1] for row in self.hub.metadata(name).rows}
            else:
                homes = dict.fromkeys(self.hub.objids(name), name)
            for detection, home in homes.items():
                drops = self._found.setdefault(detection, {})
                drops[stamps.metadata_stamp(name)] = _Found(name, home)
        found = self._found.get(objid, {})
        return found.get(stamp) or next(iter(found.values()), None)


def _close_claims(given: _Given, name: str, good: list[labelfile.Row]) -> None:
    """Note what these rows dealt with, and close the claims on chunks of which nothing is left."""
    hub, person = given.hub, given.hub.person(given.user)
    dealt: dict[str, set[str]] = {}
    labelled = set()
    for row in good:
        found = given.find(row.objid, row.metadata_stamp)
        if found is not None:
            dealt.setdefault(found.chunk, set()).add(row.objid)
            if row.action != labels.SKIPPED:
                labelled.add(found.chunk)
    for chunk in labelled:
        (person / f"{chunk}.skipped").unlink(missing_ok=True)
    for chunk in dealt.keys() & given.open:
        left = set(hub.objids(chunk)) - dealt[chunk]
        match = UPLOAD.fullmatch(name)
        if left and match is not None:
            note = person / f"{chunk}.{match[2]}"
            if not note.exists():
                disk.write_whole(note, "\n".join(sorted(dealt[chunk])).encode())
            for path in person.glob(f"{chunk}.[0-9]*"):
                left -= set(read(path).decode("utf-8", "replace").split())
            for end in PARTLY:
                with contextlib.suppress(FileNotFoundError):
                    earlier = read(hub.folder / "earlier" / given.user / f"{chunk}.{end}")
                    left -= set(earlier.decode("utf-8", "replace").split())
        if not left:
            seen = chunk in labelled or _has_label(hub, given.user, chunk)
            for end in (() if seen else ("skipped",)) + ("done",):
                with contextlib.suppress(FileExistsError):
                    disk.create(person / f"{chunk}.{end}", claims.line(given.user))


def _has_label(hub: Hub, user: str, chunk: str) -> bool:
    rows, stamp = verified.rows_of(hub, user), stamps.metadata_stamp(chunk)
    found = filter(None, map(rows.get, hub.objids(chunk)))
    return any(row.action != labels.SKIPPED and row.metadata_stamp == stamp for row in found)
