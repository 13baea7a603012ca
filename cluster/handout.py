"""The next chunk for a person: one they have begun elsewhere, else a new claim.

A claim is two files of one line, ``USER TIME``. ``claims/NAME/SLOT`` (1, 2, 3 …, no gaps) takes one
of the chunk's places, ``people/USER/NAME`` then tells the person's own commands. Both are created
exclusively, which decides every race:

- A slot is tried only when all the slots below it have been looked at, so whoever creates it knows
  that there was room, and that this person, on another laptop, was not in yet. Who comes second
  reads the claim that was faster, and looks again.
- After a crash between the two files nobody had been given the chunk; when the person comes to it
  again, the slot is found to be theirs and the second file is made.

Standard library only.
"""

import contextlib
import os
import time
from datetime import datetime, timezone
from typing import NamedTuple

import disk
import labels
from cluster.hub import ANSWER, NOTHING_LEFT, TIME, Hub, HubError, account_name, now, read


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
    """Return the chunk that this person claimed first, of these."""
    if not names:  # the list of chunks may be long
        return None
    listed = [chunk for chunk in hub.chunks() if chunk.name in names]
    folder = hub.person(user)
    return min(listed, key=lambda chunk: read_claim(folder / chunk.name).time, default=None)


def _new(hub, user, claimed):
    """Claim the oldest chunk that has room and that this person never had."""
    for chunk in hub.chunks():
        if chunk.name not in claimed and _claim(hub, chunk.name, user):
            return chunk
    return None


def _claim(hub, name, user):
    """Get a person into a chunk, unless enough others are; return whether they are in now."""
    slots = hub.folder / "claims" / name
    line = f"{user} {now()}\n".encode()
    taken = list(filter(str.isdecimal, os.listdir(slots)))
    last = max(map(int, taken), default=0)
    claims = [read_claim(slots / slot) for slot in taken]
    while all(claim.user != user for claim in claims):
        if sum(is_live(hub, name, claim) for claim in claims) >= hub.settings.labelers:
            return False
        last += 1
        slot = slots / str(last)
        with contextlib.suppress(FileExistsError):
            disk.create(slot, line)
        claims.append(read_claim(slot))
    with contextlib.suppress(FileExistsError):
        disk.create(hub.folder / "people" / user / name, line)
    return True


def read_claim(path):
    """Read a claim; one that makes no sense is its file owner's, of the time it was made."""
    for _ in range(50):
        info = path.lstat()
        try:
            user, text = read(path, 200).decode().split()
            at = datetime.strptime(text, TIME).replace(tzinfo=timezone.utc)
            if labels.is_user(user):
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
