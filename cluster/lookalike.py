"""How a detection can fool people alike: the model of Dawid and Skene, with look-alikes.

Where hard detections mislead everyone to the same wrong class, people who are taken for independent
seem to confirm each other. `weigh` lets each detection look like another class than its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from cluster import dawid_skene
from cluster.dawid_skene import Block, People
from cluster.votes import CLASSES, Consensus, Floats, Ints, Votes, prior, shares, with_expert

_ROUNDS = 80
_LAST = 10  # rounds of all detections, where a sample has found what looks like what
_CLOSE = 1e-3  # of a probability
_FLOAT = np.float32  # of what is (K, K, V): exact enough, and half of the time
_SAMPLE = 40_000  # detections that tell how often a class looks like another
_RATE = 20.0  # detections of each class that are imagined to be as often fooling as all are
_KINDS = 3.0  # of these, imagined to look like what all look like
_RAREST, _COMMONEST = 0.002, 0.97  # of a class that looks like another


class Alike(NamedTuple):
    """How detections fool people.

    `share` (K, K) is how often a detection of a class (first axis) looks like one (last axis), its
    own on the diagonal; `fooled` how often an answer goes by that rather than by the class.
    """

    share: Floats
    fooled: float


def weigh(votes: Votes, expert: Mapping[str, int]) -> Consensus:
    """Find the truth, the people's confusion matrices and what looks like what, together.

    The model. A detection of class c looks like a class l, mostly like its own: s[c, l] of them.
    Given both, people answer independently. With probability 1 - d an answer comes from row c of
    the person's confusion matrix, with d from row l: fooled, they answer as they would to what they
    take it for. So the votes a on a detection have the probability

        sum over c, l of prior[c] s[c, l] product over votes of ((1 - d) R_p[c, a] + d R_p[l, a]),

    where l = c is Dawid and Skene's (1979) model, and s the identity all of it. That answers to
    hard items depend on each other through something else than the class is the point of random
    effects in latent class analysis (Qu, Tan and Kutner 1996, Biometrics 52, 797) and of difficulty
    (Whitehill et al. 2009, Whose Vote Should Count More, NIPS 22); a second class says in which
    direction, too.

    Expectation maximisation (Dempster, Laird and Rubin 1977, J. R. Statist. Soc. B 39, 1). Given
    all else, q[c, l] is how probable a detection's pair is, by Bayes' rule, and an answer comes
    from row c with q[c, l] (1 - d) R[c, a] / ((1 - d) R[c, a] + d R[l, a]), else from row l. These
    sums are the weights with which a vote counts in its person's rows, as `dawid_skene.answering`
    shrinks them; a vote is taken out of the counts when it is weighed, as there. s and d are the
    shares of the pairs and of the fooled answers; s is shrunk, for how often a class fools toward
    how often all do, and what it then looks like toward what all then look like.

    Votes alone cannot tell a class that looks like another from people who confuse the two, and
    there this model is free to be wrong: it is for where an expert has labelled some, so that the
    class of some that fooled people is known. The fit begins with `dawid_skene.weigh`'s, and
    of many detections a sample finds s and d, from which all go on.

    Parameters and what is returned are those of `dawid_skene.weigh`; the confusion matrices
    tell what people answer to a class, fooled or not.
    """
    found = dawid_skene.weigh(votes, expert)
    votes, fixed = with_expert(votes, expert)
    k = len(CLASSES)
    alike = Alike(np.where(np.eye(k, dtype=bool), 0.7, 0.3 / (k - 1)), 0.5)
    if len(fixed) > _SAMPLE:
        # Object IDs are in order of time: every so-manieth is a sample of all
        chosen = np.arange(len(fixed)) % (len(fixed) // _SAMPLE + 1) == 0
        kept = chosen[votes.item]
        some = votes._replace(
            item=votes.item[kept], person=votes.person[kept], answer=votes.answer[kept]
        )
        alike = _fit(some, fixed, found.posterior, alike, _ROUNDS).alike
    rounds = _ROUNDS if len(fixed) <= _SAMPLE else _LAST
    fit = _fit(votes, fixed, found.posterior, alike, rounds)
    matrix = (1 - fit.alike.fooled) * fit.people.matrix
    matrix += fit.alike.fooled * np.einsum("cl,pla->pca", fit.alike.share, fit.people.matrix)
    return found._replace(posterior=fit.posterior, confusion=matrix, prior=fit.common)


class _Fit(NamedTuple):
    posterior: Floats
    people: People
    common: Floats
    alike: Alike


def _fit(votes: Votes, fixed: Ints, posterior: Floats, alike: Alike, rounds: int) -> _Fit:
    """Find all, beginning with a posterior (N, K), of the items that have votes."""
    k = len(CLASSES)
    telling = dawid_skene.judged(votes, fixed)[:, None]
    weight = posterior[votes.item] * telling
    tied = dawid_skene.tie(shares(votes, fixed)[1], fixed)
    blocks = list(dawid_skene.blocks(votes, np.ones(len(votes.item), dtype=bool)))
    seen = np.zeros(len(fixed), dtype=bool)
    seen[votes.item] = True
    for _ in range(rounds):
        common = prior(posterior[seen], tied)
        people = dawid_skene.answering(votes, weight)
        new = np.where(fixed[:, None] < 0, common, posterior)
        pairs, answers = np.zeros((k, k)), np.zeros(2)
        for block in blocks:
            items = block.item[block.first]
            weighed = _Weighed(block, people, weight[block.votes], common, alike, fixed[items])
            new[items] = weighed.pair.sum(axis=1).T
            weight[block.votes] = weighed.rows() * telling[block.votes]
            pairs += weighed.pair.sum(axis=2)
            answers += weighed.answers
        moved = np.abs(new - posterior)[seen].max(initial=0)
        posterior, alike = new, _alike(pairs, answers)
        if moved < _CLOSE:
            break
    posterior[fixed >= 0] = np.eye(k)[fixed[fixed >= 0]]
    posterior /= np.maximum(posterior.sum(axis=1, keepdims=True), 1e-30)  # float32 rounds
    return _Fit(posterior, people, common, alike)


class _Weighed:
    """How probable pairs of class and look-alike are, for a block of detections.

    `pair` is (K, K, N): arithmetic is fast where the longest axis is the last.
    """

    def __init__(
        self,
        block: Block,
        people: People,
        own: Floats,
        common: Floats,
        alike: Alike,
        fixed: Ints,
    ):
        k = len(common)
        chance = np.exp(dawid_skene.likelihood(people, own.copy(), block.person, block.answer))
        rows = chance.T.astype(_FLOAT)
        self._count = np.diff(np.append(block.first, len(block.item)))
        self._plain, self._fooled = (1 - alike.fooled) * rows, alike.fooled * rows
        self._mixed = self._plain[:, None] + self._fooled[None]
        self.pair = np.add.reduceat(np.log(self._mixed), block.first, axis=2)
        self.pair += np.log(common[:, None] * alike.share).astype(_FLOAT)[:, :, None]
        other = (fixed >= 0) & (np.arange(k)[:, None] != fixed)
        self.pair.swapaxes(1, 2)[other] = -np.inf
        self.pair -= self.pair.max(axis=(0, 1))
        np.exp(self.pair, out=self.pair)
        self.pair /= self.pair.sum(axis=(0, 1))

    def rows(self) -> Floats:
        """Return the weights (V, K): how far each vote is an answer by a row."""
        share = np.repeat(self.pair, self._count, axis=2)
        share /= self._mixed
        weight = self._fooled * share.sum(axis=0)
        same = np.einsum("ccv->cv", share)
        hard = weight - self._fooled * same
        unlike = self._count @ (1 - np.einsum("ccn->n", self.pair))
        self.answers = np.array([hard.sum(dtype=float), unlike])
        weight += self._plain * share.sum(axis=1)
        return weight.T


def _alike(pairs: Floats, answers: Floats) -> Alike:
    """Return what looks like what, of pairs (K, K) and of (fooled, all) answers to look-alikes."""
    off = ~np.eye(len(pairs), dtype=bool)
    hard = np.where(off, pairs, 0)
    rate = (hard.sum() + 1) / (pairs.sum() + 3)
    rate = (hard.sum(axis=1) + _RATE * rate) / (pairs.sum(axis=1) + _RATE)
    rate = np.clip(rate, _RAREST, _COMMONEST)[:, None]
    usual = np.where(off, hard.sum(axis=0) + 1, 0)
    usual /= usual.sum(axis=1, keepdims=True)
    kinds = hard + _KINDS * usual
    kinds /= kinds.sum(axis=1, keepdims=True)
    return Alike(np.where(off, rate * kinds, 1 - rate), float((answers[0] + 1) / (answers[1] + 2)))
