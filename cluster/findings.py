"""What the report tells: how good labelers are, and which detections are worth a look.

People are compared with the expert's labels on gold chunks, with each other, and with themselves
earlier. Needs numpy.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import numpy as np

import labelfile
import labels
from cluster import consensus, copies, trust, votes
from cluster.hub import Hub, detections
from cluster.verified import Rows, expert_rows, gold_truth, voting
from cluster.votes import CLASSES, INDEX, Consensus, Floats, Ints, Trust, Votes

HASTY = 0.5  # seconds; nobody takes in three stamps in less
_TOO_HASTY = 0.1  # of someone's presses
_ENOUGH = 20  # presses from which on their share says something about a person
CONFIDENT = 0.95  # the posterior from which on a dissenting label is worth a look
_WORSE = 0.05  # of accuracy, below the others': with thousands of labels a hair is significant
_UNCERTAIN = 0.1  # nats; below, one class has 98 % and more
CASES = 12  # detections shown of each sort


class Half(NamedTuple):
    """Half of a person's labels: median seconds (None if not known), right of compared on gold."""

    seconds: float | None
    right: int
    compared: int


class Person(NamedTuple):
    """How good one labeler is.

    `labels` counts all but Skipped, `unsure` those of them that are no class. `matrix`
    (K, K + 1) has the expert's label on gold in its rows and the answer in its columns, the last
    of which is such answers: they count as no answer in `right` of `compared` (with its Wilson 95 %
    `interval`) and in `kappa` (NaN if not defined). `agreed` of `shared` answers are what the
    others' votes alone make most probable. `seconds` is the median and `hasty` how many of the
    `timed` labels took less than `HASTY`; an earlier table has no times. `halves` are the first
    and the second half of the labels in the order of their TIME.
    """

    user: str
    labels: int
    unsure: int
    skipped: int
    matrix: Ints
    right: int
    compared: int
    interval: tuple[float, float]
    kappa: float
    agreed: int
    shared: int
    seconds: float | None
    hasty: int
    timed: int
    halves: tuple[Half, Half]


class Case(NamedTuple):
    """A detection worth a look: who (None is nobody, empty the expert) said `answer`, against what.

    `label` is what the votes make of it, with its `posterior`; `other` comes second, with `rest`.
    """

    objid: str
    user: str | None
    answer: str
    label: str
    posterior: float
    other: str
    rest: float


class Pair(NamedTuple):
    """Of two people who look at the same detection, how often one says this and the other that."""

    share: float
    one: str
    other: str


class Findings(NamedTuple):
    """All that the report tells.

    `people` are sorted, the best first; `team` is the sum of their matrices. `presses` counts
    ACTIONs. Of the hub's `detections` so many are `known`: someone spoke. `shares` (K,) is how
    common each class is among these by the consensus, the mean posterior. Of `pairs`
    all detections with two answers (`doubly` many) weigh the same. `dissent`,
    `overruled` and `uncertain` are lists of `Case`: labels against a confident consensus of the
    others, the expert's against that of the people, and detections whose class is least known; of
    the first two there are `dissents` and `overrulings` in all. `said` has (USER, row) of everyone
    on these detections, `expert` the expert's rows. The hub has `gold` detections, of which the
    expert labelled `answered`, and where these are enough `trust` tells what hiding them has shown.
    `copied` are people who agree too often, `thin` sentences on what the votes are too few for.
    """

    hub: Hub
    time: str
    people: list[Person]
    team: Ints
    presses: Counter[str]
    detections: int
    known: int
    shares: Floats
    doubly: int
    pairs: list[Pair]
    dissent: list[Case]
    dissents: int
    overruled: list[Case]
    overrulings: int
    uncertain: list[Case]
    said: dict[str, list[tuple[str, labelfile.Row]]]
    expert: dict[str, labelfile.Row]
    gold: int
    answered: int
    trust: Trust | None = None
    copied: Sequence[copies.Copy] = ()
    thin: Sequence[str] = ()


def find(hub: Hub) -> Findings:
    """Compare everyone with gold, with the others and with themselves."""
    rows, expert, truth = voting(hub), expert_rows(hub), gold_truth(hub)
    given = votes.of_rows(rows)
    found = consensus.weigh(given, votes.truth(expert), gold=truth.keys())
    place = {objid: number for number, objid in enumerate(found.objids)}
    item = np.array([place[objid] for objid in given.objids], dtype=np.int64)[given.item]
    given = given._replace(objids=found.objids, item=item)
    alone, together = _by_votes(given, found)
    people = _persons(rows, truth, given, alone)
    doubly, pairs = _pairs(found.counts, CLASSES)
    dissents = _dissent(given, found, alone, CLASSES)
    overrulings = _overruled(found, together, CLASSES)
    answers = Counter(objid for (_, objid), row in rows.items() if row.action != labels.SKIPPED)
    uncertain = _uncertain(found, expert, answers)
    cases = (*dissents[:CASES], *overrulings[:CASES], *uncertain)
    said: dict[str, list[tuple[str, labelfile.Row]]] = {case.objid: [] for case in cases}
    for (user, objid), row in sorted(rows.items()):
        if objid in said:
            said[objid].append((user, row))
    known = found.known
    chunks, size = list(hub.chunks()), len(CLASSES)
    return Findings(
        hub=hub,
        time=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        people=people,
        team=sum((person.matrix for person in people), np.zeros((size, size + 1), int)),
        presses=Counter(row.action for row in rows.values()),
        detections=detections(chunks),
        known=int(np.count_nonzero(known)),
        shares=found.posterior[known].mean(axis=0) if known.any() else np.zeros(size),
        doubly=doubly,
        pairs=pairs,
        dissent=dissents[:CASES],
        dissents=len(dissents),
        overruled=overrulings[:CASES],
        overrulings=len(overrulings),
        uncertain=uncertain,
        said=said,
        expert=expert,
        gold=detections(chunk for chunk in chunks if chunk.gold),
        answered=len(truth),
        trust=found.trust,
        copied=copies.find(given, found),
        thin=trust.warnings(found),
    )


def _by_votes(given: Votes, found: Consensus) -> tuple[Floats, Floats]:
    """Return the posterior by people's votes alone: for each vote without it, and with all.

    Bayes' rule with the people's confusion matrices and the classes' shares as the consensus found
    them (Dawid and Skene 1979, eq. 2.5), but without the expert, whose labels on the hard cases
    score nobody, and with one's own vote left out. (The matrices come from everyone's votes: one
    detection more or less hardly moves them.)

    Returns
    -------
    alone : ndarray, shape (V, K)
        For each vote, from the others on the same detection; NaN where there are none.
    together : ndarray, shape (N, K)
        For each detection, from all.
    """
    # a probability of 0 could not be taken away again
    log = np.log(np.maximum(found.confusion, 1e-12))[given.person, :, given.answer]
    prior = np.log(np.maximum(found.prior, 1e-12))
    items = len(given.objids)
    total = np.stack(
        [prior[k] + np.bincount(given.item, log[:, k], items) for k in range(len(prior))], axis=1
    )
    alone = _normalised(total[given.item] - log)
    alone[np.bincount(given.item, minlength=items)[given.item] < 2] = np.nan
    return alone, _normalised(total)


def _normalised(log: Floats) -> Floats:
    p = np.exp(log - log.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def _persons(rows: Rows, truth: Mapping[str, str], given: Votes, alone: Floats) -> list[Person]:
    """Return a `Person` for each, the best first: by the interval's lower end, then by labels."""
    shared = Counter(given.person[~np.isnan(alone[:, 0])].tolist())
    agreed = Counter(given.person[_winner(alone) == given.answer].tolist())
    by_user: dict[str, list[labelfile.Row]] = {}
    for (user, _), row in rows.items():
        by_user.setdefault(user, []).append(row)
    people = [
        _person(user, by_user[user], truth, agreed[number], shared[number])
        for number, user in enumerate(given.people)
    ]
    # who was never compared with gold comes last, those by their agreement with the others
    return sorted(
        people,
        key=lambda person: (
            not person.compared,
            -person.interval[0],
            -person.agreed / max(1, person.shared),
            person.user,
        ),
    )


def _winner(posterior: Floats) -> Ints:
    """Return the most probable class, (V,), and -1 where nothing is known."""
    unknown = np.isnan(posterior[:, 0])
    return np.where(unknown, -1, np.where(unknown[:, None], 0, posterior).argmax(axis=1))


def _person(
    user: str, rows: list[labelfile.Row], truth: Mapping[str, str], agreed: int, shared: int
) -> Person:
    rows.sort(key=lambda row: (labelfile.given_at(row), row.objid))
    kept = [row for row in rows if row.action != labels.SKIPPED]
    matrix = np.zeros((len(CLASSES), len(CLASSES) + 1), int)
    for row in kept:
        if row.objid in truth:
            matrix[INDEX[truth[row.objid]], INDEX.get(row.action, len(CLASSES))] += 1
    seconds = _seconds(kept)
    answers = matrix[:, :-1]
    right, compared = int(np.trace(answers)), int(answers.sum())
    middle = len(kept) // 2
    return Person(
        user=user,
        labels=len(kept),
        unsure=sum(not labels.is_vote(row.action) for row in kept),
        skipped=len(rows) - len(kept),
        matrix=matrix,
        right=right,
        compared=compared,
        interval=interval(right, compared),
        kappa=kappa(answers),
        agreed=agreed,
        shared=shared,
        seconds=statistics.median(seconds) if seconds else None,
        hasty=sum(value < HASTY for value in seconds),
        timed=len(seconds),
        halves=(_half(kept[:middle], truth), _half(kept[middle:], truth)),
    )


def _seconds(kept: Iterable[labelfile.Row]) -> list[float]:
    """Return how long these labels took. 0 is what stands where nobody measured it."""
    return [value for value in (float(row.seconds) for row in kept) if value > 0]


def _half(kept: list[labelfile.Row], truth: Mapping[str, str]) -> Half:
    seconds = _seconds(kept)
    compared = [row for row in kept if row.objid in truth and labels.is_vote(row.action)]
    right = sum(row.action == truth[row.objid] for row in compared)
    return Half(statistics.median(seconds) if seconds else None, right, len(compared))


def _pairs(counts: Ints, classes: Sequence[str]) -> tuple[int, list[Pair]]:
    """Return how many detections have two answers, and the pairs, the largest share first."""
    total = counts.sum(axis=1)
    several = counts[total > 1].astype(float)
    total = total[total > 1]
    # of the pairs of people on a detection, the share that said a and b; 40 on a gold one weigh
    # no more than three on another
    shares = several.T @ (several / (total * (total - 1) / 2)[:, None]) / max(1, len(total))
    pairs = [
        Pair(float(shares[a, b]), classes[a], classes[b])
        for a in range(len(classes))
        for b in range(a + 1, len(classes))
        if shares[a, b] > 0
    ]
    return len(total), sorted(pairs, key=lambda pair: (-pair.share, pair.one, pair.other))


def _dissent(given: Votes, found: Consensus, alone: Floats, classes: Sequence[str]) -> list[Case]:
    """List the labels against a confident consensus of the others, the most surprising first.

    Surprising is what the others' posterior and this person's confusion matrix make improbable: the
    slip of a good labeler rather than the hundredth of a guesser. One for each detection.
    """
    winner = _winner(alone)
    sure = np.nan_to_num(alone.max(axis=1, initial=0), nan=0.0) >= CONFIDENT
    where = np.flatnonzero(sure & (winner != given.answer))
    person, answer = given.person[where], given.answer[where]
    expected = (alone[where] * found.confusion[person, :, answer]).sum(axis=1)
    cases: dict[str, Case] = {}
    for vote in where[np.lexsort((where, expected))]:
        objid, p = given.objids[given.item[vote]], alone[vote]
        said = classes[given.answer[vote]]
        user = given.people[given.person[vote]]
        cases.setdefault(objid, _case(objid, user, said, p, classes))
    return list(cases.values())


def _case(objid: str, user: str | None, answer: str, p: Floats, classes: Sequence[str]) -> Case:
    second, best = p.argsort(kind="stable")[-2:].tolist()
    return Case(
        objid, user, answer, classes[best], float(p[best]), classes[second], float(p[second])
    )


def _overruled(found: Consensus, together: Floats, classes: Sequence[str]) -> list[Case]:
    """List where the expert says another thing than two people or more, who seem sure."""
    best = together.argmax(axis=1)
    p = together.max(axis=1, initial=0)
    number = found.counts.sum(axis=1)
    other = (found.expert >= 0) & (best != found.expert) & (number > 1)
    where = (other & (p >= CONFIDENT)).nonzero()[0]
    return [
        _case(found.objids[i], "", classes[found.expert[i]], together[i], classes)
        for i in where[(-p[where]).argsort(kind="stable")]
    ]


def _uncertain(
    found: Consensus, expert: Mapping[str, labelfile.Row], answers: Mapping[str, int]
) -> list[Case]:
    """List the detections of largest entropy that have two answers or more, of whatever kind.

    Those that the expert has answered are left out: nobody else will know better.
    """
    entropy = found.entropy
    cases: list[Case] = []
    for i in (-entropy).argsort(kind="stable"):
        if len(cases) == CASES or entropy[i] < _UNCERTAIN:
            break
        objid = found.objids[i]
        if answers[objid] > 1 and objid not in expert:
            cases.append(_case(objid, None, "", found.posterior[i], CLASSES))
    return cases


def is_hasty(person: Person) -> bool:
    """Tell whether someone presses faster than one can look, too often for slips of the finger."""
    return person.timed >= _ENOUGH and person.hasty > _TOO_HASTY * person.timed


def remarks(findings: Findings) -> list[str]:
    """Return sentences on what the lead should look at first."""
    told = []
    right = sum(person.right for person in findings.people)
    compared = sum(person.compared for person in findings.people)
    if not findings.gold:
        told.append("There is no gold chunk, so nobody's accuracy can be known (gold_share).")
    elif not findings.answered:
        told.append(
            "The expert has labelled no gold detection yet, so nobody's accuracy is known: "
            "./ArtifactSpy --expert gives them first."
        )
    told += findings.thin
    told += [
        f"{pair.one} and {pair.other} gave the same answer to {pair.agreed} of {pair.shared} "
        f"detections, where {pair.expected:.0f} are expected of such people: did one copy?"
        for pair in findings.copied[:CASES]
    ]
    for person in findings.people:
        others, those = right - person.right, compared - person.compared
        if those and person.interval[1] < others / those - _WORSE:
            told.append(
                f"{person.user} is right on {percent(person.right, person.compared)} of gold "
                f"({between(person.interval)}), the others on {percent(others, those)}."
            )
        if is_hasty(person):
            told.append(
                f"{person.user} gave {percent(person.hasty, person.timed)} of the labels in less "
                f"than {HASTY} s."
            )
        first, second = person.halves
        if first.compared and second.compared:
            early, late = (interval(half.right, half.compared) for half in person.halves)
            if late[1] < early[0]:
                told.append(
                    f"{person.user} was right on {percent(first.right, first.compared)} of gold at "
                    f"first and on {percent(second.right, second.compared)} later."
                )
    return told


def percent(part: float, whole: float) -> str:
    """Return a share as text: ``82 %``, or ``-`` where there is nothing to share."""
    return f"{100 * part / whole:.0f} %" if whole else "-"


def between(interval: tuple[float, float]) -> str:
    """Return an interval of shares as text: ``69-90 %``."""
    return f"{100 * interval[0]:.0f}-{100 * interval[1]:.0f} %"


def number(value: float | None, digits: int = 1) -> str:
    """Return a number as text, ``-`` for None and NaN."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def short(name: str) -> str:
    """Return the first word of a label's name, which tells them apart: ``DarkSpot…`` is Dark."""
    for place, letter in enumerate(name):
        if place and letter.isupper():
            return name[:place]
    return name


def tally(said: Iterable[tuple[str, labelfile.Row]], name: Callable[[str], str] = short) -> str:
    """Return how often each answer was given, as text: ``2 Good, 1 Unsure``."""
    counts = Counter(name(row.action) for _, row in said)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def reliability(judged: Trust) -> list[tuple[str, ...]]:
    """Return a row for each of `trust.bins`, as text: stated, right, its interval, detections."""
    return [
        (
            f"{100 * one.stated:.0f} %",
            percent(one.right, one.number),
            between(interval(one.right, one.number)),
            str(one.number),
        )
        for one in trust.bins(judged)
    ]


def kappa(matrix: Sequence[Sequence[int]] | Ints) -> float:
    """Return Cohen's kappa of a confusion matrix of counts: agreement beyond chance.

    (p_o - p_e) / (1 - p_e) with the share p_o on the diagonal and p_e what the margins make
    expect (Cohen 1960, Educational and Psychological Measurement 20, 37). NaN where chance alone
    agrees always, or nothing was counted.
    """
    counts = np.asarray(matrix, dtype=float)
    n = counts.sum()
    if not n:
        return float("nan")
    observed = np.trace(counts) / n
    chance = float(counts.sum(axis=0) @ counts.sum(axis=1)) / n**2
    return float("nan") if chance == 1 else float((observed - chance) / (1 - chance))


def interval(k: int, n: int) -> tuple[float, float]:
    """Return the Wilson score interval (low, high) of a share, k of n, at 95 %.

    Wilson (1927), Journal of the American Statistical Association 22, 209. (0, 1) when n is 0.
    """
    if not n:
        return 0.0, 1.0
    z = 1.959963984540054  # 97.5th percentile of the normal distribution
    middle = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * (k * (n - k) / n + z * z / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
