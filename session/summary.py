"""What a sitting came to: `Report`, for the window, and as lines for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import labels
from session.verdict import Verdicts

BAR = 30  # characters
WEAKEST = 2  # rows that are told


class Row(NamedTuple):
    """The detections of practice that are of one label.

    `said` counts what they were labelled as, `right` those whose label is right.
    """

    label: labels.Label
    said: Counter[str]
    right: int

    @property
    def total(self) -> int:
        """Return how many there are."""
        return sum(self.said.values())


class Report(NamedTuple):
    """What a sitting came to.

    Attributes
    ----------
    given : dict
        Object ID -> ACTION; of what comes once more in practice the first.
    shown, elapsed : float
        Seconds that these detections were on screen in all, and since the window opened.
    table : list of Row
        Practice: by what the detections are, in the order of `labels.LABELS`.
    misses : dict
        Practice: Object ID -> what it was, of those whose label is not right, in their order.
    agreed, compared : int
        Of the expert's session: how many of the classes that others named are the expert's, of how
        many; 0 of 0 in every other.
    file : Path or None
        Where the label file is now, or None if there is none to be kept.
    """

    given: dict[str, str]
    shown: float
    elapsed: float
    table: list[Row]
    misses: dict[str, labels.Label]
    agreed: int
    compared: int
    file: Path | None = None

    @property
    def right(self) -> int:
        """Return how many labels are right, in practice."""
        return sum(row.right for row in self.table)

    @property
    def weakest(self) -> list[Row]:
        """Return the rows of practice of which the largest share was missed, worst first."""
        missed = [row for row in self.table if row.right < row.total]
        return sorted(missed, key=lambda row: row.right / row.total)[:WEAKEST]

    @property
    def counts(self) -> list[tuple[labels.Label, int]]:
        """Return how often each label was given, of those that were."""
        counts = Counter(self.given.values())
        return [(label, counts[label.name]) for label in labels.LABELS if counts[label.name]]

    @property
    def pace(self) -> str:
        """Tell how many labels were given in which time."""
        count = len(self.given)
        minutes = f"{self.elapsed // 60:.0f} min " if self.elapsed >= 60 else ""
        return (
            f"{count} label{'s' * (count > 1)} in {minutes}{self.elapsed % 60:.0f} s, "
            f"{self.shown / count:.1f} s on screen each"
        )


def report(
    given: Mapping[str, str],
    verdicts: Verdicts,
    shown: float,
    elapsed: float,
    file: Path | None = None,
) -> Report:
    """Return what a sitting came to; the parameters are the attributes of `Report`."""
    truth = {objid: verdicts.truth[objid].label for objid in given if objid in verdicts.truth}
    misses = {
        objid: labels.BY_NAME[name]
        for objid, name in truth.items()
        if not verdicts.on(objid, given[objid]).agrees
    }
    table = []
    for label in labels.LABELS:
        here = [objid for objid, name in truth.items() if name == label.name]
        if here:
            said = Counter(given[objid] for objid in here)
            table.append(Row(label, said, sum(objid not in misses for objid in here)))
    agreed, compared = verdicts.agreement(given)
    return Report(dict(given), shown, elapsed, table, misses, agreed, compared, file)


def lines(told: Report) -> list[str]:
    """Describe a sitting for the terminal."""
    if not told.given:
        return ["No labels this time."]
    most = max(count for _, count in told.counts)
    text = [f"{told.pace}:"]
    for label, count in told.counts:
        text.append(f"  {label.title:<29}{count:>5}  {'#' * max(1, round(BAR * count / most))}")
    return text + _table(told) if told.table else text


def _table(told: Report) -> list[str]:
    """Set labels against the truth."""
    head = "".join(f"{label.key:>5}" for label in labels.LABELS)
    text = ["", f"{'what they were, labelled as':<34}{head}"]
    for row in told.table:
        cells = "".join(f"{row.said[label.name] or '.':>5}" for label in labels.LABELS)
        text.append(f"  {row.label.key}  {row.label.title:<29}{cells}")
    score = f"{told.right} of {len(told.given)} right. Practice labels are not kept."
    return [*text, "", score]
