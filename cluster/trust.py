"""How far what the votes amount to can be trusted: found on gold that is hidden from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np

from cluster.votes import CLASSES, Consensus, Floats, Ints, Trust, Votes

Weigh = Callable[[Votes, Mapping[str, int]], Consensus]

_FOLDS = 5
ENOUGH = 50  # gold detections that tell methods apart
_SAMPLE = 10_000  # detections: more would take long and tell little more
_GOLD = 1000  # of gold among them, at least
_EDGES = (0.4, 0.6, 0.8, 0.9, 0.97)  # of the probabilities that are told apart
_FLOOR = 1e-4  # of a probability, in a log-loss: one detection must not decide
_TEMPERATURES = np.exp2(np.arange(-8, 25) / 8)  # 1/2 to 8
_CORRELATION = 1 / 3  # of people's errors, where no gold tells it
PLAIN = "dawid-skene"
TEMPERED = "tempered"  # the plain method, with a temperature
_NAMES = {
    PLAIN: "of Dawid and Skene's model",
    TEMPERED: "of Dawid and Skene's with a temperature",
    "look-alike": "with look-alikes",
}
_WHY = {
    PLAIN: "nothing does surely better than Dawid and Skene's model",
    TEMPERED: "Dawid and Skene's model with a temperature does best",
    "look-alike": "people seem to be fooled alike, and the model with look-alikes does best",
}


class Bin(NamedTuple):
    """Hidden detections of like probability of their label: its mean, and how many are right."""

    stated: float
    right: int
    number: int


def judge(
    votes: Votes,
    expert: Mapping[str, int],
    gold: Collection[str],
    methods: Mapping[str, Weigh],
    plain: str,
) -> Trust | None:
    """Choose the method that does best on hidden gold, or the plain one with a temperature.

    Gold is hidden a fifth after the other, and the votes are weighed without it. Another way
    than the plain one is taken if its log-loss is smaller by more than the standard error of the
    difference (the rule of one standard error: Breiman, Friedman, Olshen and Stone 1984,
    Classification and Regression Trees), and of several such the one with the smallest. The
    temperature (Guo, Pleiss, Sun and Weinberger 2017, On Calibration of Modern Neural Networks) is
    fitted on four fifths when the last one is judged.

    Parameters
    ----------
    votes, expert
        As `dawid_skene.weigh` takes them.
    gold : collection of str
        Object IDs of a random sample of detections: what the expert labelled since it was
        disputed tells how hard cases are weighed, and no more.
    methods : dict
        Name -> a function like `dawid_skene.weigh`.
    plain : str
        The one that others must surpass.

    Returns
    -------
    Trust or None
        None of less than `ENOUGH` gold detections that have votes. Of many detections a
        sample is weighed.
    """
    votes, expert = _sample(votes, expert, gold)
    voted = [votes.objids[item] for item in np.unique(votes.item)]
    asked = [objid for objid in voted if objid in gold and objid in expert]
    if len(asked) < ENOUGH:
        return None
    truth = np.array([expert[objid] for objid in asked], dtype=np.int64)
    fold = np.arange(len(asked)) % _FOLDS
    given = {name: np.zeros((len(asked), len(CLASSES))) for name in methods}
    for number in range(_FOLDS):
        out = asked[number::_FOLDS]
        rest = {objid: expert[objid] for objid in expert.keys() - set(out)}
        for name, weigh in methods.items():
            found = weigh(votes, rest)
            place = {objid: index for index, objid in enumerate(found.objids)}
            given[name][fold == number] = found.posterior[[place[objid] for objid in out]]
    return choose(given, truth, fold, plain)


def _sample(
    votes: Votes, expert: Mapping[str, int], gold: Collection[str]
) -> tuple[Votes, Mapping[str, int]]:
    """Return the votes on some detections, and the expert's labels of these: of gold the most."""
    count = len(votes.objids)
    if count <= _SAMPLE:
        return votes, expert
    asked = [item for item, objid in enumerate(votes.objids) if objid in gold]
    kept = np.zeros(count, dtype=bool)
    kept[:: -(-count // _SAMPLE)] = True
    kept[asked[:: -(-len(asked) // _GOLD) or 1]] = True
    place = np.cumsum(kept) - 1
    of = kept[votes.item]
    objids = tuple(objid for objid, keep in zip(votes.objids, kept.tolist()) if keep)
    item = place[votes.item[of]]
    some = Votes(objids, votes.people, item, votes.person[of], votes.answer[of])
    return some, {objid: expert[objid] for objid in expert.keys() & set(objids)}


def choose(given: Mapping[str, Floats], truth: Ints, fold: Ints, plain: str) -> Trust:
    """Choose between posteriors (G, K) of hidden gold, by name; see `judge`."""
    tempered = np.zeros_like(given[plain])
    for number in range(_FOLDS):
        here = fold == number
        fitted = temperature(given[plain][~here], truth[~here])
        tempered[here] = warmed(given[plain][here], fitted)
    given = {**given, TEMPERED: tempered}
    losses = {name: loss(posterior, truth) for name, posterior in given.items()}
    best = plain
    for name, each in losses.items():
        gain = losses[plain] - each
        surely = gain.mean() > gain.std(ddof=1) / len(gain) ** 0.5
        if surely and each.mean() < losses[best].mean():
            best = name
    fitted = temperature(given[plain], truth) if best == TEMPERED else 1.0
    means = {name: float(each.mean()) for name, each in losses.items()}
    return Trust(best, fitted, means, given[best], truth)


def loss(posterior: Floats, truth: Ints) -> Floats:
    """Return the log-loss (N,) of posteriors (N, K) in nats, 9.2 at the most."""
    return -np.log(np.maximum(posterior[np.arange(len(truth)), truth], _FLOOR))


def temperature(posterior: Floats, truth: Ints) -> float:
    """Return the temperature, 1/2 to 8, that makes the log-loss least."""
    means = [loss(warmed(posterior, warmth), truth).mean() for warmth in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(means))])


def warmed(posterior: Floats, temperature: float) -> Floats:
    """Return the posterior (N, K) to the power 1 / temperature: above 1 flatter, below steeper."""
    if temperature == 1:
        return posterior
    power = posterior ** (1 / temperature)
    return power / power.sum(axis=1, keepdims=True)


def applied(found: Consensus, trust: Trust) -> Consensus:
    """Return a consensus with the temperature that was found; the expert's labels stay."""
    free = found.known & (found.expert < 0)
    posterior = found.posterior.copy()
    posterior[free] = warmed(posterior[free], trust.temperature)
    return found._replace(posterior=posterior, trust=trust)


def unchecked(found: Consensus) -> Consensus:
    """Return a consensus that no gold has checked, as sure as people who err alike make it.

    n votes on a detection count as n / (1 + r (n - 1)), as n members of a cluster whose errors
    correlate by r do in sampling (the design effect: Kish 1965, Survey Sampling). Votes cannot
    tell r: that people agree on what is wrong looks as if it were right. Nine public crowds, three
    votes on each item, were all too sure of themselves without it, most by r = 1/4 to 1/2.
    """
    free = found.known & (found.expert < 0)
    number = found.counts[free].sum(axis=1, keepdims=True)
    power = 1 / (1 + _CORRELATION * (number - 1))
    log = np.log(np.maximum(found.posterior[free], 1e-300)) * power
    log += np.log(found.prior) * (1 - power)
    posterior = found.posterior.copy()
    posterior[free] = np.exp(log - log.max(axis=1, keepdims=True))
    posterior[free] /= posterior[free].sum(axis=1, keepdims=True)
    return found._replace(posterior=posterior)


def warnings(found: Consensus) -> list[str]:
    """Return sentences on what the votes and the gold are too few for."""
    told = []
    free = found.expert < 0
    number = found.counts.sum(axis=1)
    voted = free & (number > 0)
    if voted.any() and found.trust is None:
        told.append(
            f"Fewer than {ENOUGH} gold detections are labelled, so that nothing checks the "
            "probabilities: they are kept flatter than the votes make them."
        )
    alone = int(np.count_nonzero(voted & (number == 1)))
    if 2 * alone > np.count_nonzero(voted):
        told.append(
            f"{alone} of {np.count_nonzero(voted)} detections have one vote alone: their "
            "probabilities say how good people are on the whole, and no more."
        )
    return told


def bins(trust: Trust) -> list[Bin]:
    """Return how often labels of each probability are right, the least probable first."""
    stated = trust.posterior.max(axis=1)
    right = trust.posterior.argmax(axis=1) == trust.truth
    place = np.searchsorted(_EDGES, stated, side="right")
    return [
        Bin(float(stated[here].mean()), int(right[here].sum()), int(here.sum()))
        for here in (place == number for number in range(len(_EDGES) + 1))
        if here.any()
    ]


def choice(trust: Trust) -> str:
    """Return a sentence: which method hidden gold has chosen, and why."""
    rest = [
        f"{loss:.2f} {_NAMES.get(name, name)}"
        for name, loss in sorted(trust.losses.items(), key=lambda one: one[1])
        if name != trust.method
    ]
    why = _WHY.get(trust.method, f"{trust.method} does best")
    return (
        f"On {len(trust.truth)} gold detections whose labels were hidden, {why}: log-loss "
        f"{trust.losses[trust.method]:.2f}, against {' and '.join(rest)}."
    )


def reach(trust: Trust) -> str:
    """Return a sentence: how far the probabilities can be trusted."""
    stated = trust.posterior.max(axis=1)
    right = trust.posterior.argmax(axis=1) == trust.truth
    excess = stated.mean() - right.mean()
    error = float((stated * (1 - stated)).sum() ** 0.5) / len(stated)
    if abs(excess) <= 2 * error:
        verdict = f"can be trusted as they are, within {200 * error:.0f} %"
    elif excess > 0:
        verdict = "are too sure"
    else:
        verdict = "are surer to be right than they say"
    return (
        f"The soft labels {verdict}: they call their most probable class right in "
        f"{100 * stated.mean():.0f} % of the hidden gold, and it is in {100 * right.mean():.0f} %."
    )
