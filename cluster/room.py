"""Which chunks have room for a person, with few looks at what may be 20,000 of them.

``people/USER/full`` spares the next one to look at thousands of full chunks: its first line is
``VERSION COUNT NAME``, the state of hub.ini it holds for, and how many chunks, the last of which is
NAME, have been looked at; the others are ``PLACE TIME``, a chunk among them that may have room
after TIME. All chunks without a line are full for good. Everyone writes their own, and the latest
of one's own and the hub's owner's counts: with another's word one member could keep chunks from
all. It is worth nothing more than the time it saves, and may be deleted. Standard library only.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import disk
from cluster import claims
from cluster.claims import Claim
from cluster.hub import Hub, HubError, Listing, read

_NOTE_LIMIT = 1 << 20  # bytes; a line for each of 50,000 chunks
_LOOKS = 50  # at chunks' claims, one after the other; then the first with room is searched for


class Full(NamedTuple):
    """So many chunks of the listing were looked at, and until when those at some places are full.

    `until` is in seconds since 1970. The others that were looked at have no room for good.
    """

    looked: int
    until: dict[int, float]


class Room:
    """Which chunks have room for a person, as far as this is known, by their places in the listing.

    It starts from the latest ``people/USER/full`` and adds what it sees. A slot is tried only when
    all the slots below it have been looked at, so whoever creates it knows that there was room, and
    that this person, on another laptop, was not in yet. Who comes second reads the claim that was
    faster, and looks again. After a crash between the two files of a claim nobody had been given
    the chunk; when the person comes to it again, the slot is found to be theirs and the second file
    is made.
    """

    def __init__(self, hub: Hub, chunks: Listing, user: str):
        self._hub, self._chunks, self._user = hub, chunks, user
        self._known = _latest_full(hub, chunks, user)
        self._seen: dict[int, float] = {}  # place -> until when it is full, 0 if it is not

    def places(self) -> list[int]:
        """Return the places of the chunks that are not known to be full, oldest first."""
        late = time.time()
        due = [place for place, until in self._known.until.items() if until <= late]
        return [*sorted(due), *range(self._known.looked, len(self._chunks))]

    def in_order(self, places: Sequence[int]) -> Iterator[int]:
        """Go through places, the oldest first; those that take long to look at come last.

        Chunks fill up in the order of the list, so that what comes before a full one is nearly
        always full. After so many that were, the first that is not is found by halving the rest.
        """
        yield from places[:_LOOKS]
        rest = places[_LOOKS:]
        low, high = 0, len(rest)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.look(rest[middle]) else (middle + 1, high)
        yield from rest[low:]
        yield from rest[:low]

    def look(self, place: int) -> bool:
        """Tell whether a chunk has room for this person, or had them in all the time."""
        if place not in self._seen:
            name = self._chunks[place].name
            found, _ = self._claims(name)
            inside = any(claim.user == self._user for claim in found)
            self._seen[place] = 0 if inside else self._full_until(name, found)
        return not self._seen[place]

    def enter(self, place: int, limited: bool = True) -> bool:
        """Get the person into a chunk unless it is full; return whether they are in now."""
        if limited and self._seen.get(place):
            return False
        name = self._chunks[place].name
        line = claims.line(self._user)
        found, taken = self._claims(name)
        self._seen[place] = 0
        while all(claim.user != self._user for claim in found):
            if limited and (until := self._full_until(name, found)):
                self._seen[place] = until
                return False
            free = claims.first_free(taken)
            slot = self._hub.folder / "claims" / name / str(free)
            try:
                disk.create(slot, line)
            except FileExistsError:  # somebody was faster
                found.append(claims.read_claim(slot, self._hub.owner))
                taken.add(free)
            else:
                break
        with contextlib.suppress(FileExistsError):
            disk.create(self._hub.folder / "people" / self._user / name, line)
        return True

    def _claims(self, name: str) -> tuple[list[Claim], set[int]]:
        """Return the claims on a chunk, and the slots that are taken."""
        folder = os.path.join(self._hub.folder, "claims", name)  # ten times as fast as a Path
        taken = claims.slots(folder)
        return claims.read_slots(folder, taken, self._hub.owner), taken

    def _full_until(self, name: str, found: list[Claim]) -> float:
        """Return until when (seconds since 1970) a chunk has no room, 0 if it has."""
        most, late = self._hub.rules.labelers, time.time()
        by_user: dict[str, float] = {}  # one account takes one place, whatever it claims
        for one in found:
            if (end := claims.ends(self._hub, name, one)) > late:
                by_user[one.user] = max(end, by_user.get(one.user, end))
        ends = sorted(by_user.values())
        return ends[len(ends) - most] if len(ends) >= most else 0

    def note(self, searched: Iterable[int]) -> None:
        """Spare the next one the looks at the places that were searched, if there were many."""
        if len(self._seen) <= _LOOKS:
            return
        others, count, last = set(searched), self._known.looked, max(self._seen)
        until = {**self._known.until, **self._seen}
        while count <= last:
            if count not in self._seen and count in others:
                break
            until.setdefault(count, 0)  # gold, or the person's own: someone else may look
            count += 1
        lines = [f"{p} {until[p]:.0f}" for p in sorted(until) if p < count and until[p] < math.inf]
        if count:
            lines.insert(0, f"{_version(self._hub)} {count} {self._chunks[count - 1].name}")
            with contextlib.suppress(OSError):  # a full disk, say: the chunk itself is claimed
                path = self._hub.folder / "people" / self._user / "full"
                disk.write_whole(path, ("\n".join(lines) + "\n").encode())


def _latest_full(hub: Hub, chunks: Listing, user: str) -> Full:
    """Return the latest of the notes that is to be heeded: a person's own, and the owner's."""
    noted = []
    for path in (hub.folder / "people").iterdir():
        with contextlib.suppress(OSError):
            info = (path / "full").lstat()
            if path.name == user or info.st_uid == hub.owner:
                noted.append((info.st_mtime_ns, path / "full"))
    found = (read_full(hub, chunks, path) for _, path in sorted(noted, reverse=True))
    return next((full for full in found if full is not None), Full(0, {}))


def _version(hub: Hub) -> str:
    return str((hub.folder / "hub.ini").stat().st_mtime_ns)


def read_full(hub: Hub, chunks: Listing, path: Path) -> Full | None:
    """Read a ``people/USER/full``, or return None if it is not to be heeded."""
    with contextlib.suppress(OSError, HubError, ValueError, IndexError):
        (version, text, name), *lines = map(
            str.split, read(path, _NOTE_LIMIT).decode().splitlines()
        )
        count, until = int(text), {int(place): float(time) for place, time in lines}
        known = version == _version(hub) and count > 0 and chunks[count - 1].name == name
        if known and all(0 <= place < count for place in until):
            return Full(count, until)
    return None
