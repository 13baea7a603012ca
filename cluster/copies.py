"""People whose answers agree far beyond what their skill explains: perhaps one copied the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cluster.votes import Consensus, Floats, Votes

_BLOCK = 16384  # pairs of votes
_FEWEST = 20  # detections that two have in common
_SURE = 5.0  # standard deviations: of a thousand pairs not one by chance
_MUCH = 0.1  # of the answers, beyond what is expected


class Copy(NamedTuple):
    """Two people who agreed on so many of the shared detections, where so many are expected."""

    one: str
    other: str
    agreed: int
    shared: int
    expected: float


def find(votes: Votes, found: Consensus) -> list[Copy]:
    """List the pairs of people who agree too often, the most surprising first.

    How often two would agree who do not know of each other follows from their confusion matrices
    and from what the expert, or else the other people, say of the detection. What people share
    that are fooled alike is in all pairs: the mean excess of all is expected of each.

    Parameters
    ----------
    votes : Votes
        What people said, items and people as in the consensus, by item.
    found : Consensus
    """
    people = len(votes.people)
    chance = np.log(np.maximum(found.confusion, 1e-12))[votes.person, :, votes.answer]
    log = np.log(found.prior) + np.stack(
        [np.bincount(votes.item, column, len(found.objids)) for column in chance.T], axis=1
    )
    keys, agreed, expected, variance = [], [], [], []
    most = int(np.bincount(votes.item).max(initial=0))
    for apart in range(1, most):
        first = np.flatnonzero(votes.item[apart:] == votes.item[:-apart])
        for begin in range(0, len(first), _BLOCK):
            one = first[begin : begin + _BLOCK]
            other = one + apart
            item, left, right = votes.item[one], votes.person[one], votes.person[other]
            truth = _bayes(log[item] - chance[one] - chance[other])
            known = found.expert[item] >= 0
            truth[known] = np.eye(len(found.prior))[found.expert[item][known]]
            matrices = found.confusion[left], found.confusion[right]
            same = np.einsum("vc,vca,vca->v", truth, *matrices)
            keys.append(np.minimum(left, right) * people + np.maximum(left, right))
            agreed.append(votes.answer[one] == votes.answer[other])
            expected.append(same)
            variance.append(same * (1 - same))
    if not keys:
        return []
    pairs, place = np.unique(np.concatenate(keys), return_inverse=True)
    shared = np.bincount(place)
    agreements, means, variances = (
        np.bincount(place, np.concatenate(values).astype(float))
        for values in (agreed, expected, variance)
    )
    usual = max(0.0, float((agreements - means).sum() / shared.sum()))
    means = np.minimum(means + usual * shared, shared)
    excess = agreements - means
    surprise = excess / np.sqrt(variances + 1)
    odd = (shared >= _FEWEST) & (surprise > _SURE) & (excess > _MUCH * shared)
    return [
        Copy(
            votes.people[pairs[n] // people],
            votes.people[pairs[n] % people],
            int(agreements[n]),
            int(shared[n]),
            float(means[n]),
        )
        for n in sorted(np.flatnonzero(odd), key=lambda n: -surprise[n])
    ]


def _bayes(log: Floats) -> Floats:
    p = np.exp(log - log.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)
