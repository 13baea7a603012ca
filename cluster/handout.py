"""The next chunk for a person: one they have begun elsewhere, else a new claim.

A claim is two files of one line, ``USER TIME``. ``claims/NAME/SLOT`` (1, 2, 3 …, no gaps) takes one
of the chunk's places, ``people/USER/NAME`` then tells the person's own commands. Both are created
exclusively, which decides every race:

- A slot is tried only when all the slots below it have been looked at, so whoever creates it knows
  that there was room, and that this person, on another laptop, was not in yet. Who comes second
  reads the claim that was faster, and looks again.
- After a crash between the two files nobody had been given the chunk; when the person comes to it
  again, the slot is found to be theirs and the second file is made.

Chunks go out oldest first. A gold chunk has room for everyone; each person gets one among their
first three chunks and one in ten after that, from near where the others are, so that its number
says nothing.

``people/USER/full`` spares the next one to look at thousands of full chunks: its first line is
``VERSION COUNT NAME``, the state of hub.ini it holds for, and how many chunks, the last of which is
NAME, have been looked at; the others are ``PLACE TIME``, a chunk among them that may have room
after TIME. All chunks without a line are full for good. Everyone writes their own and the latest
counts. It is worth nothing more than the time it saves, and may be deleted.

The expert gets gold chunks, and then review chunks, ``review--NNNNN--TIME``, made of what most
needs them: ``expert/chunks/NAME.tar.gz`` and ``expert/metadata/NAME.csv`` (OBJID, and the CHUNK it
is from), the archive last: a review chunk without one does not exist. TIME is that of the latest
label it rests on, so that two laptops which ask at once make the very same chunk.
``expert/votes/NAME.csv`` (OBJID,USER,ACTION,COMMENT) is what people said, of every chunk that the
expert was given. The owner may ask for chunks like everyone, but takes no place in them: what the
expert says is no vote.

Standard library only, but for review chunks.
"""

import contextlib
import hashlib
import math
import os
import random
import time
from datetime import datetime
from typing import NamedTuple

import disk
import labels
import stamps
from cluster import receive
from cluster.hub import (
    ANSWER,
    NOTHING_LEFT,
    REFUSED,
    REVIEW,
    Hub,
    HubError,
    account_name,
    now,
    read,
    read_owned,
    table,
)

_LOOKS = 50  # at chunks' claims, one after the other; then the first with room is searched for
_NEAR = 40  # places about the other chunks in which a gold one does not stand out
_SETTLED = 0.05  # nats: one label has about 99.5 %, and the expert has better things to do


class Claim(NamedTuple):
    """Who claimed, and when (seconds since 1970)."""

    user: str
    time: float


def hand_out(folder, have=(), expert=False, as_user=None):
    """Print the answer to ``next``, and return the exit status.

    Parameters
    ----------
    folder : str
        The hub's.
    have : sequence of str
        Names of the chunks that need not be sent again; those the hub does not know are ignored.
    expert : bool
        Give what most needs the expert, who must be speaking.
    as_user : str, optional
        See `Hub.speaker`.
    """
    hub = Hub(folder)
    user = hub.speaker(as_user)
    if expert:
        found = _for_expert(hub, user, set(have))
        lacking = "nothing needs the expert now, neither a gold chunk nor a dispute"
    else:
        hub.person(user)
        claimed, finished = hub.claimed(user)
        chunks = hub.chunks()
        chunk = _begun(hub, user, chunks, claimed - finished - set(have))
        chunk = chunk or _new(hub, user, chunks, claimed)
        found = chunk and (chunk.name, chunk.detections, chunk.sha256, chunk.bytes)
        lacking = "there is no chunk left that you have not had"
    if found is None:
        print(f"{user}: {lacking}.\n{ANSWER} nothing")
        return NOTHING_LEFT
    name, detections, sha256, size = found
    print(f"{user}: {name} is yours, {detections} detection{'s' * (detections != '1')}.")
    print(ANSWER, "chunk", name, sha256, size)
    return 0


def _begun(hub, user, chunks, names):
    """Return the chunk that this person claimed first, of these."""
    folder = hub.person(user)
    order = sorted(names, key=lambda name: (read_claim(folder / name).time, name))
    found = map(chunks.find, order)
    return next((chunks[place] for place in found if place is not None), None)


def _new(hub, user, chunks, claimed):
    """Claim a chunk that this person never had, which has room and for which it is time."""
    room, special = _Room(hub, chunks, user), dict.fromkeys(chunks.gold())
    had = set(map(chunks.find, claimed))
    gold = [place for place in special if place not in had]
    others = [p for p in room.places() if p not in special and p not in had]
    chosen = None
    if gold and _gold_is_due(user, len(claimed), len(special) - len(gold)):
        here = next(filter(room.look, room.in_order(others)), len(chunks) - 1)
        chosen = _gold_near(here, gold, room)
        room.enter(chosen, limited=False)
    if chosen is None:
        chosen = next(filter(room.enter, room.in_order(others)), None)
    if chosen is None:  # nobody is turned away while a gold chunk lacks people
        lacking = set(room.places()).intersection(gold)
        chosen = next(filter(room.enter, room.in_order(sorted(lacking))), None)
    if chosen is None and gold and len(gold) == len(special):  # nor without having been measured
        chosen = gold[0]
        room.enter(chosen, limited=False)
    room.note(others)
    return None if chosen is None else chunks[chosen]


def _gold_is_due(user, claimed, gold):
    """Tell whether the next chunk of a person who claimed so many, so many of them gold, is gold.

    It is once at random among the first three and then among each ten; later only for someone who
    came before there was a gold chunk.
    """
    first = random.Random(user).randrange(3)
    if claimed < 3:
        return claimed == first or (not gold and claimed > first)
    block, place = divmod(claimed - 3, 10)
    return not gold or place == random.Random(f"{user} {block}").randrange(10)


def _gold_near(here, gold, room):
    """Return the oldest of the gold chunks near a place that lacks people, else the nearest."""
    near = [place for place in gold if abs(place - here) <= _NEAR]
    nearest = min(gold, key=lambda place: abs(place - here))
    return next(filter(room.look, near), nearest)


class _Room:
    """Which chunks have room for a person, as far as this is known; `places` are those in `chunks`.

    It starts from the latest ``people/USER/full`` and adds what it sees.
    """

    def __init__(self, hub, chunks, user):
        self._hub, self._chunks, self._user = hub, chunks, user
        self._version = _version(hub)
        self._count, self._until = self._known()
        self._seen = {}

    def _known(self):
        """Return how many chunks were looked at, and until when those of them are full: a dict."""
        noted = []
        for path in (self._hub.folder / "people").iterdir():
            with contextlib.suppress(OSError):
                noted.append(((path / "full").lstat().st_mtime_ns, path / "full"))
        found = (
            read_full(self._hub, self._chunks, path) for _, path in sorted(noted, reverse=True)
        )
        return next(filter(None, found), (0, {}))

    def places(self):
        """Return the places of the chunks that are not known to be full, oldest first."""
        late = time.time()
        due = [place for place, until in self._until.items() if until <= late]
        return [*sorted(due), *range(self._count, len(self._chunks))]

    def in_order(self, places):
        """Go through places, the oldest first; those that take long to look at come last.

        Chunks fill up in the order of the list, so that what comes before a full one is nearly
        always full. After so many that were, the first that is not is searched for in bigger steps.
        """
        yield from places[:_LOOKS]
        rest = places[_LOOKS:]
        full, open_ = 0, 1  # so many of the rest are taken to be full, this one may not be
        while open_ <= len(rest) and not self.look(rest[open_ - 1]):
            full, open_ = open_, open_ * 2
        if open_ > len(rest) and rest:
            open_ = len(rest)
            full = full if self.look(rest[-1]) else open_
        while open_ - full > 1:
            middle = (full + open_) // 2
            full, open_ = (full, middle) if self.look(rest[middle - 1]) else (middle, open_)
        yield from rest[full:]
        yield from rest[:full]

    def look(self, place):
        """Tell whether a chunk has room for this person, or had them in all the time."""
        if place in self._seen:
            return not self._seen[place]
        name = self._chunks[place].name
        claims, _ = self._claims(name)
        inside = any(claim.user == self._user for claim in claims)
        self._seen[place] = 0 if inside else self._full_until(name, claims)
        return not self._seen[place]

    def enter(self, place, limited=True):
        """Get the person into a chunk unless it is full; return whether they are in now."""
        if limited and self._seen.get(place):
            return False
        name = self._chunks[place].name
        line = f"{self._user} {now()}\n".encode()
        claims, last = self._claims(name)
        self._seen[place] = 0
        while all(claim.user != self._user for claim in claims):
            if limited and (until := self._full_until(name, claims)):
                self._seen[place] = until
                return False
            last += 1
            slot = self._hub.folder / "claims" / name / str(last)
            with contextlib.suppress(FileExistsError):
                disk.create(slot, line)
            claims.append(read_claim(slot, self._hub.owner))
        with contextlib.suppress(FileExistsError):
            disk.create(self._hub.folder / "people" / self._user / name, line)
        return True

    def _claims(self, name):
        """Return the claims on a chunk, and the last slot that was used."""
        slots = os.path.join(self._hub.folder, "claims", name)  # ten times as fast as a Path
        taken = list(filter(str.isdecimal, os.listdir(slots)))
        claims = [read_claim(f"{slots}/{slot}", self._hub.owner) for slot in taken]
        return claims, max(map(int, taken), default=0)

    def _full_until(self, name, claims):
        """Return until when (seconds since 1970) a chunk has no room, 0 if it has."""
        most, late = self._hub.settings.labelers, time.time()
        ends = sorted(end for claim in claims if (end := _end(self._hub, name, claim)) > late)
        return ends[len(ends) - most] if len(ends) >= most else 0

    def note(self, others):
        """Spare the next one the looks, if there were many; `others` are what was searched."""
        if len(self._seen) < _LOOKS:
            return
        others, count, last = set(others), self._count, max(self._seen)
        until = {**self._until, **self._seen}
        while count <= last:
            if count not in self._seen and count in others:
                break
            until.setdefault(count, 0)  # gold, or the person's own: someone else may look
            count += 1
        lines = [f"{p} {until[p]:.0f}" for p in sorted(until) if p < count and until[p] < math.inf]
        if count:
            lines.insert(0, f"{self._version} {count} {self._chunks[count - 1].name}")
            with contextlib.suppress(OSError):  # a full disk, say: the chunk itself is claimed
                path = self._hub.folder / "people" / self._user / "full"
                disk.write_whole(path, ("\n".join(lines) + "\n").encode())


def _version(hub):
    return str((hub.folder / "hub.ini").stat().st_mtime_ns)


def read_full(hub, chunks, path):
    """Read a ``people/USER/full``, or return None if it is not to be heeded.

    Returns
    -------
    count : int
        So many of the `Listing` were looked at.
    until : dict
        Place of a chunk -> when it may have room again (seconds since 1970). Others never have.
    """
    with contextlib.suppress(OSError, HubError, ValueError, IndexError):
        (version, count, name), *lines = map(str.split, read(path).decode().splitlines())
        until = {int(place): float(time) for place, time in lines}
        known = version == _version(hub) and int(count) > 0
        known = known and chunks[int(count) - 1].name == name
        if known and all(0 <= place < int(count) for place in until):
            return int(count), until
    return None


def read_claim(path, owner=None):
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
            if len(text) == 20 and labels.is_user(user) and known:
                return Claim(user, at.timestamp())
        except (OSError, HubError, ValueError):
            pass
        if info.st_size or time.time() - info.st_mtime > 5:
            break
        time.sleep(0.01)  # its writer is between creating and writing it, or has died there
    return Claim(account_name(info.st_uid), info.st_mtime)


def _end(hub, name, claim):
    """Return until when a claim takes up one of the chunk's places; once finished, for good."""
    if claim.user == hub.expert:
        return 0
    if hub.has_finished(claim.user, name):
        return math.inf
    return claim.time + hub.settings.claim_expiry_days * 86400


def is_live(hub, name, claim):
    """Tell whether a claim takes up one of the chunk's places: it is recent, or was finished."""
    return _end(hub, name, claim) > time.time()


def _for_expert(hub, user, have):
    """Return name, detections, sum and size of the chunk that most needs the expert, or None."""
    if not hub.is_expert(user):
        raise HubError(
            f"Only {hub.expert}, who owns this hub, is its expert, not {user}: nothing was "
            "changed. Ask without --expert for chunks to label.",
            REFUSED,
        )
    answered, rows = receive.expert_rows(hub), receive.gather(hub)
    chunks = hub.chunks()
    gold = [chunks[place].name for place in chunks.gold()]
    made = sorted(path.name[:-7] for path in (hub.folder / "expert" / "chunks").iterdir())
    begun = {name: hub.objids(name) for name in [*gold, *filter(REVIEW.fullmatch, made)]}
    for name, objids in begun.items():
        if name not in have and not answered.keys() >= set(objids):
            break
    else:
        known = answered.keys() | {objid for objids in begun.values() for objid in objids}
        number = max((int(name.split("--")[1]) for name in begun if name not in gold), default=0)
        latest = max((row.time for row in rows.values()), default="")[:19]
        name = f"review--{number + 1:05d}--{latest.replace('T', '_').replace(':', '-')}"
        objids = _make_review(hub, name, _disputed(rows, answered, known))
        if not objids:
            return None
    path = hub.folder / "expert" / "votes" / f"{name}.csv"
    wanted = set(objids)
    lines = [
        (objid, person, row.action, row.comment)
        for (person, objid), row in rows.items()
        if objid in wanted and row.action != labels.SKIPPED
    ]
    lines.sort(key=lambda line: (int(line[0]), *line))
    disk.write_whole(path, table(("OBJID", "USER", "ACTION", "COMMENT"), lines))
    folder = hub.folder / "expert" if REVIEW.fullmatch(name) else hub.folder
    data = read(folder / "chunks" / f"{name}.tar.gz", stamps.CHUNK_LIMIT)
    return name, str(len(objids)), hashlib.sha256(data).hexdigest(), len(data)


def _disputed(rows, answered, known):
    """Return the detections that need the expert, but for the known ones: those most in need first.

    `rows` are everyone's, `answered` the expert's. First come those that somebody was unsure of;
    each kind by the entropy of the consensus.
    """
    if not rows:
        return []
    from cluster import agreement  # numpy, which a login node may lack

    consensus = agreement.dawid_skene(agreement.votes(rows), agreement.truth(answered))
    unsure = {objid for (_, objid), row in rows.items() if row.action == "Unsure"}
    found = [
        (objid not in unsure, -entropy, objid)
        for objid, entropy, votes in zip(
            consensus.objids, consensus.entropy.tolist(), consensus.counts.sum(axis=1).tolist()
        )
        if objid not in known and (objid in unsure or (votes and entropy > _SETTLED))
    ]
    return [objid for *_, objid in sorted(found)]


def _make_review(hub, name, wanted):
    """Make a chunk of the first of the wanted detections, and return them, as many as fit."""
    from cluster.add import UNPACKED_LIMIT, packed, size_in_archive

    homes, left = {}, set(wanted)
    for chunk in hub.chunks() if wanted else ():
        for objid in left.intersection(hub.objids(chunk.name)):
            homes[objid] = chunk.name
        left -= homes.keys()
        if not left.intersection(wanted[: hub.settings.chunk_size]):
            break
    parts, room = {}, UNPACKED_LIMIT
    most = [objid for objid in wanted if objid in homes][: hub.settings.chunk_size]
    for home in dict.fromkeys(homes[objid] for objid in most):
        with contextlib.suppress(stamps.StampError):  # `check` tells; what came before it is good
            for member, data in stamps.members(hub.folder / "chunks" / f"{home}.tar.gz"):
                kind, objid, suffix = stamps.parse_name(member)
                if homes.get(objid) == home and objid in most and data is not None:
                    parts.setdefault(objid, {})[kind] = (f"{kind}{objid}{suffix}", data)
    objids, members = [], []
    for objid in most:
        triplet = parts.get(objid, {})
        size = size_in_archive(len(data) for _, data in triplet.values())
        if len(triplet) == len(stamps.KINDS) and size <= room:
            objids.append(objid)
            members += (triplet[kind] for kind in stamps.KINDS)
            room -= size
    if objids:
        folder = hub.folder / "expert"
        lines = [(objid, homes[objid]) for objid in objids]
        disk.write_whole(folder / "metadata" / f"{name}.csv", table(("OBJID", "CHUNK"), lines))
        disk.write_whole(folder / "chunks" / f"{name}.tar.gz", packed(name, members))
    return objids
