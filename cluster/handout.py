"""The next chunk for a person: one they have begun elsewhere, else a new claim.

Chunks go out oldest first. A gold chunk has room for everyone; each person gets one among their
first three chunks and one in ten after that, from near where the others are, so that its number
says nothing. The owner may ask for chunks like everyone, but takes no place in them: what the
expert says is no vote. Standard library only, but for the expert's chunks.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Iterable

from cluster.claims import read_claim
from cluster.hub import ANSWER, NOTHING_LEFT, Hub, Listed, Listing
from cluster.options import speak_for
from cluster.room import Room

VERB = "next"
HELP = "give the next chunk to whoever asks"
EXAMPLE = "--have NAME"

_NEAR = 40  # places about the other chunks in which a gold one does not stand out


def options(parser: argparse.ArgumentParser) -> None:
    """Add what may follow HUB; see `run`."""
    parser.add_argument(
        "--have",
        metavar="NAME",
        nargs="*",
        action="extend",
        default=[],
        help="chunks that need not be sent again",
    )
    parser.add_argument(
        "--expert",
        action="store_true",
        help="give what most needs the expert, who is the hub's owner",
    )
    speak_for(parser)


def run(
    folder: str | os.PathLike[str],
    have: Iterable[str] = (),
    expert: bool = False,
    as_user: str | None = None,
) -> int:
    """Print the answer to ``next``, and return the exit status.

    Parameters
    ----------
    folder : str
        The hub's.
    have : iterable of str
        Names of the chunks that need not be sent again; those the hub does not know are ignored.
    expert : bool
        Give what most needs the expert, who must be speaking.
    as_user : str, optional
        See `Hub.speaker`.
    """
    hub = Hub(folder)
    user = hub.speaker(as_user)
    if expert:
        from cluster import review  # what a labeler never needs, and what makes chunks

        chunk = review.for_expert(hub, user, set(have))
        lacking = "nothing needs the expert now, neither a gold chunk nor a dispute"
    else:
        hub.person(user)
        claimed, finished = hub.claimed(user)
        chunks = hub.chunks()
        chunk = _begun(hub, user, chunks, claimed - finished - set(have))
        chunk = chunk or _new(hub, user, chunks, claimed)
        lacking = "there is no chunk left that you have not had"
    if chunk is None:
        print(f"{user}: {lacking}.\n{ANSWER} nothing")
        return NOTHING_LEFT
    many = "s" * (chunk.detections != "1")
    print(f"{user}: {chunk.name} is yours, {chunk.detections} detection{many}.")
    print(ANSWER, "chunk", chunk.name, chunk.sha256, chunk.bytes)
    return 0


def _begun(hub: Hub, user: str, chunks: Listing, names: set[str]) -> Listed | None:
    """Return the chunk that this person claimed first, of these."""
    folder = hub.person(user)
    order = sorted(names, key=lambda name: (read_claim(folder / name).time, name))
    found = map(chunks.find, order)
    return next((chunks[place] for place in found if place is not None), None)


def _new(hub: Hub, user: str, chunks: Listing, claimed: set[str]) -> Listed | None:
    """Claim a chunk that this person never had, which has room and for which it is time."""
    room, special = Room(hub, chunks, user), dict.fromkeys(chunks.gold())
    had = set(map(chunks.find, claimed | hub.mostly_labelled(user)))
    gold = [place for place in special if place not in had]
    others = [p for p in room.places() if p not in special and p not in had]
    chosen: int | None = None
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


def _gold_is_due(user: str, claimed: int, gold: int) -> bool:
    """Tell whether the next chunk of a person who claimed so many, so many of them gold, is gold.

    It is once at random among the first three and then among each ten; later only for someone who
    came before there was a gold chunk.
    """
    first = random.Random(user).randrange(3)
    if claimed < 3:
        return claimed == first or (not gold and claimed > first)
    block, place = divmod(claimed - 3, 10)
    return not gold or place == random.Random(f"{user} {block}").randrange(10)


def _gold_near(here: int, gold: list[int], room: Room) -> int:
    """Return the oldest of the gold chunks near a place that lacks people, else the nearest."""
    near = [place for place in gold if abs(place - here) <= _NEAR]
    nearest = min(gold, key=lambda place: abs(place - here))
    return next(filter(room.look, near), nearest)
