"""What many votes amount to: for each detection the probability of every class.

``consensus`` writes ``expert/consensus.csv``, one row per detection in the order of labels.csv:
``OBJID``, ``LABEL`` (the most probable class; empty where nobody voted), ``P_`` and a class for
each of them, ``P_REAL``, ``VOTES`` (such as ``Marginal:1 Good:2``), ``LABELERS`` (how many people
voted), ``EXPERT`` (the expert's label, or empty) and ``ENTROPY`` (nats). The expert folder is
closed to labelers, who must not see the truth of gold chunks. Another method is another entry of
`METHODS` and its function. Needs numpy; what can be asked for is told without it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import disk
import labelfile
from cluster import verified
from cluster.hub import Hub, table
from cluster.terminal import counted
from labels import CLASSES

if TYPE_CHECKING:
    from cluster.votes import Consensus, Votes

VERB = "consensus"
HELP = "write what the labels amount to"
EXAMPLE = "--method majority"

LABEL_COLUMNS = (
    *("OBJID", "LABEL", *(f"P_{name}" for name in CLASSES)),
    *("P_REAL", "VOTES", "LABELERS", "EXPERT"),
)
COLUMNS = (*LABEL_COLUMNS, "ENTROPY")


def _dawid_skene(given: Votes, expert: Mapping[str, int]) -> Consensus:
    from cluster import dawid_skene

    return dawid_skene.weigh(given, expert)


def _look_alike(given: Votes, expert: Mapping[str, int]) -> Consensus:
    from cluster import lookalike

    return lookalike.weigh(given, expert)


def majority(given: Votes, expert: Mapping[str, int]) -> Consensus:
    """Take each class's share of the votes for its probability.

    Parameters and what is returned are those of `dawid_skene.weigh`. Of equal shares the first
    class in `CLASSES` is the label; the confusion matrices are those that this truth would make.
    """
    from cluster import dawid_skene, votes

    given, fixed = votes.with_expert(given, expert)
    posterior, counts = votes.shares(given, fixed)
    known = posterior.any(axis=1)
    prior = votes.prior(posterior[known])
    posterior[~known] = prior
    people = dawid_skene.answering(given, posterior[given.item])
    return votes.Consensus(
        given.objids, given.people, posterior, people.matrix, prior, counts, fixed
    )


class Method(NamedTuple):
    """A way to weigh votes; `told` ends the sentence "They come from the votes of 12 people, "."""

    weigh: Callable[[Votes, Mapping[str, int]], Consensus]
    told: str


PLAIN = "dawid-skene"
METHODS = {
    PLAIN: Method(
        _dawid_skene,
        "weighed by how each person has been found to confuse the classes (Dawid and Skene 1979)",
    ),
    "look-alike": Method(
        _look_alike,
        "weighed by how each person has been found to confuse the classes (Dawid and Skene 1979), "
        "and by what detections of each class look like to everyone",
    ),
    "majority": Method(majority, "each class by its share of the votes"),
}
DEFAULT = "best"  # of these two, by hidden gold
_RIVALS = (PLAIN, "look-alike")


def method_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--method``."""
    parser.add_argument(
        "--method",
        choices=(DEFAULT, *METHODS),
        default=DEFAULT,
        help="how votes become one label (%(default)s: what does best on hidden gold)",
    )


def weigh(
    given: Votes,
    expert: Mapping[str, int],
    method: str = DEFAULT,
    gold: Collection[str] = (),
) -> Consensus:
    """Return the consensus of votes.

    Parameters
    ----------
    given : Votes
        What people said.
    expert : dict
        OBJID -> index of the class: the truth, which nothing changes.
    method : str
        A key of `METHODS`, or `DEFAULT`: what does best on hidden gold (`trust.judge`), and where
        there is too little of it, Dawid and Skene's made flatter (`trust.unchecked`).
    gold : collection of str
        The Object IDs of the expert's that are a random sample.
    """
    if method != DEFAULT:
        return METHODS[method].weigh(given, expert)
    from cluster import trust

    rivals = {name: METHODS[name].weigh for name in _RIVALS}
    judged = trust.judge(given, expert, gold, rivals, PLAIN)
    if judged is None:
        return trust.unchecked(METHODS[PLAIN].weigh(given, expert))
    name = PLAIN if judged.method == trust.TEMPERED else judged.method
    return trust.applied(METHODS[name].weigh(given, expert), judged)


def of_rows(rows: verified.Rows, expert: Mapping[str, labelfile.Row]) -> Consensus:
    """Return what `verified.gather` and `verified.expert_rows` amount to, at once: by one method.

    It is for the order in which the expert is asked, who is waiting.
    """
    from cluster import votes

    return weigh(votes.of_rows(rows), votes.truth(expert), PLAIN)


def of_hub(hub: Hub, method: str = DEFAULT) -> Consensus:
    """Return the consensus of all that a hub has verified, the expert's labels included."""
    from cluster import votes

    expert = votes.truth(verified.expert_rows(hub))
    gold = verified.gold_truth(hub).keys()
    # the rows, some hundred bytes each, are gone before the arrays are made
    return weigh(votes.of_rows(verified.voting(hub)), expert, method, gold)


def told(found: Consensus, method: str) -> str:
    """Return what ends the sentence "They come from the votes of 12 people, "."""
    if method != DEFAULT:
        return METHODS[method].told
    if found.trust is None:
        return f"{METHODS[PLAIN].told}, several counting as if they erred alike in part"
    from cluster import trust

    chosen = found.trust.method
    if chosen == trust.TEMPERED:
        return f"{METHODS[PLAIN].told}, made less sure by one temperature"
    return METHODS[chosen].told


class Line(NamedTuple):
    """A row of consensus.csv, all of it text; `shares` are those of the classes."""

    objid: str
    label: str
    shares: tuple[str, ...]
    real: str
    votes: str
    labelers: str
    expert: str
    entropy: str

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields in the order of `LABEL_COLUMNS`."""
        known = self.real, self.votes, self.labelers, self.expert
        return (self.objid, self.label, *self.shares, *known)


def lines(consensus: Consensus) -> Iterator[Line]:
    """Go through the rows of consensus.csv."""
    columns = (
        consensus.objids,
        consensus.known.tolist(),
        consensus.label.tolist(),
        consensus.posterior.tolist(),
        consensus.real.tolist(),
        consensus.counts.tolist(),
        consensus.expert.tolist(),
        consensus.entropy.tolist(),
    )
    for objid, known, label, p, real, counts, expert, entropy in zip(*columns):
        yield Line(
            objid,
            CLASSES[label] if known else "",
            tuple(f"{value:.6f}" for value in p),
            f"{real:.6f}",
            " ".join(f"{name}:{count}" for name, count in zip(CLASSES, counts) if count),
            str(sum(counts)),
            CLASSES[expert] if expert >= 0 else "",
            f"{entropy:.6f}",
        )


options = method_option


def run(folder: str | os.PathLike[str], method: str = DEFAULT) -> int:
    """Write expert/consensus.csv anew, print what it rests on, and return the exit status."""
    from cluster import trust

    hub = Hub(folder)
    hub.owner_only("write the consensus")
    consensus = of_hub(hub, method)
    path = hub.folder / "expert" / "consensus.csv"
    rows = ((*line.fields, line.entropy) for line in lines(consensus))
    disk.write_whole(path, table(COLUMNS, rows), 0o600)
    given = consensus.counts.sum(axis=1)
    expert, unknown = consensus.expert >= 0, ~consensus.known
    voteless = f", {unknown.sum()} without any vote" if unknown.any() else ""
    print(
        f"The {method} consensus of {counted(given.sum(), 'vote')} on "
        f"{counted(len(given), 'detection')} ({expert.sum()} settled by the "
        f"expert{voteless}) is in {path}."
    )
    if consensus.trust is not None:
        print(f"{trust.choice(consensus.trust)}\n{trust.reach(consensus.trust)}")
    if method == DEFAULT:
        for sentence in trust.warnings(consensus):
            sys.stderr.write(sentence + "\n")
    return 0
