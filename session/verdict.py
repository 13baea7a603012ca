"""What is known of a detection, told once it has a label: never before, or it would lead the eye.

In practice that is what it was made as, and what gives it away; for the expert, what others said.
Their labels lie beside the chunk, as ``NAME.csv``: ``OBJID,USER,ACTION,COMMENT``.
"""

from __future__ import annotations

import contextlib
import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import labels
import stamps


class Truth(NamedTuple):
    """What a practice detection was made as, what gives it away, and where.

    `place` is the stamp, 0 to 2, and the pixel's column and row, from the left and the top.
    """

    label: str
    hint: str
    place: tuple[int, int, int]


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
        truth = self.truth[objid]
        made = f"was made as {labels.BY_NAME[truth.label].text}. {truth.hint}."
        if action == truth.label:
            return Verdict(True, f"Yes, {objid} {made}", truth.place)
        known = action in labels.BY_NAME and labels.BY_NAME[action].kind != "neutral"
        return Verdict(False if known else None, f"{objid} {made}", truth.place)

    def table(self, given: Mapping[str, str]) -> list[str]:
        """Return lines that set labels against the truth, if that is known.

        Parameters
        ----------
        given : mapping
            Object ID -> ACTION.
        """
        if not self.truth:
            return []
        pairs = Counter((self.truth[o].label, given[o]) for o in given if o in self.truth)
        head = "".join(f"{label.key:>5}" for label in labels.LABELS)
        lines = ["", f"made as, down; labelled, across{head}"]
        for made in labels.LABELS:
            row = [pairs[made.name, label.name] for label in labels.LABELS]
            if any(row):
                cells = "".join(f"{number or '.':>5}" for number in row)
                lines.append(f"  {made.key}  {made.name:<26}{cells}")
        right = sum(self.on(objid, action).agrees is True for objid, action in given.items())
        told = f"{right} of {len(given)} as they were made. Practice labels are not kept."
        return [*lines, "", told]


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
    parts = [f"{action} {len(people[action])} ({', '.join(people[action])})" for action in order]
    return f"{objid}, the others: {'; '.join(parts)}."
