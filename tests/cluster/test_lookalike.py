"""Look-alikes: the model's sums worked out one by one, and crowds that are fooled alike."""

import crowd
import numpy as np
import pytest

from cluster import dawid_skene, lookalike
from cluster import votes as voting

K = len(voting.CLASSES)


def blind(one, found):
    """Return the posterior and the truth of what the expert did not label."""
    there = crowd.expert_labels(one) < 0
    return found.posterior[there], one.truth[there]


def calibration(one, found):
    posterior, truth = blind(one, found)
    return crowd.calibration(posterior.max(axis=1), posterior.argmax(axis=1) == truth)


def test_a_pair_of_class_and_look_alike_is_as_bayes_rule_has_it():
    random = np.random.default_rng(1)
    one = crowd.simulate(1, detections=40, people=5, guessing=0)
    weight = random.dirichlet(np.ones(K), len(one.votes.item))
    people = dawid_skene.answering(one.votes, weight)
    common = random.dirichlet(np.ones(K))
    alike = lookalike.Alike(random.dirichlet(np.ones(K), K), 0.3)
    (block,) = dawid_skene.blocks(one.votes, np.ones(len(one.votes.item), dtype=bool))
    fixed = np.full(40, -1)
    fixed[3] = 2
    weighed = lookalike._Weighed(block, people, weight, common, alike, fixed)
    rows, fooled = weighed.rows(), 0.0
    for item in range(40):
        votes = range(3 * item, 3 * item + 3)
        chance = np.exp(
            dawid_skene.likelihood(
                people, weight[votes].copy(), block.person[votes], block.answer[votes]
            )
        )
        pair = common[:, None] * alike.share
        for said in chance:
            pair = pair * (0.7 * said[:, None] + 0.3 * said[None, :])
        if item == 3:
            pair[np.arange(K) != 2] = 0
        pair /= pair.sum()
        assert np.allclose(weighed.pair[:, :, item], pair, atol=1e-5)
        for vote, said in zip(votes, chance):
            by_look = pair * 0.3 * said[None, :] / (0.7 * said[:, None] + 0.3 * said[None, :])
            assert np.allclose(
                rows[vote], (pair - by_look).sum(axis=1) + by_look.sum(axis=0), atol=1e-5
            )
            fooled += by_look.sum() - np.trace(by_look)
    assert rows.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert weighed.answers[0] == pytest.approx(fooled, rel=1e-4)


def test_detections_that_fool_people_alike_leave_it_as_sure_as_it_should_be():
    for seed in (0, 1):
        one = crowd.simulate(seed, shared=True)
        plain = dawid_skene.weigh(one.votes, one.expert)
        found = lookalike.weigh(one.votes, one.expert)
        assert calibration(one, found) < 0.06 < 0.12 < calibration(one, plain)
        (ours, truth), (theirs, _) = blind(one, found), blind(one, plain)
        assert np.mean(ours.argmax(axis=1) == truth) > np.mean(theirs.argmax(axis=1) == truth)


def test_where_nobody_is_fooled_alike_it_is_dawid_and_skenes():
    one = crowd.simulate(2, detections=1000)
    plain = dawid_skene.weigh(one.votes, one.expert)
    found = lookalike.weigh(one.votes, one.expert)
    assert np.abs(found.posterior - plain.posterior).mean() < 0.005
    assert np.abs(found.confusion - plain.confusion).max() < 0.1


def test_what_looks_like_what_is_found():
    """Every other Marginal looks like Good, and then people call it that in four of five."""
    random = np.random.default_rng(5)
    truth = random.integers(0, K, 1500)
    marginal, good = voting.INDEX["Marginal"], voting.INDEX["Good"]
    looks = np.where((truth == marginal) & (random.random(1500) < 0.5), good, truth)
    item = np.arange(1500).repeat(3)
    fooled = random.random(len(item)) < 0.8
    seen = np.where(fooled, looks[item], truth[item])
    answer = np.where(random.random(len(item)) < 0.9, seen, random.integers(0, K, len(item)))
    person = (np.tile([0, 1, 2], 1500) + 3 * random.integers(0, 4, 1500).repeat(3)) % 12
    objids = tuple(map(str, range(10000, 11500)))
    votes = voting.Votes(objids, tuple("abcdefghijkl"), item, person, answer)
    expert = {objids[i]: int(truth[i]) for i in range(0, 1500, 5)}
    votes, fixed = voting.with_expert(votes, expert)
    start = dawid_skene.weigh(votes, expert).posterior
    even = lookalike.Alike(np.where(np.eye(K, dtype=bool), 0.7, 0.3 / (K - 1)), 0.5)
    alike = lookalike._fit(votes, fixed, start, even, 80).alike
    assert alike.share[marginal, good] == pytest.approx(0.5, abs=0.12)
    assert alike.fooled == pytest.approx(0.8, abs=0.1)
    others = [row for row in range(K) if row != marginal]
    assert alike.share[others, others].min() > 0.9


def test_a_sample_of_many_detections_finds_the_same(monkeypatch):
    one = crowd.simulate(3, shared=True)
    whole = lookalike.weigh(one.votes, one.expert)
    monkeypatch.setattr(lookalike, "_SAMPLE", 1100)
    sampled = lookalike.weigh(one.votes, one.expert)
    assert np.abs(whole.posterior - sampled.posterior).mean() < 0.02
    assert calibration(one, sampled) < 0.06
