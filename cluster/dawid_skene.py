"""How people confuse the classes, and what is so, found together from all votes.

`weigh` is the method of Dawid and Skene (1979) by expectation maximisation, with priors that hold
what little is known of most people; `answering` is what it makes of people, given the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from cluster.votes import (
    CLASSES,
    Bools,
    Consensus,
    Floats,
    Ints,
    Votes,
    prior,
    shares,
    tally,
    with_expert,
)

_ROUNDS = 200
_CLOSE = 1e-4  # of a probability: far finer than it is known
_TIE = 4  # 1 to 4 do as well on made crowds, and 4 best on nine public ones
_GOLD = 10  # of the expert's detections
_BLOCK = 4096  # detections
_STEPS = 8  # of Newton's method; three or four are enough
_STRENGTHS = np.exp2(np.arange(25) / 3)  # 1 to 256 imagined answers


def weigh(votes: Votes, expert: Mapping[str, int]) -> Consensus:
    """Find the truth, the people's confusion matrices and how common the classes are, together.

    The model is that of Dawid and Skene (1979), Applied Statistics 28, 20: given the class of a
    detection, people answer independently, each by the row of their own confusion matrix that
    belongs to it. Expectation maximisation begins with the shares of the votes. The expert's
    detections count like the others, however they were chosen: which ones are asked about depends
    on the votes alone, and those are in the likelihood.

    Most people have answered to few detections of a class, so that their matrices are shrunk
    toward the pooled one, in two steps (a Dirichlet tree: Minka 1999, The Dirichlet-tree
    distribution), for a person can be better than the others and yet err as they do:

    - The share of right answers of person p to class c has a beta prior of mean
      logistic(m + e_c + s_p), everyone's m, how easy the class is, how skilled the person (Rasch
      1960, Probabilistic Models for Some Intelligence and Attainment Tests). e and s are normal
      with deviation 1, m begins with two right answers and one wrong.
    - The wrong ones are parted by a Dirichlet prior whose mean is how everyone's wrong answers to
      that class are parted, which begins with one of each kind.

    How strong the two priors are, in imagined answers, is found by empirical Bayes: the mean of
    the logarithm between 1 and 256, weighed by the evidence of the Dirichlet-multinomial
    (Mosimann 1962, Biometrika 49, 65), whose expectation over the uncertain truth takes the
    variance of the counts into account; without it people would look more alike than they are.

    Where votes alone would have to tell everything, two more things hold: how common the classes
    are is tied to how often they are said (`tie`), and votes beside which nobody speaks tell
    nothing of their people (`judged`), who then are as ordinary people are.

    A person's answer is judged by what they said elsewhere: the vote in question is taken out of
    the counts when its detection's class is weighed (the collapsed form of Asuncion, Welling,
    Smyth and Teh 2009, On Smoothing and Inference for Topic Models, CVB0). Otherwise each vote
    would speak in its own favour, and the posterior would be too sure of itself.

    Parameters
    ----------
    votes : Votes
        What people said.
    expert : dict
        OBJID -> index of the class: the truth, which nothing changes.

    Returns
    -------
    Consensus
        Detections that only the expert labelled are among its items.
    """
    votes, fixed = with_expert(votes, expert)
    posterior, counts = shares(votes, fixed)
    known = posterior.any(axis=1)
    tied, telling = tie(counts, fixed), judged(votes, fixed)[:, None]
    parts = list(blocks(votes, fixed[votes.item] < 0))
    for _ in range(_ROUNDS):
        common = prior(posterior[known], tied)
        weight = posterior[votes.item] * telling
        people = answering(votes, weight)
        new = np.where(fixed[:, None] < 0, common, posterior)
        for block in parts:
            chance = likelihood(people, weight[block.votes], block.person, block.answer)
            log = np.log(common) + np.add.reduceat(chance, block.first)
            log -= log.max(axis=1, keepdims=True)
            np.exp(log, out=log)
            new[block.item[block.first]] = log / log.sum(axis=1, keepdims=True)
        moved = np.abs(new - posterior)[known].max(initial=0)
        posterior = new
        if moved < _CLOSE:
            break
    return Consensus(votes.objids, votes.people, posterior, people.matrix, common, counts, fixed)


def tie(counts: Ints, fixed: Ints) -> Floats:
    """Return (K,) the imagined detections that tie how common classes are to the votes' shares.

    Without gold they are `_TIE` times as many as are to be weighed: votes alone cannot tell a
    class that is rare from one that people often miss. Gold can, and `_GOLD` of it halve them.
    """
    free = np.count_nonzero(counts[fixed < 0].any(axis=1))
    number = _TIE * free * _GOLD / (_GOLD + np.count_nonzero(fixed >= 0))
    return counts.sum(axis=0) * (number / max(1, counts.sum()))


def judged(votes: Votes, fixed: Ints) -> Bools:
    """Return (V,) whether a vote tells how good its person is: whether anyone else tells the truth.

    So do the expert, and others, unless it is always the same one: of two people who differ
    nobody knows who is right, whatever they say. Their posterior would believe the one entirely.
    """
    number = np.bincount(votes.item, minlength=len(fixed))[votes.item]
    pair = number == 2
    both = np.bincount(votes.item, votes.person, len(fixed))[votes.item]
    partner = (both - votes.person)[pair]
    low, high = np.full(len(votes.people), np.inf), np.full(len(votes.people), -np.inf)
    np.minimum.at(low, votes.person[pair], partner)
    np.maximum.at(high, votes.person[pair], partner)
    several = low < high
    several[votes.person[number > 2]] = True
    return ((number > 1) & several[votes.person]) | (fixed[votes.item] >= 0)


class People(NamedTuple):
    """What is known of how people answer, as numbers of answers, imagined ones included.

    (P, K, K) arrays are indexed by person, answer, class; (P, K) ones by person, class. `total`
    counts the answers to a class, `kind` those that are right, or wrong, as this one is, `wrong`
    the wrong ones as the second prior has them, and `same` those that say this (`wrong` itself
    where it is right). So kind / total * same / wrong is the probability of an answer, `matrix`.
    """

    matrix: Floats
    kind: Floats
    total: Floats
    same: Floats
    wrong: Floats


class Block(NamedTuple):
    """Some votes: which, by item, person and answer, and where in them each detection begins."""

    votes: Ints
    item: Ints
    person: Ints
    answer: Ints
    first: Ints


def blocks(votes: Votes, wanted: Bools) -> Iterator[Block]:
    """Go through the wanted votes, whole detections at a time, as many as a cache holds."""
    which = np.flatnonzero(wanted)
    item, person, answer = votes.item[wanted], votes.person[wanted], votes.answer[wanted]
    first = np.flatnonzero(np.diff(item, prepend=-1))
    ends = np.append(first, len(item))
    for begin in range(0, len(first), _BLOCK):
        starts = first[begin : begin + _BLOCK]
        part = slice(starts[0], ends[begin + len(starts)])
        yield Block(which[part], item[part], person[part], answer[part], starts - starts[0])


def answering(votes: Votes, weight: Floats) -> People:
    """Return `People`, each vote (V, K) being so probably an answer to each class; see `weigh`."""
    count = tally(votes, weight)
    spread = tally(votes, weight * (1 - weight))  # the variances of the counts
    right, total = np.einsum("pcc->pc", count), count.sum(axis=2)
    rights = np.stack([right, total - right], axis=2)
    variance = np.einsum("pcc->pc", spread)
    variances = np.stack([variance, spread.sum(axis=2) - variance], axis=2)
    skill = _skill(right, total)
    shares = np.stack([skill, 1 - skill], axis=2)
    rights += _strength(rights, variances, shares) * shares

    k = len(CLASSES)
    off = ~np.eye(k, dtype=bool)
    pooled = (count.sum(axis=0) + 1)[off].reshape(k, k - 1)
    pooled /= pooled.sum(axis=1, keepdims=True)
    wrongs, variances = (array[:, off].reshape(-1, k, k - 1) for array in (count, spread))
    wrongs = wrongs + _strength(wrongs, variances, pooled) * pooled

    kind = np.where(off, rights[:, :, 1:], rights[:, :, :1])
    total, wrong = rights.sum(axis=2), wrongs.sum(axis=2)
    same = np.repeat(wrong[:, :, None], k, axis=2)
    same[:, off] = wrongs.reshape(-1, k * (k - 1))
    matrix = kind / total[:, :, None] * same / wrong[:, :, None]
    kind, same = (np.ascontiguousarray(array.swapaxes(1, 2)) for array in (kind, same))
    return People(matrix, kind, total, same, wrong)


def likelihood(people: People, own: Floats, person: Ints, answer: Ints) -> Floats:
    """Return the logarithm (V, K) of how probable each vote is if each class were the truth.

    `own` (V, K) is how far the vote itself is in the counts: it is taken out.
    """
    chance = people.kind[person, answer] - own
    chance /= people.total[person] - own
    own[np.arange(len(own)), answer] = 0  # a right answer is not among the wrong ones: never 0 / 0
    chance *= people.same[person, answer] - own
    chance /= people.wrong[person] - own
    return np.log(chance, out=chance)


def _skill(right: Floats, total: Floats) -> Floats:
    """Return (P, K), the expected share of right answers of each person to each class.

    Of so many right ones (P, K) among all: the largest posterior of Rasch's model, see `weigh`,
    by Newton's method for skill, ease and mean in turn.
    """
    skill, ease, mean = np.zeros((len(right), 1)), np.zeros(right.shape[1]), np.log(2.0)
    for _ in range(_STEPS):
        for part in ("skill", "ease", "mean"):
            share = _logistic(mean + ease + skill)
            slope, bend = right - total * share, total * share * (1 - share)
            if part == "skill":
                step = (slope.sum(axis=1) - skill[:, 0]) / (bend.sum(axis=1) + 1)
                skill = np.clip(skill + step[:, None], -5, 5)
            elif part == "ease":
                ease = np.clip(ease + (slope.sum(axis=0) - ease) / (bend.sum(axis=0) + 1), -5, 5)
            else:
                usual = _logistic(mean)
                step = (slope.sum() + 2 - 3 * usual) / (bend.sum() + 3 * usual * (1 - usual))
                mean = np.clip(mean + step, -5, 5)
    return np.clip(_logistic(mean + ease + skill), 0.001, 0.999)


def _logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def _strength(count: Floats, variance: Floats, share: Floats) -> float:
    """Return how many imagined answers a Dirichlet prior of mean `share` should be worth.

    Parameters
    ----------
    count, variance : ndarray, (..., J)
        Mean and variance of the uncertain counts, of each of many draws from the prior.
    share : ndarray, broadcast against them, sum 1 over J
    """
    kinds, totals = _points(count, variance), _points(count.sum(axis=-1), variance.sum(axis=-1))
    evidence = np.array([_rise(kinds, s * share) - _rise(totals, s) for s in _STRENGTHS])
    weight = np.exp(evidence - evidence.max())
    return float(np.exp(weight @ np.log(_STRENGTHS) / weight.sum()))


def _points(mean: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """Return (low, high, weight of high): two points of a given mean and variance, none below 0."""
    deviation = np.sqrt(variance)
    square = np.maximum(mean * mean, 1e-30)
    high = np.where(deviation < mean, mean + deviation, mean + variance * mean / square)
    weight = np.where(deviation < mean, 0.5, square / (square + variance))
    return np.where(deviation < mean, mean - deviation, 0), high, weight


def _rise(points: tuple[Floats, Floats, Floats], a: Floats | float) -> float:
    """Sum the expectation of log Gamma(n + a) - log Gamma(a), n as `points` has it."""
    low, high, weight = points
    start = _log_gamma(np.asarray(a, dtype=float))
    up, down = _log_gamma(high + a) - start, _log_gamma(low + a) - start
    return float((weight * up + (1 - weight) * down).sum())


def _log_gamma(x: Floats) -> Floats:
    """Logarithm of the gamma function for x > 0, by Stirling's series from x + 4 on, to 1e-7."""
    y = x + 4
    series = (y - 0.5) * np.log(y) - y + 0.5 * np.log(2 * np.pi) + (1 - 1 / (30 * y * y)) / (12 * y)
    return series - np.log(x * (x + 1) * (x + 2) * (x + 3))
