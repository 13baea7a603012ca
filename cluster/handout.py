"""The next chunk for a person: one they have begun elsewhere, else a new claim.

A claim is two files of one line, ``USER TIME``. ``people/USER/NAME`` comes first and says that the
chunk is meant for this person, ``claims/NAME/SLOT`` (1, 2, 3 …, no gaps) makes it true. Both are
created exclusively, which decides every race:

- A slot is tried only when all the slots below it have been looked at, so whoever creates it knows
  that there was room. Who comes second reads the claim that was faster, and looks again.
- Two laptops of one person meet in ``people/USER/NAME``; each finds the slot of the other its own.
- After a crash between the two files the slot is made the next time; if others have filled the
  chunk by then, ``people/USER/NAME`` is taken back. Nobody had been given that chunk.

Standard library only.
"""

import contextlib
import os
import re
import time
from datetime import datetime, timezone
from typing import NamedTuple

import disk
from cluster.hub import ANSWER, NOTHING_LEFT, USAGE, Hub, HubError, account_name, is_user, now, read

_HELD = re.compile(r"[A-Za-z0-9@%+=._,-]{1,200}")  # a chunk from elsewhere may have any safe name
_SLOT = re.compile(r"[1-9][0-9]{0,8}")


class Claim(NamedTuple):
    """Who claimed, and when (seconds since 1970)."""

    user: str
    time: float


def hand_out(folder, have=(), as_user=None):
    """Print the answer to ``next``, and return the exit status.

    Parameters
    ----------
    folder : str
        The hub's.
    have : sequence of str
        Names of the chunks that need not be sent again; those the hub does not know are ignored.
    as_user : str, optional
        See `Hub.speaker`.
    """
    for name in have:
        if not _HELD.fullmatch(name):
            raise HubError(f"{name!r} is no chunk's name: nothing was handed out.", USAGE)
    hub = Hub(folder)
    user = hub.speaker(as_user)
    hub.person(user)
    claimed, finished = hub.claimed(user)
    chunk = _begun(hub, user, claimed - finished - set(have)) or _new(hub, user, claimed)
    if chunk is None:
        print(f"{user}: there is no chunk left that you have not had.\n{ANSWER} nothing")
        return NOTHING_LEFT
    print(f"{user}: {chunk.name} is yours, {chunk.detections} detections.")
    print(ANSWER, "chunk", chunk.name, chunk.sha256, chunk.bytes)
    return 0


def _begun(hub, user, names):
    """Return the oldest of a person's own chunks."""
    if not names:
        return None
    folder = hub.person(user)
    listed = {chunk.name: chunk for chunk in hub.chunks() if chunk.name in names}
    for name in sorted(listed, key=lambda name: (read_claim(folder / name).time, name)):
        if _take(hub, name, user):
            return listed[name]
    return None


def _new(hub, user, claimed):
    """Return the oldest chunk that has room and that this person never had."""
    for chunk in hub.chunks():
        if chunk.name not in claimed and _take(hub, chunk.name, user):
            return chunk
    return None


def _take(hub, name, user):
    """Get a person into a chunk, unless enough others are; return whether they are in now."""
    slots = hub.folder / "claims" / name
    meant = hub.folder / "people" / user / name
    line = f"{user} {now()}\n".encode()
    taken = [int(entry) for entry in os.listdir(slots) if _SLOT.fullmatch(entry)]
    claims = [read_claim(slots / str(slot)) for slot in taken]
    mine = any(claim.user == user for claim in claims)
    live = sum(is_live(hub, name, claim) for claim in claims)
    if mine or live < hub.settings.labelers:
        with contextlib.suppress(FileExistsError):
            disk.create(meant, line)
    slot = max(taken, default=0)
    while not mine and live < hub.settings.labelers:
        slot += 1
        try:
            disk.create(slots / str(slot), line)
            mine = True
        except FileExistsError:
            claim = read_claim(slots / str(slot))
            mine = claim.user == user
            live += is_live(hub, name, claim)
    if not mine:
        meant.unlink(missing_ok=True)
    return mine


def read_claim(path):
    """Read a claim; one that was left empty is its file owner's, of the time it was made."""
    for _ in range(50):
        try:
            info = path.lstat()
        except FileNotFoundError:  # taken back at this very moment
            return Claim("", time.time())
        try:
            user, text = read(path, 200).decode().split()
            at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
            if is_user(user):
                return Claim(user, at.timestamp())
        except (OSError, HubError, ValueError):
            pass
        if info.st_size or time.time() - info.st_mtime > 5:
            break
        time.sleep(0.01)  # its writer is between creating and writing it, or has died there
    return Claim(account_name(info.st_uid), info.st_mtime)


def is_live(hub, name, claim):
    """Tell whether a claim takes up one of the chunk's places: it is recent, or was finished."""
    if time.time() - claim.time < hub.settings.claim_expiry_days * 86400:
        return True
    return (hub.folder / "people" / claim.user / f"{name}.done").exists()
