"""What many votes amount to: for each detection the probability of every class.

People differ in skill, and each confuses classes in their own way. Both are found together with
the truth by expectation maximisation, after Dawid and Skene (1979); the majority is there too, for
comparison. Unsure and Skipped are no votes, Other is a class of its own, and an expert's label is
the truth. ``consensus`` writes ``expert/consensus.csv``, one row per detection in the order of
labels.csv: ``OBJID``, ``LABEL`` (the most probable class; empty where nobody voted), ``P_`` and a
class for each of them, ``P_REAL``, ``VOTES`` (such as ``Marginal:1 Good:2``), ``LABELERS`` (how
many people voted), ``EXPERT`` (the expert's label, or empty) and ``ENTROPY`` (nats). The expert
folder is closed to labelers, who must not see the truth of gold chunks. Needs numpy.
"""

from typing import NamedTuple

import numpy as np

import disk
import labels
from cluster import receive
from cluster.hub import Hub, counted, table

CLASSES = tuple(label.name for label in labels.LABELS if label.name != "Unsure")
REAL = tuple(label.name for label in labels.LABELS if label.kind == "real")
COLUMNS = (
    *("OBJID", "LABEL", *(f"P_{name}" for name in CLASSES)),
    *("P_REAL", "VOTES", "LABELERS", "EXPERT", "ENTROPY"),
)
_INDEX = {name: index for index, name in enumerate(CLASSES)}
_ROUNDS = 200
_CLOSE = 1e-4  # of a probability: far finer than it is known
_BLOCK = 4096  # detections
_STEPS = 8  # of Newton's method; three or four are enough
_STRENGTHS = np.exp2(np.arange(25) / 3)  # 1 to 256 imagined answers


class Votes(NamedTuple):
    """Who said what of which detection; three int arrays of equal length are the votes."""

    objids: tuple
    people: tuple
    item: np.ndarray
    person: np.ndarray
    answer: np.ndarray


class Consensus(NamedTuple):
    """What the votes amount to. N detections, P people, K classes in the order of `CLASSES`.

    `posterior` (N, K) has the probability of each class, `confusion` (P, K, K) how probably a
    person gives each answer (last axis) to a detection of each class, `prior` (K,) how common the
    classes are, `counts` (N, K) the votes, `expert` (N,) the expert's class or -1.
    """

    objids: tuple
    people: tuple
    posterior: np.ndarray
    confusion: np.ndarray
    prior: np.ndarray
    counts: np.ndarray
    expert: np.ndarray

    @property
    def label(self):
        """Index of the most probable class, (N,); of equal ones the first."""
        return self.posterior.argmax(axis=1)

    @property
    def known(self):
        """Whether anyone voted or the expert spoke, (N,); else the posterior is the prior."""
        return (self.counts.sum(axis=1) > 0) | (self.expert >= 0)

    @property
    def entropy(self):
        """Entropy of the posterior in nats, (N,): 0 is certain, log K knows nothing."""
        p = self.posterior
        return 0 - (p * np.log(np.where(p > 0, p, 1))).sum(axis=1)  # - would make it -0.0

    @property
    def real(self):
        """P_REAL, (N,): the probability that it is no artifact, the sum over `REAL`."""
        return self.posterior[:, [_INDEX[name] for name in REAL]].sum(axis=1)


def votes(rows):
    """Make `Votes` of what `receive.gather` returns.

    Detections and people of whom only Unsure or Skipped is there stay in the lists, without votes.
    """
    objids = tuple(sorted({objid for _, objid in rows}, key=_order))
    people = tuple(sorted({user for user, _ in rows}))
    items = {objid: index for index, objid in enumerate(objids)}
    persons = {user: index for index, user in enumerate(people)}
    given = np.array(
        [
            (items[objid], persons[user], _INDEX[row.action])
            for (user, objid), row in rows.items()
            if row.action in _INDEX
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    given = given[np.lexsort((given[:, 1], given[:, 0]))]
    return Votes(objids, people, *given.T)


def truth(rows):
    """Return what `receive.expert_rows` amounts to: Object ID -> index of the class."""
    return {objid: _INDEX[row.action] for objid, row in rows.items() if row.action in _INDEX}


def _order(objid):
    return int(objid), objid


def majority(votes, expert):
    """Take each class's share of the votes for its probability.

    Parameters and what is returned are those of `dawid_skene`. Of equal shares the first class in
    `CLASSES` is the label; the confusion matrices are those that this truth would make.
    """
    votes, fixed = _with_expert(votes, expert)
    posterior, counts = _shares(votes, fixed)
    known = posterior.any(axis=1)
    prior = _prior(posterior[known])
    posterior[~known] = prior
    people = _people(votes, posterior)
    return Consensus(votes.objids, votes.people, posterior, people.matrix, prior, counts, fixed)


def dawid_skene(votes, expert):
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
    votes, fixed = _with_expert(votes, expert)
    posterior, counts = _shares(votes, fixed)
    known = posterior.any(axis=1)
    blocks = list(_blocks(votes, fixed[votes.item] < 0))
    for _ in range(_ROUNDS):
        prior = _prior(posterior[known])
        people = _people(votes, posterior)
        new = np.where(fixed[:, None] < 0, prior, posterior)
        for item, person, answer, first in blocks:
            log = np.log(prior) + np.add.reduceat(
                _likelihood(people, posterior[item], person, answer), first
            )
            log -= log.max(axis=1, keepdims=True)
            np.exp(log, out=log)
            new[item[first]] = log / log.sum(axis=1, keepdims=True)
        moved = np.abs(new - posterior)[known].max(initial=0)
        posterior = new
        if moved < _CLOSE:
            break
    return Consensus(votes.objids, votes.people, posterior, people.matrix, prior, counts, fixed)


METHODS = {"dawid-skene": dawid_skene, "majority": majority}


class _People(NamedTuple):
    """What is known of how people answer, as numbers of answers, imagined ones included.

    (P, K, K) arrays are indexed by person, answer, class; (P, K) ones by person, class. `total`
    counts the answers to a class, `kind` those that are right, or wrong, as this one is, `wrong`
    the wrong ones as the second prior has them, and `same` those that say this (`wrong` itself
    where it is right). So kind / total * same / wrong is the probability of an answer, `matrix`.
    """

    matrix: np.ndarray
    kind: np.ndarray
    total: np.ndarray
    same: np.ndarray
    wrong: np.ndarray


def _blocks(votes, wanted):
    """Go through the wanted votes, whole detections at a time, as many as a cache holds.

    Yields the item, person and answer of each, and where in them each detection begins.
    """
    item, person, answer = (array[wanted] for array in votes[2:])
    first = np.flatnonzero(np.diff(item, prepend=-1))
    ends = np.append(first, len(item))
    for begin in range(0, len(first), _BLOCK):
        starts = first[begin : begin + _BLOCK]
        part = slice(starts[0], ends[begin + len(starts)])
        yield item[part], person[part], answer[part], starts - starts[0]


def _people(votes, posterior):
    """Return `_People` as far as the posterior (N, K) tells the truth; see `dawid_skene`."""
    count = _tally(votes, posterior)
    spread = _tally(votes, posterior * (1 - posterior))  # the variances of the counts
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
    return _People(matrix, kind, total, same, wrong)


def _likelihood(people, own, person, answer):
    """Return the logarithm (V, K) of how probable each vote is if each class were the truth.

    `own` (V, K) is how far the vote itself is in the counts: it is taken out.
    """
    chance = people.kind[person, answer] - own
    chance /= people.total[person] - own
    own[np.arange(len(own)), answer] = 0  # a right answer is not among the wrong ones: never 0 / 0
    chance *= people.same[person, answer] - own
    chance /= people.wrong[person] - own
    return np.log(chance, out=chance)


def _skill(right, total):
    """Return (P, K), the expected share of right answers of each person to each class.

    Of so many right ones (P, K) among all: the largest posterior of Rasch's model, see
    `dawid_skene`, by Newton's method for skill, ease and mean in turn.
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


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _strength(count, variance, share):
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


def _points(mean, variance):
    """Return (low, high, weight of high): two points of a given mean and variance, none below 0."""
    deviation = np.sqrt(variance)
    square = np.maximum(mean * mean, 1e-30)
    high = np.where(deviation < mean, mean + deviation, mean + variance * mean / square)
    weight = np.where(deviation < mean, 0.5, square / (square + variance))
    return np.where(deviation < mean, mean - deviation, 0), high, weight


def _rise(points, a):
    """Sum the expectation of log Gamma(n + a) - log Gamma(a), n as `points` has it."""
    low, high, weight = points
    start = _log_gamma(np.asarray(a, dtype=float))
    up, down = _log_gamma(high + a) - start, _log_gamma(low + a) - start
    return float((weight * up + (1 - weight) * down).sum())


def _log_gamma(x):
    """Logarithm of the gamma function for x > 0, by Stirling's series from x + 4 on, to 1e-7."""
    y = x + 4
    series = (y - 0.5) * np.log(y) - y + 0.5 * np.log(2 * np.pi) + (1 - 1 / (30 * y * y)) / (12 * y)
    return series - np.log(x * (x + 1) * (x + 2) * (x + 3))


def _tally(votes, weight):
    """Sum up (P, K, K) the weights (N, K) of the classes by person, class and answer."""
    k, people = len(CLASSES), len(votes.people)
    cell = votes.person * k + votes.answer
    sums = [np.bincount(cell, column[votes.item], people * k) for column in weight.T.copy()]
    # of no votes at all, bincount makes integers
    return np.array(sums, dtype=float).reshape(k, people, k).swapaxes(0, 1).copy()


def _with_expert(votes, expert):
    """Add the expert's detections; return the votes, by detection, and (N,) what is fixed or -1."""
    objids = tuple(sorted({*votes.objids, *expert}, key=_order))
    place = {objid: index for index, objid in enumerate(objids)}
    moved = np.array([place[objid] for objid in votes.objids], dtype=np.int64)[votes.item]
    order = np.lexsort((votes.person, moved))
    item, person, answer = (np.asarray(array)[order] for array in (moved, *votes[3:]))
    fixed = np.array([expert.get(objid, -1) for objid in objids], dtype=np.int64)
    return Votes(objids, votes.people, item, person, answer), fixed


def _shares(votes, fixed):
    """Return each class's share (N, K) of an item's votes, or of the expert's; and the counts."""
    k = len(CLASSES)
    cell = votes.item * k + votes.answer
    counts = np.bincount(cell, minlength=len(votes.objids) * k).reshape(-1, k)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares[fixed >= 0] = np.eye(k)[fixed[fixed >= 0]]
    return shares, counts


def _prior(posterior):
    """Return how common the classes are, (K,), each begun with one imagined detection."""
    total = posterior.sum(axis=0) + 1
    return total / total.sum()


def of_hub(hub, method="dawid-skene"):
    """Return the `Consensus` of all that a `Hub` has verified, the expert's labels included."""
    expert = truth(receive.expert_rows(hub))
    # the rows, some hundred bytes each, are gone before the arrays are made
    return METHODS[method](votes(receive.gather(hub)), expert)


def lines(consensus):
    """Go through the rows of consensus.csv, as tuples of text in the order of `COLUMNS`."""
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
        yield (
            objid,
            CLASSES[label] if known else "",
            *(f"{value:.6f}" for value in p),
            f"{real:.6f}",
            " ".join(f"{name}:{count}" for name, count in zip(CLASSES, counts) if count),
            str(sum(counts)),
            CLASSES[expert] if expert >= 0 else "",
            f"{entropy:.6f}",
        )


def write(folder, method="dawid-skene"):
    """Write expert/consensus.csv anew, and print what it rests on."""
    hub = Hub(folder)
    hub.owner_only("write the consensus")
    consensus = of_hub(hub, method)
    path = hub.folder / "expert" / "consensus.csv"
    disk.write_whole(path, table(COLUMNS, lines(consensus)), 0o600)
    given = consensus.counts.sum(axis=1)
    expert, unknown = consensus.expert >= 0, ~consensus.known
    told = f", {np.count_nonzero(unknown)} without any vote" if unknown.any() else ""
    print(
        f"The {method} consensus of {counted(given.sum(), 'vote')} on "
        f"{counted(len(given), 'detection')} ({np.count_nonzero(expert)} settled by the "
        f"expert{told}) is in {path}."
    )
    return 0


def kappa(matrix):
    """Return Cohen's kappa of a confusion matrix of counts: agreement beyond chance.

    (p_o - p_e) / (1 - p_e) with the share p_o on the diagonal and p_e what the margins make
    expect (Cohen 1960, Educational and Psychological Measurement 20, 37). NaN where chance alone
    agrees always, or nothing was counted.
    """
    matrix = np.asarray(matrix, dtype=float)
    n = matrix.sum()
    if not n:
        return float("nan")
    observed = np.trace(matrix) / n
    chance = float(matrix.sum(axis=0) @ matrix.sum(axis=1)) / n**2
    return float("nan") if chance == 1 else float((observed - chance) / (1 - chance))


def interval(k, n):
    """Return the Wilson score interval (low, high) of a share, k of n, at 95 %.

    Wilson (1927), Journal of the American Statistical Association 22, 209. (0, 1) when n is 0.
    """
    if not n:
        return 0.0, 1.0
    z = 1.959963984540054  # 97.5th percentile of the normal distribution
    middle = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * (k * (n - k) / n + z * z / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
