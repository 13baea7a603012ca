"""An upload becomes verified rows, and the claims on chunks of which nothing is left are closed.

``incoming/FILE`` is an upload as it came; each of its rows goes to ``verified/FILE`` or to
``rejected/FILE`` (see `verified`). They are written in the order incoming, rejected, verified, and
then the person's own folder is brought up to date. A power cut between any two steps heals when the
file is received again: until ``verified/FILE`` is there, which each upload gets, all is done anew
from ``incoming/FILE``; from then on the answer is read off the two, and so remains the same.

In ``people/USER/``, ``NAME.TIME`` lists the Object IDs of a chunk that the upload of that TIME
dealt with, and ``NAME.done`` closes the claim when nothing is left. The expert's uploads go the
same way through the folders of the same names in ``expert/``, which nobody else can read. Standard
library only.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import disk
import labelfile
import stamps
from cluster import claims, verified
from cluster.collect import read_agreement
from cluster.hub import (
    ANSWER,
    CHUNK,
    DAMAGED,
    REFUSED,
    REVIEW,
    USAGE,
    Hub,
    HubError,
    account_name,
    create_whole,
    read,
    read_owned,
)
from cluster.options import speak_for
from cluster.terminal import counted
from cluster.verified import UPLOAD, Rejected, Verified

VERB = "receive"
HELP = "take in a label file that lies in HUB/incoming as .FILE.part"
EXAMPLE = "alice--2026-11-22_13-08-00.csv SHA256"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_EARLIEST = datetime(2020, 1, 1, tzinfo=timezone.utc).timestamp()  # lost clocks begin in 1970


def options(parser: argparse.ArgumentParser) -> None:
    """Add what follows HUB; see `run`."""
    parser.add_argument("file", metavar="FILE", help="USER--YYYY-MM-DD_HH-MM-SS.csv")
    parser.add_argument("sha256", metavar="SHA256", help="the file's SHA-256, in hexadecimal")
    speak_for(parser)


def run(folder: str | os.PathLike[str], file: str, sha256: str, as_user: str | None = None) -> int:
    """Take in the upload ``incoming/.FILE.part``, and print the answer to ``receive``.

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
    person, tray = hub.person(user), hub.tray(user)
    part = hub.folder / "incoming" / f".{file}.part"
    name, data = _keep(part, tray / "incoming", file, sha256)
    with contextlib.suppress(OSError):
        part.unlink()
    given = _Given(hub, user)
    upload = _settled(hub, tray, name) or _verify(given, tray, name, data)
    _close_claims(given, name, upload.good)
    os.utime(person)  # when they were last seen, as `status` tells
    where = tray.relative_to(hub.folder) / "rejected" / name
    told = f", {upload.rejected} rejected ({where} says why)" if upload.rejected else ""
    print(f"{user}: {counted(upload.verified, 'row')} of {file} verified{told}.")
    # it is news, and no reason to refuse labels
    agreement = read_agreement(hub, user) or ()
    print(ANSWER, "received", file, upload.verified, upload.rejected, *agreement)
    return 0


class _Upload(NamedTuple):
    """What became of an upload: numbers of rows, and the good ones."""

    verified: int
    rejected: int
    good: list[labelfile.Row]


def _keep(part: Path, folder: Path, file: str, sha256: str) -> tuple[str, bytes]:
    """Put an upload into a folder to stay, unless it is there; return its name and content."""
    data = None
    with contextlib.suppress(FileNotFoundError):
        owner, data = read_owned(part)
    # Only now: another process that receives the same upload keeps it first, then removes the part.
    paths = [folder / file, folder / f"{file[:-4]}-{sha256[:8]}.csv"]
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            if hashlib.sha256(kept := read(path)).hexdigest() == sha256:
                return path.name, kept
    if data is None:
        raise HubError(
            f"No upload of {file} has arrived: it is safe on your side. Send it again.", DAMAGED
        )
    if owner != os.getuid():
        raise HubError(
            f"{part} belongs to {account_name(owner)}, not to you: it was not taken in and is safe "
            "on your side. Ask the hub's owner to remove it.",
            REFUSED,
        )
    if hashlib.sha256(data).hexdigest() != sha256:
        part.unlink(missing_ok=True)
        raise HubError(
            f"{file} arrived damaged and was thrown away: it is safe on your side. Send it again.",
            DAMAGED,
        )
    for path in paths:
        with contextlib.suppress(FileExistsError):
            create_whole(path, data)
            return path.name, data
        if read(path) == data:  # another process was faster, with this very upload
            return path.name, data
    raise HubError(f"{file} could not be kept: it is safe on your side. Ask the hub's owner.")


def _settled(hub: Hub, tray: Path, name: str) -> _Upload | None:
    """Return what verified/ and rejected/ say of an upload, if it has been through."""
    path = tray / "verified" / name
    try:
        owner, rows = verified.read(path)
    except FileNotFoundError:
        return None
    if owner not in (os.getuid(), hub.owner):
        raise HubError(
            f"{path} is not your account's: nothing was changed, your labels are safe on your "
            "side. Ask the hub's owner to remove it.",
            REFUSED,
        )
    bad = 0
    with contextlib.suppress(FileNotFoundError):
        bad = verified.count(tray / "rejected" / name)
    return _Upload(len(rows), bad, [label.row for label in rows if label is not None])


def _verify(given: _Given, tray: Path, name: str, data: bytes) -> _Upload:
    """Part the good rows from the bad ones, and write both down."""
    latest = time.time() + 86400  # as wrong as clocks and time zones go
    good: dict[str, labelfile.Row] = {}
    bad = []
    rows, torn = labelfile.parse(data)
    for row in rows:
        reason, found = labelfile.check(row), None
        if reason is None and not _EARLIEST <= labelfile.given_at(row) <= latest:
            reason = "TIME is before 2020 or in the future"
        if reason is None:
            found = given.find(row.objid, row.metadata_stamp)
        if found is None:
            reason = reason or f"OBJID is in no chunk that {given.user} was given"
            bad.append(Rejected(row, reason))
            continue
        # the laptop's file may have been renamed; the chunk knows which drop it is from
        row = row._replace(metadata_stamp=stamps.metadata_stamp(found.home))
        good.pop(row.objid, None)  # the last row counts, and stands where it came
        good[row.objid] = row
    for line in filter(bytes.strip, torn):
        text = line[: labelfile.COMMENT_LIMIT].decode("utf-8", "replace")
        row = verified.BLANK._replace(comment=text)
        bad.append(Rejected(row, "the line is no row, or has no end"))
    kept = [*good.values()]
    verified.write(tray, name, (Verified(row, given.user) for row in kept), bad)
    return _Upload(len(kept), len(bad), kept)


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
        self._found: dict[str, _Found] = {}

    def find(self, objid: str, stamp: str) -> _Found | None:
        """Return where a detection, of this drop if its row is right, was given to the person."""
        if objid not in self._found:
            self._unread.sort(key=lambda name: stamps.metadata_stamp(name) == stamp)
        while objid not in self._found and self._unread:
            name = self._unread.pop()
            if REVIEW.fullmatch(name):
                for detection, home in self.hub.metadata(name).rows:
                    self._found[detection] = _Found(name, home)
            else:
                self._found.update(dict.fromkeys(self.hub.objids(name), _Found(name, name)))
        return self._found.get(objid)


def _close_claims(given: _Given, name: str, good: list[labelfile.Row]) -> None:
    """Note what these rows dealt with, and close the claims on chunks of which nothing is left."""
    hub, person = given.hub, given.hub.person(given.user)
    dealt: dict[str, set[str]] = {}
    for row in good:
        found = given.find(row.objid, row.metadata_stamp)
        if found is not None:
            dealt.setdefault(found.chunk, set()).add(row.objid)
    for chunk in dealt.keys() & given.open:
        left = set(hub.objids(chunk)) - dealt[chunk]
        match = UPLOAD.fullmatch(name)
        if left and match is not None:
            note = person / f"{chunk}.{match[2]}"
            if not note.exists():
                disk.write_whole(note, "\n".join(sorted(dealt[chunk])).encode())
            for path in person.glob(f"{chunk}.[0-9]*"):
                left -= set(read(path).decode("utf-8", "replace").split())
        if not left:
            with contextlib.suppress(FileExistsError):
                disk.create(person / f"{chunk}.done", claims.line(given.user))
