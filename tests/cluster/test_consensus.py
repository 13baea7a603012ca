"""The consensus: examples worked out by hand, what holds for any votes, and simulated crowds."""

import csv
import io
import math

import crowd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelfile
import labels
from cluster import consensus as consenting
from cluster import dawid_skene, findings, trust
from cluster import votes as voting
from cluster.hub import Hub, HubError, account_name, table
from cluster.init import run as init

CLASSES, K = consenting.CLASSES, len(consenting.CLASSES)
BAD, MARGINAL, GOOD, OTHER = map(CLASSES.index, ("BadSubtraction", "Marginal", "Good", "Other"))
METHODS = sorted(consenting.METHODS)
TIME = "2026-01-02T03:04:05.678Z"
COLUMNS = (*labelfile.COLUMNS, "USER")


def row(objid, action):
    return labelfile.Row(objid, action, "", TIME, "drop", "1.50")


def said(*answers):
    """Make `Votes` of (USER, OBJID, ACTION)."""
    return voting.of_rows({(user, objid): row(objid, action) for user, objid, action in answers})


def posterior_of(consensus, objid):
    return dict(zip(CLASSES, consensus.posterior[consensus.objids.index(objid)]))


def check(consensus):
    """Check what holds for every consensus."""
    n, people = len(consensus.objids), len(consensus.people)
    assert consensus.posterior.shape == consensus.counts.shape == (n, K)
    assert consensus.confusion.shape == (people, K, K)
    for shares in (consensus.posterior, consensus.confusion, consensus.prior[None]):
        assert np.all(np.isfinite(shares)) and shares.min(initial=0) >= 0
        assert np.allclose(shares.sum(axis=-1), 1)
    assert np.all((consensus.entropy >= -1e-12) & (consensus.entropy <= math.log(K) + 1e-12))
    assert np.all((consensus.real >= 0) & (consensus.real <= 1 + 1e-12))


# ---- votes ----


def test_unsure_and_skipped_are_no_votes_and_other_is_one():
    votes = said(
        ("ann", "10", "Unsure"),
        ("bob", "9", "Other"),
        ("ann", "9", "Good"),
        ("cid", "11", "Skipped"),
    )
    assert votes.objids == ("9", "10", "11")  # as labels.csv is sorted, by number
    assert votes.people == ("ann", "bob", "cid")
    given = zip(votes.item.tolist(), votes.person.tolist(), votes.answer.tolist())
    assert sorted(given) == [(0, 0, GOOD), (0, 1, OTHER)]


def test_object_ids_that_differ_in_leading_zeros_are_two_detections():
    votes = said(("ann", "7", "Good"), ("ann", "007", "Marginal"), ("ann", "1" * 32, "Good"))
    assert votes.objids == ("007", "7", "1" * 32)


def test_the_classes_are_the_labels_that_are_votes():
    names = [label.name for label in labels.LABELS]
    assert [name for name in names if name not in CLASSES] == ["Unsure"]
    assert labels.REAL == ("Marginal", "Good")


# ---- by hand ----


def test_the_majority_is_the_shares_of_the_votes():
    votes = said(
        *(("ann", "1", "Good"), ("bob", "1", "Good"), ("cid", "1", "Marginal")),
        *(("ann", "2", "Good"), ("bob", "2", "BadSubtraction")),
        *(("ann", "3", "Good"), ("bob", "3", "Good")),
    )
    consensus = consenting.majority(votes, {"3": OTHER})
    check(consensus)
    assert posterior_of(consensus, "1")["Good"] == pytest.approx(2 / 3)
    assert consensus.label.tolist() == [GOOD, BAD, OTHER]  # a tie goes to the first class
    assert posterior_of(consensus, "3")["Other"] == 1
    assert consensus.counts[2, GOOD] == 2  # what people said remains


def known_people():
    """Return votes of two whom 7,000 expert labels make known: ann is right in 9 of 10, bob in 6.

    When ann is wrong she names the class that follows, bob names it or the one after that. Object
    ID 900000 is new to the expert: ann says Good there, bob Marginal.
    """
    item = np.arange(7000).repeat(2)
    truth, turn = item % K, item // K % 10
    by_ann = (truth + (turn == 0)) % K
    by_bob = (truth + np.select([turn < 6, turn < 8], [0, 1], 2)) % K
    person = np.tile([0, 1], 7000)
    answer = np.where(person == 0, by_ann, by_bob)
    objids = (*map(str, range(100000, 107000)), "900000")
    votes = voting.Votes(
        objids,
        ("ann", "bob"),
        np.append(item, [7000, 7000]),
        np.append(person, [0, 1]),
        np.append(answer, [GOOD, MARGINAL]),
    )
    return votes, {objid: number % K for number, objid in enumerate(objids[:-1])}


def test_with_people_who_are_known_the_posterior_is_bayes_rule():
    votes, expert = known_people()
    consensus = dawid_skene.weigh(votes, expert)
    check(consensus)
    # Good: ann right 0.9, and bob never says Marginal to it. Marginal: ann says what follows, 0.1;
    # bob is right, 0.6. All other classes, or so: ann never says Good to them.
    new = posterior_of(consensus, "900000")
    assert new["Marginal"] > 0.97
    assert consensus.confusion[0, GOOD, GOOD] == pytest.approx(0.9, abs=0.01)
    assert consensus.confusion[1, MARGINAL, GOOD] == pytest.approx(0.2, abs=0.01)
    # and with bob's answer Good too, Good stands against Marginal as 0.9 * 0.6 to 0.1 * 0.2
    votes.answer[-1] = GOOD
    new = posterior_of(dawid_skene.weigh(votes, expert), "900000")
    assert new["Good"] / new["Marginal"] == pytest.approx(0.54 / 0.02, rel=0.05)
    # 0.002 at most is left for DarkSpotInTemplateCenter, to which bob says Good in 0.2
    assert new["Good"] + new["Marginal"] > 0.99


def test_who_always_mistakes_one_class_for_another_is_understood():
    """Everyone says Marginal to what the expert calls BadSubtraction."""
    answers = [
        (user, str(number), "Marginal" if number % 2 else "Good")
        for number in range(300)
        for user in ("ann", "bob", "cid")
    ]
    expert = {str(number): BAD if number % 2 else GOOD for number in range(100)}
    consensus = dawid_skene.weigh(said(*answers), expert)
    assert {CLASSES[label] for label in consensus.label[101::2]} == {"BadSubtraction"}
    assert {CLASSES[label] for label in consensus.label[100::2]} == {"Good"}


def test_two_who_guess_do_not_outvote_one_who_knows():
    random = np.random.default_rng(1)
    truth = random.integers(0, K, 400)
    guesses = {user: random.integers(0, K, 400) for user in ("eve", "mallory", "trudy")}
    answers = {"ann": truth, "bob": truth, **guesses}
    votes = said(
        *(
            (user, str(number), CLASSES[answers[user][number]])
            for number in range(400)
            for user in ("ann", "eve", "mallory", *(("bob", "trudy") if number < 200 else ()))
        )
    )
    consensus = dawid_skene.weigh(votes, {})
    fooled = (guesses["eve"] == guesses["mallory"]) & (guesses["eve"] != truth)
    fooled[:200] = False
    assert fooled.sum() > 10
    place = np.array([consensus.objids.index(str(number)) for number in np.flatnonzero(fooled)])
    assert np.array_equal(consensus.label[place], truth[fooled])


# ---- the expert, and those of whom nothing is known ----


@pytest.mark.parametrize("method", METHODS)
def test_the_experts_label_is_certain_whatever_people_say(method):
    votes = said(*((f"user{n}", "5", "Good") for n in range(20)), ("user1", "6", "Good"))
    consensus = consenting.METHODS[method].weigh(votes, {"5": BAD, "77": OTHER})
    check(consensus)
    assert consensus.objids == ("5", "6", "77")  # what only the expert labelled is there too
    assert posterior_of(consensus, "5")["BadSubtraction"] == 1
    assert posterior_of(consensus, "77")["Other"] == 1
    assert consensus.expert.tolist() == [BAD, -1, OTHER]
    assert consensus.entropy[0] == consensus.entropy[2] == 0
    assert next(consenting.lines(consensus))[-1] == "0.000000"


@pytest.mark.parametrize("method", METHODS)
def test_where_nobody_voted_the_posterior_is_the_prior_and_not_known(method):
    voted = [(user, str(n), "Good") for n in range(20) for user in ("ann", "bob")]
    consensus = consenting.METHODS[method].weigh(said(*voted, ("ann", "99", "Unsure")), {})
    check(consensus)
    assert consensus.known.tolist() == [True] * 20 + [False]
    assert np.allclose(consensus.posterior[-1], consensus.prior)
    assert list(consenting.lines(consensus))[-1][1] == ""  # no label
    assert consensus.prior.argmax() == GOOD


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "answers", [(), (("ann", "1", "Unsure"), ("bob", "2", "Skipped")), (("ann", "1", "Good"),)]
)
def test_very_little_is_enough_to_go_on(method, answers):
    check(consenting.METHODS[method].weigh(said(*answers), {}))
    check(consenting.METHODS[method].weigh(said(*answers), {"1": GOOD}))


def test_a_single_labeler_is_believed():
    answers = [("ann", str(n), CLASSES[n % K]) for n in range(200)]
    consensus = dawid_skene.weigh(said(*answers), {})
    check(consensus)
    assert [CLASSES[label] for label in consensus.label] == [answer for *_, answer in answers]


# ---- for any votes ----


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_names_and_orders_of_classes_people_and_votes_do_not_matter(seed, shuffle):
    one = crowd.simulate(seed, detections=60, people=6, guessing=1)
    classes = np.array(shuffle.sample(range(K), K))
    people = np.array(shuffle.sample(range(6), 6))
    items = np.array(shuffle.sample(range(60), 60))
    order = np.array(shuffle.sample(range(180), 180))
    votes = one.votes
    moved = votes._replace(
        objids=tuple(votes.objids[i] for i in np.argsort(items)),
        item=items[votes.item][order],
        person=people[votes.person][order],
        answer=classes[votes.answer][order],
    )
    expert = {objid: int(classes[label]) for objid, label in one.expert.items()}
    for method in (one.weigh for one in consenting.METHODS.values()):
        first, second = method(votes, one.expert), method(moved, expert)
        check(first)
        assert first.objids == second.objids
        assert np.allclose(second.posterior[:, classes], first.posterior, atol=1e-3)
        assert np.allclose(second.counts[:, classes], first.counts)
        turned = second.confusion[people][:, classes][:, :, classes]
        assert np.allclose(turned, first.confusion, atol=1e-2)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abcde"), st.integers(0, 30).map(str)),
        st.sampled_from([*CLASSES, "Unsure", "Skipped"]),
    ),
    st.dictionaries(st.integers(0, 40).map(str), st.integers(0, K - 1)),
)
def test_any_votes_make_probabilities(answers, expert):
    votes = said(*((user, objid, action) for (user, objid), action in answers.items()))
    for method in (one.weigh for one in consenting.METHODS.values()):
        consensus = method(votes, expert)
        check(consensus)
        assert set(consensus.objids) == {*votes.objids, *expert}
        for objid, label in expert.items():
            assert posterior_of(consensus, objid)[CLASSES[label]] == 1
        assert consensus.counts.sum() == len(votes.item)


def test_more_rounds_would_change_nothing(monkeypatch):
    one = crowd.simulate(3, shared=True)
    early = dawid_skene.weigh(one.votes, one.expert)
    monkeypatch.setattr(dawid_skene, "_CLOSE", 1e-9)
    monkeypatch.setattr(dawid_skene, "_ROUNDS", 2000)
    late = dawid_skene.weigh(one.votes, one.expert)
    assert np.abs(early.posterior - late.posterior).max() < 0.01


def test_blocks_of_any_size_give_the_same(monkeypatch):
    one = crowd.simulate(4, detections=300)
    whole = dawid_skene.weigh(one.votes, one.expert)
    monkeypatch.setattr(dawid_skene, "_BLOCK", 7)
    assert np.array_equal(dawid_skene.weigh(one.votes, one.expert).posterior, whole.posterior)


# ---- shrinking ----


@pytest.mark.parametrize("strength", [2, 8, 64])
def test_the_strength_of_a_prior_is_found(strength):
    random = np.random.default_rng(strength)
    share = np.array([0.5, 0.3, 0.15, 0.05])
    shares = random.dirichlet(strength * share, 600)
    counts = np.array([random.multinomial(25, p) for p in shares]).astype(float)
    found = dawid_skene._strength(counts, np.zeros_like(counts), share)
    assert strength / 1.5 < found < strength * 1.5


def test_counts_that_are_only_likely_do_not_make_people_alike():
    """The mean of an uncertain count varies less than the count: its variance makes up for that."""
    random = np.random.default_rng(1)
    shares = random.dirichlet(4 * np.full(4, 0.25), 600)
    counts = np.array([random.multinomial(20, p) for p in shares]).astype(float)
    sure = dawid_skene._strength(counts, np.zeros_like(counts), np.full(4, 0.25))
    # half of each count is known only as far as an average goes
    hazy, variance = counts / 2 + 2.5, np.full_like(counts, 2.5 * 0.75) + counts / 4
    believed = dawid_skene._strength(hazy, np.zeros_like(hazy), np.full(4, 0.25))
    corrected = dawid_skene._strength(hazy, variance, np.full(4, 0.25))
    assert believed > 2 * sure
    assert corrected < believed / 2


@given(st.floats(1e-6, 1e6))
def test_the_logarithm_of_gamma(x):
    assert dawid_skene._log_gamma(np.array([x]))[0] == pytest.approx(
        math.lgamma(x), rel=1e-6, abs=1e-6
    )


@given(st.floats(0, 1e5), st.floats(0, 1))
def test_two_points_have_the_mean_and_variance_asked_for(mean, share):
    variance = mean * share  # of a count that is a sum of yes and no, never more
    low, high, weight = dawid_skene._points(np.array(mean), np.array(variance))
    assert 0 <= low <= high + 1e-9 and 0 <= weight <= 1
    middle = weight * high + (1 - weight) * low
    assert middle == pytest.approx(mean, rel=1e-6, abs=1e-9)
    spread = weight * (high - middle) ** 2 + (1 - weight) * (low - middle) ** 2
    assert spread == pytest.approx(variance, rel=1e-6, abs=1e-6)


def test_no_vote_speaks_in_its_own_favour(monkeypatch):
    """Each is weighed as if it had not been counted."""
    one = crowd.simulate(6, detections=2000, people=300)
    votes = one.votes
    posterior = np.random.default_rng(1).dirichlet(np.full(K, 0.3), 2000)
    monkeypatch.setattr(dawid_skene, "_skill", lambda right, _: np.full(right.shape, 0.7))
    monkeypatch.setattr(dawid_skene, "_strength", lambda *_: 5.0)
    own = posterior[votes.item]
    people = dawid_skene.answering(votes, own)
    chances = np.exp(dawid_skene.likelihood(people, own.copy(), votes.person, votes.answer))
    for vote in range(0, len(votes.item), 97):
        kept = np.arange(len(votes.item)) != vote
        person, answer = votes.person[vote], votes.answer[vote]
        rest = votes._replace(
            item=votes.item[kept], person=votes.person[kept], answer=votes.answer[kept]
        )
        without = dawid_skene.answering(rest, own[kept]).matrix[person, :, answer]
        # how everyone's wrong answers are parted still has it, which is next to nothing
        assert np.allclose(chances[vote], without, rtol=0.05)
        counted, most = people.matrix[person, :, answer], own[vote].argmax()
        assert chances[vote, most] < counted[most]


def test_a_newcomer_is_taken_for_an_ordinary_person():
    """One right answer makes nobody perfect, one wrong one nobody useless."""
    one = crowd.simulate(5, people=12, guessing=0)
    votes = one.votes
    added = voting.Votes(
        votes.objids,
        (*votes.people, "new"),
        np.append(votes.item, 0),
        np.append(votes.person, 12),
        np.append(votes.answer, one.truth[0]),
    )
    expert = {**one.expert, votes.objids[0]: int(one.truth[0])}
    consensus = dawid_skene.weigh(added, expert)
    right = np.einsum("pcc->pc", consensus.confusion)
    assert np.all(np.abs(right[12] - right[:12].mean(axis=0)) < 0.2)
    row_of = consensus.confusion[12, one.truth[0]]
    assert row_of.max() < 0.95 and row_of.min() > 0


# ---- crowds ----


def test_a_crowd_as_the_model_has_it_is_seen_through():
    scores = np.array([crowd.score(crowd.simulate(seed)) for seed in range(4)])
    mean = crowd.Score(*scores.mean(axis=0))
    # 0.82 over twenty seeds, and no method does better than 0.83 without knowing more
    assert crowd.closed(mean.majority, mean.ours, mean.oracle) > 0.76
    assert mean.calibration < 0.04
    assert np.all(scores[:, 4] < 0.75 * scores[:, 3])


def test_people_of_few_labels_do_not_make_it_too_sure_of_itself():
    """Twenty labels each: 0.06 where each vote speaks in its own favour."""
    scores = [crowd.score(crowd.simulate(seed, people=300, guessing=30)) for seed in range(3)]
    assert np.mean([one.calibration for one in scores]) < 0.035
    assert all(one.blind_ours < one.blind_majority for one in scores)


def test_people_who_make_the_same_mistakes_leave_it_no_worse_than_the_majority():
    for seed in range(4):
        one = crowd.score(crowd.simulate(seed, shared=True))
        assert one.blind_ours < one.blind_majority
        assert one.calibration < 0.25


def test_without_any_expert_it_still_beats_the_majority():
    for seed in range(3):
        one = crowd.score(crowd.simulate(seed, known=0))
        assert one.ours < 0.75 * one.majority


# ---- where votes are few, and no gold tells more ----


def two_who_differ(number=2000):
    """Return votes of two people who never say the same."""
    random = np.random.default_rng(1)
    first = random.integers(0, K, number)
    second = (first + random.integers(1, K, number)) % K
    objids = tuple(map(str, range(10**6, 10**6 + number)))
    item, person = np.arange(number).repeat(2), np.tile([0, 1], number)
    return voting.Votes(objids, ("ann", "bob"), item, person, np.stack([first, second], 1).ravel())


def confidence(consensus):
    return consensus.posterior.max(axis=1)


def test_one_vote_each_is_no_proof():
    """100,000 of them had a confidence of 1.000; crowd.simulate's people are right in 0.6."""
    one = crowd.simulate(1, detections=20000, each=1, known=0)
    consensus = consenting.weigh(one.votes, {})
    right = np.mean(consensus.label == one.truth)
    assert confidence(consensus).mean() == pytest.approx(right, abs=0.12)
    assert confidence(consensus).max() < 0.9
    majority = consenting.majority(one.votes, {})
    assert right > np.mean(majority.label == one.truth) - 0.02


def test_of_two_people_who_differ_neither_is_believed():
    votes = two_who_differ()
    consensus = consenting.weigh(votes, {})
    assert confidence(consensus).max() < 0.75
    by_ann = np.mean(consensus.label == votes.answer[::2])
    assert 0.4 < by_ann < 0.6
    # gold tells who is right
    expert = {objid: int(votes.answer[2 * n]) for n, objid in enumerate(votes.objids[:60])}
    consensus = consenting.weigh(votes, expert, gold=expert)
    assert np.mean(consensus.label == votes.answer[::2]) > 0.95


def test_a_vote_tells_of_its_person_where_several_others_or_the_expert_tell_the_truth():
    item = np.array([0, 0, 1, 2, 2, 2, 3, 3, 4, 4, 5])
    person = np.array([0, 1, 0, 2, 3, 4, 5, 6, 6, 7, 1])
    votes = voting.Votes(tuple("012345"), tuple("abcdefgh"), item, person, np.zeros(11, int))
    told = dawid_skene.judged(votes, np.array([-1, -1, -1, -1, -1, 2]))
    # a and b have only each other; c, d and e are three; g has two partners, f and h but g;
    # b's word on what the expert labelled counts
    assert told.tolist() == [False] * 3 + [True] * 3 + [False, True, True, False, True]


def test_gold_unties_how_common_the_classes_are_from_the_votes():
    counts = np.array([[3, 0], [1, 2], [0, 0], [0, 3]])
    free, none = np.full(4, -1), np.array([-1, -1, -1, 0])
    tied = dawid_skene.tie(counts, free)
    assert tied == pytest.approx(np.array([4, 5]) / 9 * 3 * dawid_skene._TIE)
    assert dawid_skene.tie(counts, none).sum() == pytest.approx(2 * dawid_skene._TIE / 1.1)


@pytest.mark.parametrize(
    "options",
    [
        {"each": 1},
        {"each": 2},
        {"people": 300, "guessing": 30},
        {"detections": 200},
        {"shared": True, "detections": 1000},
    ],
    ids=str,
)
def test_majority_is_not_beaten_by_silence(options):
    """Without gold, whatever is sparse: as many are right, and it is no surer than it should be."""
    scores = []
    for seed in range(2):
        one = crowd.simulate(seed, **{"known": 0, **options})
        ours, majority = consenting.weigh(one.votes, {}), consenting.majority(one.votes, {})
        right = ours.label == one.truth
        scores.append(
            (
                right.mean(),
                np.mean(majority.label == one.truth),
                confidence(ours).mean() - right.mean(),
            )
        )
    ours, majority, excess = np.mean(scores, axis=0)
    assert ours > majority - 0.02
    assert excess < 0.1


@pytest.mark.parametrize("seed", range(3))
def test_of_two_classes_that_few_can_tell_apart_none_swallows_the_other(seed):
    """Thirty people who lean to one or the other, fifteen votes each: one class had 0.96."""
    random = np.random.default_rng(seed)
    truth, item = random.choice([MARGINAL, GOOD], 150), np.arange(150).repeat(3)
    person = random.random((150, 30)).argpartition(3, axis=1)[:, :3].ravel()
    lean = random.normal(0, 1, 30)[person]
    good = random.random(450) < 1 / (1 + np.exp(-np.where(truth[item] == GOOD, 0.7, -0.7) - lean))
    objids, people = tuple(map(str, range(1000, 1150))), tuple(map(str, range(30)))
    votes = voting.Votes(objids, people, item, person, np.where(good, GOOD, MARGINAL))
    consensus = consenting.weigh(votes, {})
    assert consensus.prior[GOOD] == pytest.approx(good.mean(), abs=0.1)
    assert np.mean(consensus.label == GOOD) == pytest.approx(good.mean(), abs=0.2)


def test_several_votes_that_no_gold_checks_count_as_fewer():
    one = crowd.simulate(2, known=0, detections=400)
    plain = dawid_skene.weigh(one.votes, {})
    flat = consenting.weigh(one.votes, {})
    check(flat)
    # three votes count as 3 / (1 + 2 / 3): their odds beyond the prior's to the power 0.6
    odds = np.log(plain.posterior[:, 0] / plain.posterior[:, 1])
    prior = np.log(plain.prior[0] / plain.prior[1])
    found = np.log(flat.posterior[:, 0] / flat.posterior[:, 1])
    assert found - prior == pytest.approx(0.6 * (odds - prior), abs=1e-6)
    # and one vote as one
    one = crowd.simulate(2, known=0, detections=400, each=1)
    plain, flat = dawid_skene.weigh(one.votes, {}), consenting.weigh(one.votes, {})
    assert np.allclose(plain.posterior, flat.posterior)


def test_what_is_thin_is_told():
    one = crowd.simulate(1, detections=300, each=1, known=0)
    told = trust.warnings(consenting.weigh(one.votes, {}))
    assert len(told) == 2 and told[0].startswith("Fewer than 50 gold detections")
    assert told[1].startswith("300 of 300 detections have one vote alone")
    one = crowd.simulate(1, detections=300, known=0.2)
    assert trust.warnings(consenting.weigh(one.votes, one.expert, gold=one.expert)) == []


# ---- figures ----


def test_kappa():
    # observed 35 of 50; expected (25 * 30 + 25 * 20) / 2500 = 0.5
    assert findings.kappa([[20, 5], [10, 15]]) == pytest.approx(0.4)
    assert findings.kappa(np.diag([3, 4])) == 1
    assert findings.kappa([[5, 5], [5, 5]]) == 0
    assert math.isnan(findings.kappa(np.zeros((3, 3))))
    assert math.isnan(findings.kappa([[7, 0], [0, 0]]))  # one class alone: nothing beyond chance


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3))
def test_kappa_does_not_mind_who_is_asked_first(matrix):
    one, other = findings.kappa(matrix), findings.kappa(np.transpose(matrix))
    assert one == pytest.approx(other, nan_ok=True)
    assert math.isnan(one) or -1 <= one <= 1


def test_the_wilson_interval():
    assert findings.interval(8, 10) == pytest.approx((0.4901625, 0.9433178))
    assert findings.interval(0, 10) == pytest.approx((0, 0.2775328))
    assert findings.interval(0, 0) == (0, 1)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_wilson_interval_holds_the_share(k, n):
    k = min(k, n)
    low, high = findings.interval(k, n)
    assert 0 <= low <= high <= 1
    assert n == 0 or low - 1e-12 <= k / n <= high + 1e-12
    assert findings.interval(n - k, n) == pytest.approx((1 - high, 1 - low))


# ---- the verb ----


@pytest.fixture
def hub(tmp_path, capsys):
    """A hub with verified labels of ann, bob and cid, and the expert's on two detections."""
    folder = tmp_path / "hub"
    init(folder)
    given = {
        "ann": [("9", "Good"), ("10", "Good"), ("11", "Unsure")],
        "bob": [("9", "Good"), ("10", "Marginal")],
        "cid": [("9", "Other"), ("10", "Skipped")],
    }
    owner = account_name(folder.stat().st_uid)
    expert = {owner: [("10", "BadSubtraction"), ("9", "Unsure"), ("12", "Good")]}
    (folder / "expert" / "verified").mkdir(exist_ok=True)
    for place, people in ((folder, given), (folder / "expert", expert)):
        for user, answers in people.items():
            lines = [(*row(*answer), user) for answer in answers]
            path = place / "verified" / f"{user}--2026-01-02_03-04-05.csv"
            path.write_bytes(table(COLUMNS, lines))
    capsys.readouterr()
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_consensus_writes_a_row_for_each_detection(hub, capsys, method):
    assert consenting.run(str(hub), method) == 0
    told = capsys.readouterr().out
    assert told.count("\n") == 1 and "5 votes on 4 detections (2 settled by the expert" in told
    assert "1 without any vote" in told
    path = hub / "expert" / "consensus.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    assert tuple(rows[0]) == consenting.COLUMNS
    assert [row["OBJID"] for row in rows] == ["9", "10", "11", "12"]
    assert [row["LABEL"] for row in rows] == ["Good", "BadSubtraction", "", "Good"]
    assert [row["EXPERT"] for row in rows] == ["", "BadSubtraction", "", "Good"]
    assert [row["VOTES"] for row in rows] == ["Good:2 Other:1", "Marginal:1 Good:1", "", ""]
    assert [row["LABELERS"] for row in rows] == ["3", "2", "0", "0"]
    for line in rows:
        chances = {name: float(line[f"P_{name}"]) for name in CLASSES}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
        assert float(line["P_REAL"]) == pytest.approx(
            chances["Good"] + chances["Marginal"], abs=1e-5
        )
        assert 0 <= float(line["ENTROPY"]) <= math.log(K)
    consensus = consenting.of_hub(Hub(str(hub)), method)
    assert consensus.objids == ("9", "10", "11", "12")


def test_consensus_is_closed_to_labelers_and_the_same_every_time(hub):
    consenting.run(str(hub))
    path = hub / "expert" / "consensus.csv"
    assert path.stat().st_mode & 0o077 == 0
    assert (hub / "expert").stat().st_mode & 0o077 == 0
    before = path.read_bytes()
    consenting.run(str(hub))
    assert path.read_bytes() == before


def test_consensus_of_a_hub_without_labels_has_no_rows(tmp_path, capsys):
    init(tmp_path / "hub")
    capsys.readouterr()
    assert consenting.run(str(tmp_path / "hub")) == 0
    assert "0 votes on 0 detections" in capsys.readouterr().out
    text = (tmp_path / "hub" / "expert" / "consensus.csv").read_text()
    assert text == ",".join(consenting.COLUMNS) + "\n"


def test_only_the_owner_may_write_the_consensus(hub, monkeypatch):
    monkeypatch.setattr("os.getuid", lambda: 12345)
    with pytest.raises(HubError, match="can write the consensus"):
        consenting.run(str(hub))
    assert not (hub / "expert" / "consensus.csv").exists()
