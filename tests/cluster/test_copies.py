"""Copiers are named, and people who are only good, or fooled alike, are not."""

import crowd
import numpy as np
import pytest

from cluster import copies, dawid_skene, lookalike
from cluster import votes as voting


def copied(one, share, seed=1):
    """Let person 9 say what person 5 says, to such a share of all that both label."""
    votes, random = one.votes, np.random.default_rng(seed)
    answer = votes.answer.copy()
    theirs = {item: at for at, item in enumerate(votes.item) if votes.person[at] == 5}
    for at in np.flatnonzero(votes.person == 9):
        if votes.item[at] in theirs and random.random() < share:
            answer[at] = answer[theirs[votes.item[at]]]
    return votes._replace(answer=answer)


def found_in(votes, expert):
    return copies.find(votes, dawid_skene.weigh(votes, expert))


@pytest.mark.parametrize("known", [0, 0.1])
def test_who_copies_is_named_with_whom(known):
    one = crowd.simulate(1, people=12, guessing=1, detections=3000, known=known)
    (found,) = found_in(copied(one, 0.9), one.expert)
    assert (found.one, found.other) == ("person005", "person009")
    assert found.agreed > 0.9 * found.shared > 1.1 * found.expected


@pytest.mark.parametrize("shared", [False, True])
def test_nobody_is_named_who_did_not_copy(shared):
    for seed in range(3):
        one = crowd.simulate(seed, shared, people=12, guessing=1, detections=1200)
        assert found_in(one.votes, one.expert) == []
    assert copies.find(one.votes, lookalike.weigh(one.votes, one.expert)) == []


def test_a_few_detections_in_common_prove_nothing():
    one = crowd.simulate(1, people=60, guessing=1, detections=600)
    assert found_in(copied(one, 1), one.expert) == []


def test_what_is_expected_is_as_by_hand(monkeypatch):
    """Of two who are right in 0.8 and in 0.5, and else say anything, 0.8 x 0.5 + 0.2 x 0.5 / 6."""
    for name, value in (("_FEWEST", 1), ("_SURE", -9), ("_MUCH", -9)):
        monkeypatch.setattr(copies, name, value)
    k, items = crowd.K, np.arange(60).repeat(2)
    truth = np.arange(60) % k
    answer = np.where(np.arange(120) % 2, (truth[items] + 1) % k, truth[items])  # they never agree
    votes = voting.Votes(tuple(map(str, range(60))), ("a", "b"), items, np.arange(120) % 2, answer)
    expert = dict(zip(votes.objids, truth.tolist()))
    right = np.array([0.8, 0.5])[:, None, None]
    matrix = np.where(np.eye(k, dtype=bool), right, (1 - right) / (k - 1))
    found = dawid_skene.weigh(votes, expert)._replace(confusion=matrix)
    (pair,) = copies.find(votes, found)
    assert (pair.one, pair.other, pair.agreed, pair.shared) == ("a", "b", 0, 60)
    assert pair.expected == pytest.approx(60 * (0.8 * 0.5 + 0.2 * 0.5 / 6))


def test_where_the_expert_is_silent_two_votes_do_not_vouch_for_each_other(monkeypatch):
    """What is so is as likely as the classes are common: the two votes in question do not tell."""
    for name, value in (("_FEWEST", 1), ("_SURE", -9), ("_MUCH", -9)):
        monkeypatch.setattr(copies, name, value)
    k, items = crowd.K, np.arange(30).repeat(2)
    objids, person = tuple(map(str, range(30))), np.arange(60) % 2
    right = np.where(np.arange(k) == 0, 0.9, 0.3)[:, None]
    matrix = np.where(np.eye(k, dtype=bool), right, (1 - right) / (k - 1))
    common = np.where(np.arange(k) == 0, 0.4, 0.1)
    expected = 30 * (matrix * matrix).sum(axis=1) @ common
    # who agrees more often than that does as all pairs do, of which there is this one
    for answer, wanted in ((person, expected), (0 * person, 30)):
        votes = voting.Votes(objids, ("a", "b"), items, person, answer)
        found = dawid_skene.weigh(votes, {})
        found = found._replace(confusion=np.array([matrix] * 2), prior=common)
        (pair,) = copies.find(votes, found)
        assert pair.expected == pytest.approx(wanted)


def test_nobody_has_no_copies():
    one = crowd.simulate(1, detections=30, each=1)
    assert found_in(one.votes, {}) == []
