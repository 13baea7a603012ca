"""What is known of a detection, told once it has a label: never before, or it would lead the eye.

In practice that is what it was, and what gives it away; for the expert, what others said.
Their labels lie beside the chunk, as ``NAME.csv``: ``OBJID,USER,ACTION,COMMENT``.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import labels
import stamps


class Truth(NamedTuple):
    """What a practice detection is, what gives it away, and where.

    `place` is the stamp, 0 to 2, and the pixel's column and row, from the left and the top. At the
    border `also` is right as well; `level` is "clear" or "real", how hard it is.
    """

    label: str
    hint: str
    place: tuple[int, int, int]
    also: str = ""
    level: str = ""


class Vote(NamedTuple):
    """What another person said of a detection."""

    user: str
    action: str
    comment: str


class Verdict(NamedTuple):
    """What is told of a label.

    `agrees` is None if nobody knows: it is no practice, or the answer was no class. The sentence
    is empty if nothing is known. `place` is that of `Truth`.
    """

    agrees: bool | None
    sentence: str
    place: tuple[int, int, int] | None = None


NOTHING = Verdict(None, "")
RIGHT, WRONG = "✓", "✗"  # beside the colours, which not everybody tells apart
MARKS = {True: RIGHT, False: WRONG, None: ""}  # by `Verdict.agrees`


class Verdicts:
    """All that is known, by Object ID."""

    def __init__(self) -> None:
        self.truth: dict[str, Truth] = {}
        self.votes: dict[str, list[Vote]] = {}

    def on(self, objid: str, action: str) -> Verdict:
        """Return what there is to be said of a label."""
        if objid in self.votes:
            return Verdict(None, _tell_votes(objid, self.votes[objid]))
        if objid not in self.truth:
            return NOTHING
        truth, said = self.truth[objid], labels.title(action)
        was = f"{labels.title(truth.label)}. {truth.hint.rstrip('.')}."
        if action in (truth.label, truth.also):
            return Verdict(True, f"{RIGHT} {objid} was {was}", truth.place)
        known = action in labels.BY_NAME and labels.BY_NAME[action].kind != "neutral"
        if known:
            return Verdict(False, f"{WRONG} You said {said}; it was {was}", truth.place)
        return Verdict(None, f"You said {said}; it was {was}", truth.place)

    def agreement(self, given: Mapping[str, str]) -> tuple[int, int]:
        """Return how many of the classes that others named are those given, and how many they are.

        Parameters
        ----------
        given : mapping
            Object ID -> ACTION.
        """
        pairs = [
            (action, vote.action)
            for objid, action in given.items()
            for vote in self.votes.get(objid, ())
            if labels.is_vote(action) and labels.is_vote(vote.action)
        ]
        return sum(mine == other for mine, other in pairs), len(pairs)


def votes_of(path: Path) -> Path:
    """Return where the labels lie that others gave to a chunk's detections, for the expert."""
    return path.with_name(f"{stamps.stem(path)}.csv")


def read_votes(path: Path) -> dict[str, list[Vote]]:
    """Return what others said of a chunk's detections; nothing where no such table can be read."""
    votes: dict[str, list[Vote]] = {}
    with (
        contextlib.suppress(OSError, UnicodeDecodeError, csv.Error),
        votes_of(path).open(newline="", encoding="utf-8") as table,
    ):
        for row in csv.reader(table):
            if len(row) == 4:
                objid, *vote = row
                votes.setdefault(objid, []).append(Vote(*vote))
    return votes


def _tell_votes(objid: str, votes: list[Vote]) -> str:
    """Say who gave which label, the most frequent first."""
    people: dict[str, list[str]] = {}
    for vote in votes:
        who = f"{vote.user}: {vote.comment}" if vote.comment else vote.user
        people.setdefault(vote.action, []).append(who)
    order = sorted(people, key=lambda action: -len(people[action]))
    parts = [
        f"{labels.title(action)} {len(people[action])} ({', '.join(people[action])})"
        for action in order
    ]
    return f"{objid}, the others: {'; '.join(parts)}."
