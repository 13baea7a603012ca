"""Hidden gold: it is hidden, it chooses as it should, and what is said of it."""

import crowd
import numpy as np
import pytest

from cluster import consensus, dawid_skene, trust
from cluster import votes as voting

K = len(voting.CLASSES)


def stated(random, count, sharpness=1.0):
    """Draw posteriors (N, K) and truths by them; then make them so much steeper."""
    posterior = random.dirichlet(np.full(K, 0.3), count)
    truth = (random.random((count, 1)) > posterior.cumsum(axis=1)).sum(axis=1).clip(max=K - 1)
    return trust.warmed(posterior, 1 / sharpness), truth


def test_all_gold_is_hidden_once_and_what_else_the_expert_labelled_never():
    one = crowd.simulate(1, detections=600)
    expert = dict(one.expert)
    gold = set(sorted(expert)[:55])
    seen = []

    def spy(votes, rest):
        seen.append(expert.keys() - rest.keys())
        return consensus.majority(votes, rest)

    judged = trust.judge(one.votes, expert, gold, {"spy": spy}, "spy")
    assert len(seen) == 5 and sum(map(len, seen)) == 55 and set().union(*seen) == gold
    # a hidden detection has what its votes say, and not the expert's word
    shares = consensus.majority(one.votes, {}).posterior
    place = [one.votes.objids.index(objid) for objid in sorted(gold, key=int)]
    assert np.allclose(judged.posterior, shares[place]) or judged.method == trust.TEMPERED
    assert judged.truth.tolist() == [expert[objid] for objid in sorted(gold, key=int)]


def test_too_little_gold_chooses_nothing():
    one = crowd.simulate(1, detections=600)
    gold = sorted(one.expert)[: trust.ENOUGH - 1]
    assert trust.judge(one.votes, one.expert, gold, {}, trust.PLAIN) is None
    found = consensus.weigh(one.votes, one.expert, gold=gold)
    plain = trust.unchecked(dawid_skene.weigh(one.votes, one.expert))
    assert found.trust is None and np.array_equal(found.posterior, plain.posterior)


def test_gold_that_nobody_voted_on_does_not_count():
    one = crowd.simulate(1, detections=200)
    expert = {**one.expert, **{str(number): 1 for number in range(100)}}
    assert trust.judge(one.votes, expert, expert, {}, trust.PLAIN) is None


def test_look_alikes_are_chosen_where_people_are_fooled_alike_and_only_there():
    one = crowd.simulate(2, shared=True, detections=1200, known=0.2)
    found = consensus.weigh(one.votes, one.expert, gold=one.expert)
    assert found.trust.method == "look-alike"
    assert found.trust.losses["look-alike"] < found.trust.losses[trust.PLAIN] - 0.1
    assert "people seem to be fooled alike" in trust.choice(found.trust)
    one = crowd.simulate(2, detections=600)
    found = consensus.weigh(one.votes, one.expert, gold=one.expert)
    assert found.trust.method == trust.PLAIN
    assert "nothing does surely better than Dawid and Skene's model" in trust.choice(found.trust)


def test_the_temperature_is_found():
    random = np.random.default_rng(1)
    for sharpness in (0.7, 1, 2, 4):
        posterior, truth = stated(random, 4000, sharpness)
        assert trust.temperature(posterior, truth) == pytest.approx(sharpness, rel=0.1)


def test_who_is_too_sure_gets_a_temperature_and_who_is_not_none():
    random = np.random.default_rng(2)
    fold = np.arange(600) % 5
    posterior, truth = stated(random, 600, 3)
    judged = trust.choose({trust.PLAIN: posterior}, truth, fold, trust.PLAIN)
    assert judged.method == trust.TEMPERED and judged.temperature == pytest.approx(3, rel=0.3)
    assert "can be trusted as they are" in trust.reach(judged)
    plain = judged._replace(posterior=posterior)
    assert "are too sure" in trust.reach(plain)
    posterior, truth = stated(random, 600)
    judged = trust.choose({trust.PLAIN: posterior}, truth, fold, trust.PLAIN)
    assert (judged.method, judged.temperature) == (trust.PLAIN, 1)
    cold = judged._replace(posterior=trust.warmed(posterior, 2.5))
    assert "are surer to be right" in trust.reach(cold)


def test_a_hair_is_no_reason_to_choose_another():
    random = np.random.default_rng(3)
    posterior, truth = stated(random, 200)
    noise = trust.warmed(posterior * random.uniform(0.7, 1.4, posterior.shape), 1)
    noise /= noise.sum(axis=1, keepdims=True)
    better = trust.loss(noise, truth).mean() < trust.loss(posterior, truth).mean()
    pair = (noise, posterior) if better else (posterior, noise)
    given = {trust.PLAIN: pair[1], "look-alike": pair[0]}
    judged = trust.choose(given, truth, np.arange(200) % 5, trust.PLAIN)
    assert judged.losses["look-alike"] < judged.losses[trust.PLAIN]
    assert judged.method == trust.PLAIN


def test_a_temperature_changes_no_label_and_not_the_experts():
    one = crowd.simulate(4, detections=300)
    found = dawid_skene.weigh(one.votes, one.expert)
    judged = trust.Trust(trust.TEMPERED, 2.0, {}, np.zeros((0, K)), np.zeros(0, int))
    flat = trust.applied(found, judged)
    free = found.expert < 0
    assert np.array_equal(flat.label, found.label)
    assert np.all(flat.posterior[free].max(axis=1) <= found.posterior[free].max(axis=1))
    assert np.array_equal(flat.posterior[~free], found.posterior[~free])
    assert flat.posterior.sum(axis=1) == pytest.approx(1)


def test_of_many_detections_some_are_weighed_and_most_of_the_gold(monkeypatch):
    monkeypatch.setattr(trust, "_SAMPLE", 100)
    monkeypatch.setattr(trust, "_GOLD", 30)
    one = crowd.simulate(5, detections=1000, known=0.05)
    votes, expert = trust._sample(one.votes, one.expert, one.expert)
    assert 100 <= len(votes.objids) <= 150 and len(expert) >= 25
    assert set(expert) <= set(votes.objids)
    place = {objid: item for item, objid in enumerate(one.votes.objids)}
    for item, objid in enumerate(votes.objids):
        mine, theirs = votes.item == item, one.votes.item == place[objid]
        assert np.array_equal(votes.answer[mine], one.votes.answer[theirs])
        assert np.array_equal(votes.person[mine], one.votes.person[theirs])
    # where gold is rare, all of it stays
    gold = sorted(one.expert)[:20]
    assert set(gold) <= set(trust._sample(one.votes, one.expert, gold)[1])


def test_bins_tell_how_often_a_label_is_right():
    top = np.array([0.3, 0.5, 0.55, 0.95, 0.99, 1.0])
    posterior = (1 - top[:, None]) / (K - 1) * np.ones(K)
    posterior[:, 2] = top
    truth = np.array([2, 2, 1, 2, 2, 0])
    judged = trust.Trust(trust.PLAIN, 1.0, {}, posterior, truth)
    assert [(round(one.stated, 3), one.right, one.number) for one in trust.bins(judged)] == [
        *((0.3, 1, 1), (0.525, 1, 2), (0.95, 1, 1), (0.995, 1, 2))
    ]
