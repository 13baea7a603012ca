"""Simulated crowds whose truth is known: what the benchmark and the tests measure a consensus with.

Of both crowds: 40 labelers, whose accuracy is Beta(4, 2) clipped to 0.15..0.97, except four who
guess; a wrong answer is one of the other classes, for each labeler and class by shares from
Dirichlet(0.5). 2,000 detections of 7 classes, as common as Dirichlet(3) says; three different
people label each, and the expert a random tenth.

Crowd 1 is as Dawid and Skene's model has it: given the truth, answers are independent. In crowd 2
they are not. A detection of difficulty d, from Beta(1, 3), is recognised with (1 - d) times a
labeler's accuracy, and looks like one particular wrong class, which is the same for everyone and
takes 70 % of the wrong answers.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster import dawid_skene  # noqa: E402
from cluster.consensus import majority  # noqa: E402
from cluster.votes import CLASSES, Votes  # noqa: E402

K = len(CLASSES)
FOOLED = 0.7  # of the wrong answers in crowd 2


class Crowd(NamedTuple):
    """What people said, and what is so: the truth (N,), and the confusion matrices (P, K, K)."""

    votes: Votes
    expert: dict
    truth: np.ndarray
    confusion: np.ndarray


class Score(NamedTuple):
    """Shares of wrong labels, and how far the posterior's confidence is off, of one crowd.

    `majority`, `ours` and `oracle` (the EM that is given the true confusion matrices) are over all
    detections: the majority is that of the votes alone, the expert's labels are known to the
    others. `blind_…` are over what the expert did not label, and so are `calibration` and the
    `loss`, the mean of -log of what the truth was given (1e-4 at the least), in nats.
    """

    majority: float
    ours: float
    oracle: float
    blind_majority: float
    blind_ours: float
    blind_oracle: float
    calibration: float
    loss: float


def simulate(seed, shared=False, people=40, detections=2000, each=3, guessing=4, known=0.1):
    """Return the `Crowd` of a seed: crowd 1, or if `shared` crowd 2."""
    random = np.random.default_rng(seed)
    truth = random.choice(K, detections, p=random.dirichlet(np.full(K, 3.0)))
    accuracy = np.clip(random.beta(4, 2, people), 0.15, 0.97)
    wrong = _mistakes(random, people)
    accuracy[:guessing] = 1 / K
    wrong[:guessing] = (1 - np.eye(K)) / (K - 1)
    person = random.random((detections, people)).argpartition(each, axis=1)[:, :each].ravel()
    item = np.repeat(np.arange(detections), each)
    able, shares = accuracy[person], wrong[person, truth[item]]
    if shared:
        difficulty, common = random.beta(1, 3, detections), _mistakes(random, 1)[0]
        lookalike = _draw(random, common[truth])
        sighted = person >= guessing  # who guesses does not look
        able = np.where(sighted, able * (1 - difficulty[item]), able)
        fooled = sighted & (random.random(item.size) < FOOLED)
        shares = np.where(fooled[:, None], np.eye(K)[lookalike[item]], shares)
        accuracy[guessing:] *= 1 - 1 / 4  # the mean of Beta(1, 3)
        wrong[guessing:] = FOOLED * common + (1 - FOOLED) * wrong[guessing:]
    right = random.random(item.size) < able
    answer = np.where(right, truth[item], _draw(random, shares))
    objids = tuple(str(1_000_000 + i) for i in range(detections))
    names = tuple(f"person{p:03}" for p in range(people))
    asked = random.choice(detections, round(known * detections), replace=False)
    expert = {objids[i]: int(truth[i]) for i in asked}
    able = accuracy[:, None, None]
    confusion = able * np.eye(K) + (1 - able) * wrong
    return Crowd(Votes(objids, names, item, person, answer), expert, truth, confusion)


def _mistakes(random, people):
    """Return (P, K, K) shares of the wrong answers, zero on the diagonal."""
    wrong = np.zeros((people, K, K))
    off = ~np.eye(K, dtype=bool)
    wrong[:, off] = random.dirichlet(np.full(K - 1, 0.5), (people, K)).reshape(people, -1)
    return wrong


def _draw(random, shares):
    """Draw one index per row of (N, K) shares."""
    edges = shares.cumsum(axis=1)
    return (random.random((len(shares), 1)) * edges[:, -1:] >= edges[:, :-1]).sum(axis=1)


def oracle(crowd):
    """Return the labels (N,) of the EM that knows the confusion matrices, and not the prior."""
    votes, known = crowd.votes, expert_labels(crowd)
    log = np.zeros((len(crowd.truth), K))
    # none is quite impossible, or two people who never err could leave nothing possible
    likely = np.log(np.maximum(crowd.confusion, 1e-12))[votes.person, :, votes.answer]
    np.add.at(log, votes.item, likely)
    prior = np.full(K, 1 / K)
    for _ in range(100):
        posterior = prior * np.exp(log - log.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        posterior[known >= 0] = np.eye(K)[known[known >= 0]]
        prior = (posterior.sum(axis=0) + 1) / (len(posterior) + K)
    return posterior.argmax(axis=1)


def expert_labels(crowd):
    """Return the expert's labels (N,), -1 where there is none."""
    return np.array([crowd.expert.get(objid, -1) for objid in crowd.votes.objids])


def calibration(confidence, right, bins=10):
    """Return the expected calibration error: |mean confidence - share right|, by bins of width 0.1.

    Guo, Pleiss, Sun and Weinberger (2017), On Calibration of Modern Neural Networks.
    """
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(place, confidence, bins) - np.bincount(place, right, bins)
    return float(np.abs(gaps).sum() / len(right))


def score(crowd, method=dawid_skene.weigh):
    """Return the `Score` of a method on a crowd."""
    consensus = method(crowd.votes, crowd.expert)
    most = majority(crowd.votes, {})
    wrong = [label != crowd.truth for label in (most.label, consensus.label, oracle(crowd))]
    blind = expert_labels(crowd) < 0
    confidence = consensus.posterior.max(axis=1)
    given = consensus.posterior[np.arange(len(crowd.truth)), crowd.truth]
    return Score(
        *(errors.mean() for errors in wrong),
        *(errors[blind].mean() for errors in wrong),
        calibration(confidence[blind], ~wrong[1][blind]),
        -np.log(np.maximum(given[blind], 1e-4)).mean(),
    )


def closed(majority, ours, oracle):
    """Return how much of the gap between the majority's error and the oracle's is closed."""
    return (majority - ours) / (majority - oracle)
