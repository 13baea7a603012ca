"""That a chunk was handed to a person: one line, ``USER TIME``, in two files.

``claims/NAME/SLOT`` (1, 2, 3 …) takes one of the chunk's places, ``people/USER/NAME`` then
tells the person's own commands; ``people/USER/NAME.done`` and ``earlier/USER/NAME``, of the same
form, close the claim; with ``NAME.skipped`` beside ``NAME.done`` it is that of a person who could
see nothing of the chunk. All are created exclusively, which decides every race. Standard library
only.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import time
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import labelfile
from cluster.hub import Hub, HubError, now, read_owned, user_name

_SLOT = re.compile("[1-9][0-9]{0,8}")


class Claim(NamedTuple):
    """Who claimed, and when (seconds since 1970)."""

    user: str
    time: float


def line(user: str, at: str | None = None) -> bytes:
    """Return the content of a claim's file, or of one that closes it, as of now or a TIME."""
    return f"{user} {at or now()}\n".encode()


def slots(folder: str | Path) -> set[int]:
    """Return the slots of a chunk's claims that are taken; what has no number is none."""
    return {int(slot) for slot in os.listdir(folder) if _SLOT.fullmatch(slot)}


def first_free(taken: Collection[int]) -> int:
    """Return the slot that whoever comes next must try.

    It is the lowest, so that all who come at once try the same; the number after the highest could
    be put out of reach by one member.
    """
    return next(slot for slot in itertools.count(1) if slot not in taken)


def read_slots(folder: str, taken: Iterable[int], owner: int) -> list[Claim]:
    """Read the claims in some slots; of each account's own the first, however many it has taken.

    `owner` is the uid of the hub's owner, who may speak for many.
    """
    found, seen = [], set()
    for slot in sorted(taken):
        path = f"{folder}/{slot}"
        try:
            writer = os.lstat(path).st_uid
        except FileNotFoundError:  # removed by hand, at this moment
            continue
        if writer not in seen:
            found.append(read_claim(path, owner))
            seen.add(writer if writer != owner else None)
    return found


def read_claim(path: str | Path, owner: int | None = None) -> Claim:
    """Read a claim; one that makes no sense is its file owner's, of the time it was made.

    With the uid of the hub's owner, who alone may speak for others, one that anybody else wrote
    for another makes no sense either. No claim is from the future.
    """
    for _ in range(200):
        info = os.lstat(path)  # before it is read: what was empty then may not be so any more
        try:
            writer, data = read_owned(path, 200)
            user, text = data.decode().split()
            at = datetime.fromisoformat(text.replace("Z", "+00:00"))
            known = owner in (None, writer) or user_name(writer) == user
            if len(text) == 20 and labelfile.is_user(user) and known:
                return Claim(user, min(at.timestamp(), time.time()))
        except (OSError, HubError, ValueError):
            pass
        # of any other account it is known who they are, whatever they write
        speaks = owner in (None, info.st_uid)
        if info.st_size or not speaks or not 0 <= time.time() - info.st_mtime <= 5:
            break
        time.sleep(0.01)  # its writer is between creating and writing it, or has died there
    return Claim(user_name(info.st_uid), min(info.st_mtime, time.time()))


def ends(hub: Hub, name: str, claim: Claim) -> float:
    """Return until when a claim takes up one of the chunk's places; once answered, for good."""
    if not hub.votes(claim.user):
        return 0
    # who skipped all of it is no labeler of it, and keeps nobody out for longer than who is away
    if hub.has_finished(claim.user, name) and not hub.has_skipped(claim.user, name):
        return math.inf
    return claim.time + hub.rules.claim_expiry_days * 86400


def is_live(hub: Hub, name: str, claim: Claim) -> bool:
    """Tell whether a claim takes up one of the chunk's places: it is recent, or was answered."""
    return ends(hub, name, claim) > time.time()
