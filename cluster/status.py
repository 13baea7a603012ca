"""How far the hub is: chunks, what is left to do, and people.

It is read off the people's folders and the verified files, one look per person and none per chunk
(but where detections could only be skipped), with the standard library only; anyone may ask.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import labelfile
import labels
import stamps
from cluster.claims import is_live, read_claim
from cluster.hub import Hub, Listed, detections
from cluster.terminal import aligned, counted
from cluster.verified import Rows, gather, only_skipped

VERB = "status"
HELP = "tell how far the chunks and the people are"

_FEW = 7  # chunks, as the warning says; the lead needs a day or two to make another drop
_WEEK = 7 * 86400  # seconds over which the pace is taken: weekends included, long ago left out


def run(folder: str | os.PathLike[str]) -> int:
    """Print how far the chunks are and what is left to do; then the people."""
    hub = Hub(folder)
    rows = gather(hub)
    done, out = Counter[str](), Counter[str]()
    given = Counter(user for (user, _), row in rows.items() if row.action != labels.SKIPPED)
    skipping = {user for (user, _), row in rows.items() if row.action == labels.SKIPPED}
    now = time.time()
    pace = _pace(rows, now)
    lines: list[Sequence[str]] = [
        ("person", "labels", "a day", "has", "finished", "last seen (UTC)")
    ]
    chunks, needed = list(hub.chunks()), hub.rules.labelers
    names = {chunk.name for chunk in chunks}
    for user in sorted({*_people(hub), *pace.last}):
        if user == hub.expert:
            continue  # whose labels are no votes, and bring no chunk nearer to its end
        person = hub.folder / "people" / user
        claimed: set[str] = set()
        finished: set[str] = set()
        with contextlib.suppress(OSError):  # who closes their folder hides their own work alone
            claimed, finished = (listed & names for listed in hub.claimed(user))
        held = claimed - finished
        unseen = {n for n in finished if hub.has_skipped(user, n)} if user in skipping else set()
        if hub.votes(user):
            done.update(finished - unseen)
        for name in held | unseen:
            with contextlib.suppress(OSError):
                live = is_live(hub, name, read_claim(person / name, hub.owner))
                (out if name in held else done)[name] += live
        counts = map(str, (given[user], _rate(pace.by_user[user]), len(held), len(finished)))
        last = pace.last.get(user, 0.0)
        with contextlib.suppress(OSError):  # of earlier tables there are labels alone
            last = person.stat().st_mtime
        # nobody has been seen in the future, whatever time they gave to their folder
        seen = datetime.fromtimestamp(max(0.0, min(last, now)), timezone.utc)
        lines.append((user, *counts, f"{seen:%Y-%m-%d %H:%M}"))
    skipped = _skipped(hub, chunks, rows)
    waiting = _print_chunks(chunks, done, out, needed, skipped.chunks)
    total = detections(chunks) - skipped.anew
    answers = (row for (user, _), row in rows.items() if hub.votes(user))
    print(_left(total, answers, needed, pace.since, now))
    if skipped.objids:
        print(
            f"only skipped: {counted(len(skipped.objids), 'detection')}, such as "
            f"{' '.join(sorted(skipped.objids)[:3])}; mend the stamps and add them again"
        )
    print("\n" + aligned(lines, (0, 5)))
    if hub.excluded:
        print(f"\nexcluded, and no votes: {', '.join(sorted(hub.excluded))}")
    if rows:
        print(f"\na day: over {_span(now - pace.since)}")
    if waiting < _FEW:
        print(
            "\nFewer than seven chunks wait for someone: add more stamps soon (add), so that "
            "nobody runs dry."
        )
    return 0


class _Skipped(NamedTuple):
    """What has no label since it could only be skipped.

    `objids` are the detections, `chunks` those that have nothing else; `anew` counts detections
    that have come again with a later drop, and are in two chunks.
    """

    objids: set[str]
    chunks: set[str]
    anew: int


def _skipped(hub: Hub, chunks: Sequence[Listed], rows: Rows) -> _Skipped:
    met = {objid for (_, objid), row in rows.items() if row.action == labels.SKIPPED}
    skipped = only_skipped(rows.values())
    found, seen, anew = _Skipped(set(), set(), 0), set[str](), 0
    for chunk in chunks if met else ():
        stamp, objids = stamps.metadata_stamp(chunk.name), hub.objids(chunk.name)
        those = {objid for objid in objids if stamp in skipped.get(objid, ())}
        again = seen.intersection(objids)
        anew += len(again)
        seen |= met.intersection(objids)
        found.objids.difference_update(again)
        found.objids.update(those)
        if those and those == set(objids):
            found.chunks.add(chunk.name)
    return found._replace(anew=anew)


def _print_chunks(
    chunks: Sequence[Listed],
    done: Counter[str],
    out: Counter[str],
    needed: int,
    skipped: Container[str],
) -> int:
    """Print how far the chunks are, and return how many wait for someone.

    `done` and `out` have, for each chunk, how many people have finished it, and have it; `skipped`
    are the chunks of which that says nothing.
    """
    # a gold chunk takes more people than needed: what is more neither helps nor hides another
    ended = [chunk.name for chunk in chunks if done[chunk.name] >= needed]
    complete = sum(name not in skipped for name in ended)
    # `next` gives a chunk to another person as long as fewer than needed have it or finished it
    having = (done[chunk.name] + out[chunk.name] for chunk in chunks)
    lacking = Counter(have for have in having if have < needed)
    waiting = sum(lacking.values())
    busy = len(chunks) - len(ended) - waiting
    told = [f"{complete} complete", f"{waiting} {'needs' if waiting == 1 else 'need'} more people"]
    if len(ended) > complete:
        told.insert(1, f"{len(ended) - complete} only skipped")
    if busy:
        told.insert(-1, f"{busy} with labelers")
    if waiting:
        parts = (
            f"{counted(lacking[have], 'has', 'have')} {have} of {needed}"
            for have in sorted(lacking)
        )
        told[-1] += f" ({', '.join(parts)})"
    print(f"chunks {len(chunks):3}: {', '.join(told)}")
    return waiting


def _people(hub: Hub) -> Iterator[str]:
    """Go through the names of those who have a folder in people/."""
    for person in (hub.folder / "people").iterdir():
        if labelfile.is_user(person.name) and not person.is_symlink() and person.is_dir():
            yield person.name


class _Pace(NamedTuple):
    """Each person's labels per day, when their last one was given, and since when they count."""

    by_user: defaultdict[str, float]
    last: dict[str, float]
    since: float


def _pace(rows: Rows, now: float) -> _Pace:
    """Tell how fast people are.

    It is for a week; where the first label of all is younger, since that, but one day at least.
    """
    times = {key: labelfile.given_at(row) for key, row in rows.items()}
    last: dict[str, float] = {}
    for (user, _), at in times.items():
        last[user] = max(at, last.get(user, at))
    since = max(now - _WEEK, min([now - 86400, *times.values()]))
    recent: Counter[str] = Counter(
        user
        for (user, objid), row in rows.items()
        if times[user, objid] >= since and row.action != labels.SKIPPED
    )
    days = (now - since) / 86400
    by_user = defaultdict(float, {user: count / days for user, count in recent.items()})
    return _Pace(by_user, last, since)


def _left(total: int, rows: Iterable[labelfile.Row], needed: int, since: float, now: float) -> str:
    """Return the line that tells how many detections are left, and how many days that takes.

    Only the first `needed` answers (Unsure too, but not Skipped) to a detection bring the end
    nearer: gold chunks get more than that, and these count neither as done nor into the rate.
    """
    times: dict[str, list[float]] = {}
    for row in rows:
        if row.action == labels.SKIPPED:
            continue
        times.setdefault(row.objid, []).append(labelfile.given_at(row))
    useful = [sorted(several)[:needed] for several in times.values()]
    left = max(0, total - sum(len(several) == needed for several in useful))
    answers = max(0, total * needed - sum(map(len, useful)))
    if not left:
        return f"detections {total}: none left"
    told = f"detections {total}: {left} left, which {'needs' if left == 1 else 'need'} "
    told += counted(answers, "more answer")
    recent = sum(at >= since for several in useful for at in several)
    if not recent:
        return f"{told}; none that counts came in the last 7 days"
    rate = recent / (now - since) * 86400
    days = math.ceil(answers / rate)
    return f"{told}: {counted(days, 'day')} at the present {_rate(rate)} a day"


def _rate(value: float) -> str:
    return f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"


def _span(seconds: float) -> str:
    if seconds >= _WEEK:
        return "the last 7 days"
    if seconds <= 86400:
        return "the last day"
    return f"the {seconds / 86400:.1f} days since the first label"
