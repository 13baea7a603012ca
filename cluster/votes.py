"""What people said of which detection, as arrays, and what it amounts to: no method is in here.

Unsure and Skipped are no votes, Other is a class of its own, and an expert's label is the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import labelfile
import labels
from cluster.verified import Rows

CLASSES = labels.CLASSES
NO_CLASS = " or ".join(label.title for label in labels.LABELS if not label.vote)  # such answers
INDEX = {name: index for index, name in enumerate(CLASSES)}
if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]
else:  # a login node's numpy may be older than its types
    Ints = Floats = Bools = np.ndarray


class Votes(NamedTuple):
    """Who said what of which detection; three int arrays of equal length are the votes."""

    objids: tuple[str, ...]
    people: tuple[str, ...]
    item: Ints
    person: Ints
    answer: Ints


class Trust(NamedTuple):
    """What the votes amount to on gold whose labels were hidden, and the method chosen by it.

    `losses` has for each way to weigh votes its log-loss on that gold (mean, nats). `method` is
    the one taken, its probabilities to the power 1 / `temperature`. `posterior` (G, K) is what it
    makes of the hidden detections, `truth` (G,) what the expert says.
    """

    method: str
    temperature: float
    losses: Mapping[str, float]
    posterior: Floats
    truth: Ints


class Consensus(NamedTuple):
    """What the votes amount to. N detections, P people, K classes in the order of `CLASSES`.

    `posterior` (N, K) has the probability of each class, `confusion` (P, K, K) how probably a
    person gives each answer (last axis) to a detection of each class, `prior` (K,) how common the
    classes are, `counts` (N, K) the votes, `expert` (N,) the expert's class or -1, and
    `trust` how the method was chosen and does on gold, where there is any.
    """

    objids: tuple[str, ...]
    people: tuple[str, ...]
    posterior: Floats
    confusion: Floats
    prior: Floats
    counts: Ints
    expert: Ints
    trust: Trust | None = None

    @property
    def label(self) -> Ints:
        """Index of the most probable class, (N,); of equal ones the first."""
        return self.posterior.argmax(axis=1)

    @property
    def known(self) -> Bools:
        """Whether anyone voted or the expert spoke, (N,); else the posterior is the prior."""
        return (self.counts.sum(axis=1) > 0) | (self.expert >= 0)

    @property
    def entropy(self) -> Floats:
        """Entropy of the posterior in nats, (N,): 0 is certain, log K knows nothing."""
        p = self.posterior
        return 0 - (p * np.log(np.where(p > 0, p, 1))).sum(axis=1)  # - would make it -0.0

    @property
    def real(self) -> Floats:
        """P_REAL, (N,): the probability that it is no artifact, the sum over `labels.REAL`."""
        return self.posterior[:, [INDEX[name] for name in labels.REAL]].sum(axis=1)


def of_rows(rows: Rows) -> Votes:
    """Make `Votes` of what `verified.gather` returns.

    Detections and people of whom only Unsure or Skipped is there stay in the lists, without votes.
    """
    objids = tuple(sorted({objid for _, objid in rows}, key=_order))
    people = tuple(sorted({user for user, _ in rows}))
    items = {objid: index for index, objid in enumerate(objids)}
    persons = {user: index for index, user in enumerate(people)}
    given = np.array(
        [
            (items[objid], persons[user], INDEX[row.action])
            for (user, objid), row in rows.items()
            if row.action in INDEX
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    given = given[np.lexsort((given[:, 1], given[:, 0]))]
    return Votes(objids, people, *given.T)


def truth(rows: Mapping[str, labelfile.Row]) -> dict[str, int]:
    """Return what `verified.expert_rows` amounts to: Object ID -> index of the class."""
    return {objid: INDEX[row.action] for objid, row in rows.items() if row.action in INDEX}


def _order(objid: str) -> tuple[int, str]:
    return int(objid), objid


def tally(votes: Votes, weight: Floats) -> Floats:
    """Sum up (P, K, K) the weights (V, K) of the classes by person, class and answer."""
    k, people = len(CLASSES), len(votes.people)
    cell = votes.person * k + votes.answer
    sums = [np.bincount(cell, column, people * k) for column in weight.T.copy()]
    # of no votes at all, bincount makes integers
    return np.array(sums, dtype=float).reshape(k, people, k).swapaxes(0, 1).copy()


def with_expert(votes: Votes, expert: Mapping[str, int]) -> tuple[Votes, Ints]:
    """Add the expert's detections; return the votes, by detection, and (N,) what is fixed or -1."""
    objids = tuple(sorted({*votes.objids, *expert}, key=_order))
    place = {objid: index for index, objid in enumerate(objids)}
    moved = np.array([place[objid] for objid in votes.objids], dtype=np.int64)[votes.item]
    order = np.lexsort((votes.person, moved))
    person, answer = np.asarray(votes.person)[order], np.asarray(votes.answer)[order]
    fixed = np.array([expert.get(objid, -1) for objid in objids], dtype=np.int64)
    return Votes(objids, votes.people, moved[order], person, answer), fixed


def shares(votes: Votes, fixed: Ints) -> tuple[Floats, Ints]:
    """Return each class's share (N, K) of an item's votes, or of the expert's; and the counts."""
    k = len(CLASSES)
    cell = votes.item * k + votes.answer
    counts = np.bincount(cell, minlength=len(votes.objids) * k).reshape(-1, k)
    found = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    found[fixed >= 0] = np.eye(k)[fixed[fixed >= 0]]
    return found, counts


def prior(posterior: Floats, tied: Floats | float = 0.0) -> Floats:
    """Return how common the classes are, (K,), each begun with one imagined detection or more."""
    total = posterior.sum(axis=0) + 1 + tied
    return total / total.sum()
