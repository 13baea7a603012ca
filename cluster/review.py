"""What most needs the expert: gold chunks, and then review chunks, made of what people dispute.

A review chunk ``review--NNNNN--TIME`` is ``expert/chunks/NAME.tar.gz`` and
``expert/metadata/NAME.csv`` (OBJID, and the CHUNK it is from), the archive last: one without an
archive does not exist. TIME is that of the latest label it rests on, so that two laptops which ask
at once make the very same chunk. ``expert/votes/NAME.csv`` (OBJID,USER,ACTION,COMMENT) is what
people said, of every chunk that the expert was given. ``expert/queue.csv`` (OBJID,TIME,REVIEW) is
what `import` was told to ask for again: it comes before what is in dispute. Making a review chunk
needs numpy.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime, timezone
from typing import NamedTuple

import disk
import labelfile
import labels
import stamps
from cluster import chunks
from cluster.chunks import UNPACKED_LIMIT
from cluster.hub import REFUSED, REVIEW, Hub, HubError, Listed, number, parsed, read, table
from cluster.verified import Rows, expert_rows, voting

_SETTLED = 0.05  # nats: one label has about 99.5 %, and the expert has better things to do


def for_expert(hub: Hub, user: str, have: Collection[str]) -> Listed | None:
    """Return the chunk that most needs the expert, or None if none does.

    Parameters
    ----------
    hub : Hub
    user : str
        Who is speaking.
    have : collection of str
        Names of the chunks that need not be sent again.
    """
    if not hub.is_expert(user):
        raise HubError(
            f"Only {hub.expert}, who owns this hub, is its expert, not {user}: nothing was "
            "changed. Ask without --expert for chunks to label.",
            REFUSED,
        )
    answered, rows = expert_rows(hub), voting(hub)
    listed = hub.chunks()
    gold = [listed[place].name for place in listed.gold()]
    made = (stamps.stem(path) for path in (hub.folder / "expert" / "chunks").iterdir())
    reviews = sorted(filter(REVIEW.fullmatch, made))
    begun = {name: hub.objids(name) for name in [*gold, *reviews]}
    waiting = _waiting(hub)

    def lacks_answer(name: str, objid: str) -> bool:
        if objid not in answered or objid not in waiting:
            return objid not in answered
        asked = waiting[objid]  # an answer from before is none to a second look
        return _comes_after(name, asked) and answered[objid].time < asked.time

    for name, objids in begun.items():
        if name not in have and any(lacks_answer(name, objid) for objid in objids):
            break
    else:
        known = answered.keys() | {objid for objids in begun.values() for objid in objids}
        again = [
            objid
            for objid, asked in waiting.items()
            if (objid not in answered or answered[objid].time < asked.time)
            and not any(_comes_after(name, asked) and objid in begun[name] for name in reviews)
        ]
        last = max(map(number, reviews), default=0)
        times = *(row.time for row in rows.values()), *(asked.time for asked in waiting.values())
        latest = max(times, default="")[:19]
        name = f"review--{last + 1:05d}--{latest.replace('T', '_').replace(':', '-')}"
        disputed = _disputed(rows, answered, known.union(again))
        objids = _make(hub, name, [*again, *disputed])
        if not objids:
            return None
    _write_votes(hub, name, rows, set(objids))
    data = read(hub.archive(name), stamps.CHUNK_LIMIT)
    return Listed(name, hashlib.sha256(data).hexdigest(), str(len(data)), str(len(objids)))


class _Asked(NamedTuple):
    """When a second look was asked for, and the number of the last review chunk of then."""

    time: str
    review: int


def _waiting(hub: Hub) -> dict[str, _Asked]:
    """Read ``expert/queue.csv``: by Object ID, in the order in which they were asked for."""
    with contextlib.suppress(FileNotFoundError):
        _, *rows = parsed(read(hub.folder / "expert" / "queue.csv"))
        return {objid: _Asked(time, int(last)) for objid, time, last in rows}
    return {}


def _comes_after(name: str, asked: _Asked) -> bool:
    """Tell whether a chunk is a review chunk that was made after a second look was asked for."""
    return REVIEW.fullmatch(name) is not None and number(name) > asked.review


def queue(hub: Hub, objids: Iterable[str]) -> int:
    """Ask the expert for a second look at detections; return how many were not asked for before."""
    waiting = _waiting(hub)
    before = len(waiting)
    made = (stamps.stem(path) for path in (hub.folder / "expert" / "chunks").iterdir())
    last = max(map(number, filter(REVIEW.fullmatch, made)), default=0)
    # as exactly as labels are timed: one of the same second may be older, or the answer
    at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for objid in objids:
        waiting.setdefault(objid, _Asked(at, last))
    if len(waiting) > before:
        lines = table(("OBJID", "TIME", "REVIEW"), ((o, *asked) for o, asked in waiting.items()))
        disk.write_whole(hub.folder / "expert" / "queue.csv", lines, 0o600)
    return len(waiting) - before


def _write_votes(hub: Hub, name: str, rows: Rows, wanted: set[str]) -> None:
    lines = [
        (objid, person, row.action, row.comment)
        for (person, objid), row in rows.items()
        if objid in wanted and row.action != labels.SKIPPED
    ]
    lines.sort(key=lambda line: (int(line[0]), *line))
    path = hub.folder / "expert" / "votes" / f"{name}.csv"
    disk.write_whole(path, table(("OBJID", "USER", "ACTION", "COMMENT"), lines))


def _disputed(
    rows: Rows,
    answered: dict[str, labelfile.Row],
    known: Collection[str],
) -> list[str]:
    """Return the detections that need the expert, but for the known ones: those most in need first.

    `rows` are everyone's, `answered` the expert's. First come those that somebody was unsure of;
    each kind by the entropy of the consensus.
    """
    if not rows:
        return []
    from cluster import consensus  # numpy, which a login node may lack

    found = consensus.of_rows(rows, answered)
    unsure = {
        objid
        for (_, objid), row in rows.items()
        if row.action in labels.BY_NAME and not labels.is_vote(row.action)
    }
    disputed = [
        (objid not in unsure, -entropy, objid)
        for objid, entropy, votes in zip(
            found.objids, found.entropy.tolist(), found.counts.sum(axis=1).tolist()
        )
        if objid not in known and (objid in unsure or (votes and entropy > _SETTLED))
    ]
    return [objid for *_, objid in sorted(disputed)]


def _make(hub: Hub, name: str, wanted: list[str]) -> list[str]:
    """Make a chunk of the first of the wanted detections, and return them, as many as fit."""
    homes: dict[str, str] = {}
    left = set(wanted)
    # the latest first: what could only be skipped may have come anew
    for chunk in reversed(hub.chunks()) if wanted else ():
        for objid in left.intersection(hub.objids(chunk.name)):
            homes[objid] = chunk.name
        left -= homes.keys()
        if not left.intersection(wanted[: hub.rules.chunk_size]):
            break
    most = [objid for objid in wanted if objid in homes][: hub.rules.chunk_size]
    triplets = {}
    for home in dict.fromkeys(homes[objid] for objid in most):
        here = {objid for objid in most if homes[objid] == home}
        with contextlib.suppress(stamps.StampError):  # `check` tells; what came before it is good
            for objid, triplet in stamps.Triplets(stamps.members(hub.archive(home)), here):
                triplets[objid] = triplet
    objids, members, room = [], [], UNPACKED_LIMIT
    for objid in most:
        triplet = triplets.get(objid, {})
        parts = [
            (f"{kind}{objid}{triplet[kind].suffix}", triplet[kind].data)
            for kind in stamps.KINDS
            if kind in triplet and triplet[kind].data is not None
        ]
        size = chunks.size_in_archive(len(data) for _, data in parts)
        if len(parts) == len(stamps.KINDS) and size <= room:
            objids.append(objid)
            members += parts
            room -= size
    if objids:
        lines = [(objid, homes[objid]) for objid in objids]
        disk.write_whole(hub.metadata_file(name), table(("OBJID", "CHUNK"), lines))
        disk.write_whole(hub.archive(name), chunks.packed(name, members))
    return objids
