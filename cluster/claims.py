"""That a chunk was handed to a person: one line, ``USER TIME``, in two files.

``claims/NAME/SLOT`` (1, 2, 3 …, no gaps) takes one of the chunk's places, ``people/USER/NAME`` then
tells the person's own commands; ``people/USER/NAME.done`` and ``earlier/USER/NAME``, of the same
form, close the claim. All are created exclusively, which decides every race. Standard library only.
"""

from __future__ import annotations

import math
import os
import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import labelfile
from cluster.hub import Hub, HubError, account_name, now, read_owned


class Claim(NamedTuple):
    """Who claimed, and when (seconds since 1970)."""

    user: str
    time: float


def line(user: str, at: str | None = None) -> bytes:
    """Return the content of a claim's file, or of one that closes it, as of now or a TIME."""
    return f"{user} {at or now()}\n".encode()


def slots(folder: str | Path) -> list[int]:
    """Return the slots of a chunk's claims that are taken, in any order."""
    return [int(slot) for slot in os.listdir(folder) if slot.isdecimal()]


def read_claim(path: str | Path, owner: int | None = None) -> Claim:
    """Read a claim; one that makes no sense is its file owner's, of the time it was made.

    With the uid of the hub's owner, who alone may speak for others, one that anybody else wrote
    for another makes no sense either.
    """
    for _ in range(200):
        info = os.lstat(path)  # before it is read: what was empty then may not be so any more
        try:
            writer, data = read_owned(path, 200)
            user, text = data.decode().split()
            at = datetime.fromisoformat(text.replace("Z", "+00:00"))
            known = owner in (None, writer) or account_name(writer) == user
            if len(text) == 20 and labelfile.is_user(user) and known:
                return Claim(user, at.timestamp())
        except (OSError, HubError, ValueError):
            pass
        if info.st_size or time.time() - info.st_mtime > 5:
            break
        time.sleep(0.01)  # its writer is between creating and writing it, or has died there
    return Claim(account_name(info.st_uid), info.st_mtime)


def ends(hub: Hub, name: str, claim: Claim) -> float:
    """Return until when a claim takes up one of the chunk's places; once finished, for good."""
    if claim.user == hub.expert:  # whose labels are no votes
        return 0
    if hub.has_finished(claim.user, name):
        return math.inf
    return claim.time + hub.rules.claim_expiry_days * 86400


def is_live(hub: Hub, name: str, claim: Claim) -> bool:
    """Tell whether a claim takes up one of the chunk's places: it is recent, or was finished."""
    return ends(hub, name, claim) > time.time()
