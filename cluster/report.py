"""How far the hub is (``status``), and how good its labels and labelers are (``report``).

``status`` is read off the people's folders and the verified files, one look per person and none
per chunk, with the standard library only; anyone may ask. ``report`` compares people with the
expert's labels on gold chunks and with each other, for the owner alone, as it tells the truth of
gold chunks: as text, and as a page (see `page`).
"""

import contextlib
import math
import statistics
import textwrap
import time
from collections import Counter
from datetime import datetime, timezone
from typing import NamedTuple

import disk
import labels
from cluster.handout import is_live, read_claim
from cluster.hub import Hub, counted
from cluster.receive import expert_rows, gather, gold_truth

_FEW = 7  # chunks, as the warning says; the lead needs a day or two to make another drop
_WEEK = 7 * 86400  # seconds over which the pace is taken: weekends included, long ago left out
HASTY = 0.5  # seconds; nobody takes in three stamps in less
_TOO_HASTY = 0.1  # of someone's presses
_ENOUGH = 20  # presses from which on their share says something about a person
CONFIDENT = 0.95  # the posterior from which on a dissenting label is worth a look
_WORSE = 0.05  # of accuracy, below the others': with thousands of labels a hair is significant
_UNCERTAIN = 0.1  # nats; below, one class has 98 % and more
CASES = 12  # detections shown of each sort


def status(folder):
    """Print how far the chunks are and what is left to do; then the people."""
    hub = Hub(folder)
    rows = gather(hub)
    done, out = Counter(), Counter()
    given = Counter(user for (user, _), row in rows.items() if row.action != labels.SKIPPED)
    now = time.time()
    pace, last, since = _pace(rows, now)
    lines = [("person", "labels", "a day", "has", "finished", "last seen (UTC)")]
    for user in sorted({*_people(hub), *last}):
        if user == hub.expert:
            continue  # whose labels are no votes, and bring no chunk nearer to its end
        folder = hub.folder / "people" / user
        claimed, finished = hub.claimed(user)
        held = claimed - finished
        done.update(finished)
        out.update(name for name in held if is_live(hub, name, read_claim(folder / name)))
        counts = map(str, (given[user], _rate(pace[user]), len(held), len(finished)))
        with contextlib.suppress(FileNotFoundError):  # of earlier tables there are labels alone
            last[user] = folder.stat().st_mtime
        seen = datetime.fromtimestamp(last[user], timezone.utc)
        lines.append((user, *counts, f"{seen:%Y-%m-%d %H:%M}"))
    needed = hub.settings.labelers
    chunks = list(hub.chunks())
    # a gold chunk takes more people than needed: what is more neither helps nor hides another
    complete = sum(done[chunk.name] >= needed for chunk in chunks)
    # `next` gives a chunk to another person as long as fewer than needed have it or finished it
    having = (done[chunk.name] + out[chunk.name] for chunk in chunks)
    lacking = Counter(have for have in having if have < needed)
    waiting = sum(lacking.values())
    busy = len(chunks) - complete - waiting
    told = [f"{complete} complete", f"{waiting} {'needs' if waiting == 1 else 'need'} more people"]
    if busy:
        told.insert(1, f"{busy} with labelers")
    if waiting:
        parts = (
            f"{counted(lacking[have], 'has', 'have')} {have} of {needed}"
            for have in sorted(lacking)
        )
        told[-1] += f" ({', '.join(parts)})"
    print(f"chunks {len(chunks):3}: {', '.join(told)}")
    print(_left(chunks, rows, needed, since, now), end="\n\n")
    print(_aligned(lines, (0, 5)))
    if rows:
        print(f"\na day: over {_span(now - since)}")
    if waiting < _FEW:
        print(
            "\nFewer than seven chunks wait for someone: add more stamps soon (add), so that "
            "nobody runs dry."
        )
    return 0


def _people(hub):
    """Go through the names of those who have a folder in people/."""
    for person in (hub.folder / "people").iterdir():
        if labels.is_user(person.name) and not person.is_symlink() and person.is_dir():
            yield person.name


def _pace(rows, now):
    """Return each person's labels per day, their last one's time, and since when they are counted.

    It is for a week; where the first label of all is younger, since that, but one day at least.
    """
    given = [(user, labels.given_at(row), row.action) for (user, _), row in rows.items()]
    first, last = now, {}
    for user, at, _ in given:
        first = min(first, at)
        last[user] = max(at, last.get(user, at))
    since = max(now - _WEEK, min(first, now - 86400))
    recent = Counter(user for user, at, action in given if at >= since and action != labels.SKIPPED)
    days = (now - since) / 86400
    return Counter({user: count / days for user, count in recent.items()}), last, since


def _left(chunks, rows, needed, since, now):
    """Return the line that tells how many detections are left, and how many days that takes.

    Only the first `needed` answers (Unsure and Skipped too) to a detection bring the end nearer:
    gold chunks get more than that, and these count neither as done nor into the rate.
    """
    total = _detections(chunks)
    times = {}
    for (_, objid), row in rows.items():
        times.setdefault(objid, []).append(labels.given_at(row))
    useful = [sorted(several)[:needed] for several in times.values()]
    left = max(0, total - sum(len(several) == needed for several in useful))
    answers = max(0, total * needed - sum(map(len, useful)))
    if not left:
        return f"detections {total}: none left"
    told = f"detections {total}: {left} left, which {'needs' if left == 1 else 'need'} "
    told += counted(answers, "more answer")
    recent = sum(at >= since for several in useful for at in several)
    if not recent:
        return f"{told}; none that counts came in the last 7 days"
    rate = recent / (now - since) * 86400
    days = math.ceil(answers / rate)
    return f"{told}: {counted(days, 'day')} at the present {_rate(rate)} a day"


def _detections(chunks):
    return sum(int(chunk.detections) for chunk in chunks if chunk.detections.isdecimal())


def _rate(value):
    return f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"


def _span(seconds):
    if seconds >= _WEEK:
        return "the last 7 days"
    if seconds <= 86400:
        return "the last day"
    return f"the {seconds / 86400:.1f} days since the first label"


def _aligned(rows, left=(0,)):
    """Return a table as text: the columns at these places flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


class Half(NamedTuple):
    """Half of a person's labels: median seconds (None if not known), right of compared on gold."""

    seconds: float
    right: int
    compared: int


class Person(NamedTuple):
    """How good one labeler is.

    `labels` counts all but Skipped, `unsure` those of them that are Unsure. `matrix`
    (K, K + 1) has the expert's label on gold in its rows and the answer in its columns, the last
    of which is Unsure: it counts as no answer in `right` of `compared` (with its Wilson 95 %
    `interval`) and in `kappa` (NaN if not defined). `agreed` of `shared` answers are what the
    others' votes alone make most probable. `seconds` is the median and `hasty` how many of the
    `timed` labels took less than `HASTY`; an earlier table has no times. `halves` are the first
    and the second half of the labels in the order of their TIME.
    """

    user: str
    labels: int
    unsure: int
    skipped: int
    matrix: object
    right: int
    compared: int
    interval: tuple
    kappa: float
    agreed: int
    shared: int
    seconds: float
    hasty: int
    timed: int
    halves: tuple


class Case(NamedTuple):
    """A detection worth a look: who (None is nobody, empty the expert) said `answer`, against what.

    `label` is what the votes make of it, with its `posterior`; `other` comes second, with `rest`.
    """

    objid: str
    user: str
    answer: str
    label: str
    posterior: float
    other: str
    rest: float


class Findings(NamedTuple):
    """All that the report tells.

    `people` are sorted, the best first; `team` is the sum of their matrices. `presses` counts
    ACTIONs. Of the hub's `detections` so many are `known`: someone spoke. `shares` (K,) is how
    common each class is among these by the consensus, the mean posterior. `pairs` lists (share,
    class, class): of two people who look at the same detection, how often one says this and the
    other that; all detections with two answers (`doubly` many) weigh the same. `dissent`,
    `overruled` and `uncertain` are lists of `Case`: labels against a confident consensus of the
    others, the expert's against that of the people, and detections whose class is least known; of
    the first two there are `dissents` and `overrulings` in all. `said` has (USER, row) of everyone
    on these detections, `expert` the expert's rows. The hub has `gold` detections, of which the
    expert labelled `answered`.
    """

    hub: Hub
    time: str
    people: list
    team: object
    presses: Counter
    detections: int
    known: int
    shares: object
    doubly: int
    pairs: list
    dissent: list
    dissents: int
    overruled: list
    overrulings: int
    uncertain: list
    said: dict
    expert: dict
    gold: int
    answered: int


def find(hub):
    """Compare everyone with gold, with the others and with themselves; return `Findings`."""
    import numpy as np

    from cluster import agreement

    classes = agreement.CLASSES
    index = {name: number for number, name in enumerate(classes)}
    rows, expert, truth = gather(hub), expert_rows(hub), gold_truth(hub)
    votes = agreement.votes(rows)
    consensus = agreement.dawid_skene(votes, agreement.truth(expert))
    place = {objid: number for number, objid in enumerate(consensus.objids)}
    item = np.array([place[objid] for objid in votes.objids], dtype=np.int64)[votes.item]
    votes = votes._replace(objids=consensus.objids, item=item)
    alone, together = _by_votes(votes, consensus)
    people = _persons(rows, truth, votes, alone, index)
    doubly, pairs = _pairs(consensus.counts, classes)
    dissents = _dissent(votes, consensus, alone, classes)
    overrulings = _overruled(consensus, together, classes)
    answers = Counter(objid for (_, objid), row in rows.items() if row.action != labels.SKIPPED)
    uncertain = _uncertain(consensus, expert, answers, classes)
    cases = (*dissents[:CASES], *overrulings[:CASES], *uncertain)
    said = {case.objid: [] for case in cases}
    for (user, objid), row in sorted(rows.items()):
        if objid in said:
            said[objid].append((user, row))
    known = consensus.known
    chunks, size = list(hub.chunks()), len(classes)
    return Findings(
        hub=hub,
        time=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        people=people,
        team=sum((person.matrix for person in people), np.zeros((size, size + 1), int)),
        presses=Counter(row.action for row in rows.values()),
        detections=_detections(chunks),
        known=int(np.count_nonzero(known)),
        shares=consensus.posterior[known].mean(axis=0) if known.any() else np.zeros(size),
        doubly=doubly,
        pairs=pairs,
        dissent=dissents[:CASES],
        dissents=len(dissents),
        overruled=overrulings[:CASES],
        overrulings=len(overrulings),
        uncertain=uncertain,
        said=said,
        expert=expert,
        gold=_detections(chunk for chunk in chunks if chunk.gold),
        answered=len(truth),
    )


def _by_votes(votes, consensus):
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
    import numpy as np

    # a probability of 0 could not be taken away again
    log = np.log(np.maximum(consensus.confusion, 1e-12))[votes.person, :, votes.answer]
    prior = np.log(np.maximum(consensus.prior, 1e-12))
    items = len(votes.objids)
    total = np.stack(
        [prior[k] + np.bincount(votes.item, log[:, k], items) for k in range(len(prior))], axis=1
    )
    alone = _normalised(total[votes.item] - log)
    alone[np.bincount(votes.item, minlength=items)[votes.item] < 2] = np.nan
    return alone, _normalised(total)


def _normalised(log):
    import numpy as np

    p = np.exp(log - log.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def _persons(rows, truth, votes, alone, index):
    """Return a `Person` for each, the best first: by the interval's lower end, then by labels."""
    import numpy as np

    shared = Counter(votes.person[~np.isnan(alone[:, 0])].tolist())
    agreed = Counter(votes.person[_winner(alone) == votes.answer].tolist())
    place = {user: number for number, user in enumerate(votes.people)}
    by_user = {}
    for (user, objid), row in rows.items():
        by_user.setdefault(user, []).append((labels.given_at(row), objid, row))
    people = []
    for user, given in by_user.items():
        given.sort()
        kept = [row for _, _, row in given if row.action != labels.SKIPPED]
        number = place[user]
        skipped = len(given) - len(kept)
        people.append(_person(user, kept, skipped, truth, index, agreed[number], shared[number]))
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


def _winner(posterior):
    """Return the most probable class, (V,), and -1 where nothing is known."""
    import numpy as np

    unknown = np.isnan(posterior[:, 0])
    return np.where(unknown, -1, np.where(unknown[:, None], 0, posterior).argmax(axis=1))


def _person(user, kept, skipped, truth, index, agreed, shared):
    import numpy as np

    from cluster import agreement

    matrix = np.zeros((len(index), len(index) + 1), int)
    for row in kept:
        if row.objid in truth:
            matrix[index[truth[row.objid]], index.get(row.action, len(index))] += 1
    seconds = _seconds(kept)
    answers = matrix[:, :-1]
    right, compared = int(np.trace(answers)), int(answers.sum())
    middle = len(kept) // 2
    return Person(
        user,
        len(kept),
        sum(row.action not in index for row in kept),
        skipped,
        matrix,
        right,
        compared,
        agreement.interval(right, compared),
        agreement.kappa(answers),
        agreed,
        shared,
        statistics.median(seconds) if seconds else None,
        sum(value < HASTY for value in seconds),
        len(seconds),
        tuple(_half(half, truth, index) for half in (kept[:middle], kept[middle:])),
    )


def _seconds(kept):
    """Return how long these labels took. 0 is what stands where nobody measured it."""
    return [value for value in (float(row.seconds) for row in kept) if value > 0]


def _half(kept, truth, index):
    seconds = _seconds(kept)
    compared = [row for row in kept if row.objid in truth and row.action in index]
    right = sum(row.action == truth[row.objid] for row in compared)
    return Half(statistics.median(seconds) if seconds else None, right, len(compared))


def _pairs(counts, classes):
    """Return how many detections have two answers, and (share, class, class), the largest first."""
    total = counts.sum(axis=1)
    counts = counts[total > 1].astype(float)
    total = total[total > 1]
    # of the pairs of people on a detection, the share that said a and b; 40 on a gold one weigh
    # no more than three on another
    shares = counts.T @ (counts / (total * (total - 1) / 2)[:, None]) / max(1, len(total))
    pairs = [
        (float(shares[a, b]), classes[a], classes[b])
        for a in range(len(classes))
        for b in range(a + 1, len(classes))
        if shares[a, b] > 0
    ]
    return len(total), sorted(pairs, key=lambda pair: (-pair[0], *pair[1:]))


def _dissent(votes, consensus, alone, classes):
    """List the labels against a confident consensus of the others, the most surprising first.

    Surprising is what the others' posterior and this person's confusion matrix make improbable: the
    slip of a good labeler rather than the hundredth of a guesser. One for each detection.
    """
    import numpy as np

    winner = _winner(alone)
    sure = np.nan_to_num(alone.max(axis=1, initial=0), nan=0.0) >= CONFIDENT
    where = np.flatnonzero(sure & (winner != votes.answer))
    person, answer = votes.person[where], votes.answer[where]
    expected = (alone[where] * consensus.confusion[person, :, answer]).sum(axis=1)
    cases = {}
    for vote in where[np.lexsort((where, expected))]:
        objid, p = votes.objids[votes.item[vote]], alone[vote]
        said = classes[votes.answer[vote]]
        user = votes.people[votes.person[vote]]
        cases.setdefault(objid, _case(objid, user, said, p, classes))
    return list(cases.values())


def _case(objid, user, answer, p, classes):
    second, best = p.argsort(kind="stable")[-2:].tolist()
    return Case(
        objid, user, answer, classes[best], float(p[best]), classes[second], float(p[second])
    )


def _overruled(consensus, together, classes):
    """List where the expert says another thing than two people or more, who seem sure."""
    best = together.argmax(axis=1)
    p = together.max(axis=1, initial=0)
    counted_votes = consensus.counts.sum(axis=1)
    other = (consensus.expert >= 0) & (best != consensus.expert) & (counted_votes > 1)
    where = (other & (p >= CONFIDENT)).nonzero()[0]
    return [
        _case(consensus.objids[i], "", classes[consensus.expert[i]], together[i], classes)
        for i in where[(-p[where]).argsort(kind="stable")]
    ]


def _uncertain(consensus, expert, answers, classes):
    """List the detections of largest entropy that have two answers or more, Unsure among them.

    Those that the expert has answered are left out: nobody else will know better.
    """
    cases, entropy = [], consensus.entropy
    for i in (-entropy).argsort(kind="stable"):
        if len(cases) == CASES or entropy[i] < _UNCERTAIN:
            break
        objid = consensus.objids[i]
        if answers[objid] > 1 and objid not in expert:
            cases.append(_case(objid, None, None, consensus.posterior[i], classes))
    return cases


def is_hasty(person):
    """Tell whether someone presses faster than one can look, too often for slips of the finger."""
    return person.timed >= _ENOUGH and person.hasty > _TOO_HASTY * person.timed


def remarks(findings):
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
            from cluster.agreement import interval

            early, late = (interval(half.right, half.compared) for half in person.halves)
            if late[1] < early[0]:
                told.append(
                    f"{person.user} was right on {percent(first.right, first.compared)} of gold at "
                    f"first and on {percent(second.right, second.compared)} later."
                )
    return told


def percent(part, whole):
    """Return a share as text: ``82 %``, or ``-`` where there is nothing to share."""
    return f"{100 * part / whole:.0f} %" if whole else "-"


def between(interval):
    """Return an interval of shares as text: ``69-90 %``."""
    return f"{100 * interval[0]:.0f}-{100 * interval[1]:.0f} %"


def number(value, digits=1):
    """Return a number as text, ``-`` for None and NaN."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def short(name):
    """Return the first word of a label's name, which tells them apart: ``DarkSpot…`` is Dark."""
    for place, letter in enumerate(name):
        if place and letter.isupper():
            return name[:place]
    return name


def report(folder, html=None):
    """Print how good labels and labelers are, and write it as a page too.

    Parameters
    ----------
    folder : str
        The hub's.
    html : str, optional
        The page's file, which is replaced and is for its owner's eyes only.
    """
    hub = Hub(folder)
    hub.owner_only("read the report, which tells the truth of gold chunks")
    findings = find(hub)
    print(_text(findings))
    if html is not None:
        from cluster import page

        disk.write_whole(html, page.page(findings), 0o600)
        print(f"\n{html} is written. Keep it from labelers: it tells the truth of gold chunks.")
    return 0


_WIDTH = 98  # columns of the text


def _text(findings):
    """Return the report as text."""
    parts = [_headline(findings)]
    if told := remarks(findings):
        lines = (
            textwrap.fill(one, _WIDTH, initial_indent="  ", subsequent_indent="    ")
            for one in told
        )
        parts.append("Worth a look\n" + "\n".join(lines))
    if findings.people:
        parts += [_people_text(findings.people), _halves_text(findings.people)]
    if any(person.matrix.any() for person in findings.people):
        parts.append(_matrices_text(findings))
    if findings.known:
        parts += [_classes_text(findings), _pairs_text(findings), *_cases_text(findings)]
    return "\n\n".join(parts)


def _headline(findings):
    given = sum(person.labels for person in findings.people)
    skipped = findings.presses[labels.SKIPPED]
    people = counted(len(findings.people), "person", "people")
    shown = f"; stamps could not be shown {counted(skipped, 'time')}" if skipped else ""
    return (
        f"Report of {findings.hub.folder}, {findings.time}\n"
        f"  {counted(given, 'label')} by {people}{shown}.\n"
        f"  {findings.known} of {counted(findings.detections, 'detection')} "
        f"{'has' if findings.known == 1 else 'have'} a consensus.\n"
        f"  The expert labelled {findings.answered} of {findings.gold} gold detections, and "
        f"{len(findings.expert)} in all."
    )


def _people_text(people):
    header = ("person", "labels", "on gold", "right", "95 %", "kappa", "others", "Unsure")
    lines = [(*header, "median s", f"<{HASTY} s")]
    for person in people:
        gold = person.compared
        lines.append(
            (
                _cut(person.user, 20),
                str(person.labels),
                f"{person.right}/{gold}" if gold else "-",
                percent(person.right, gold),
                between(person.interval) if gold else "-",
                number(person.kappa, 2),
                percent(person.agreed, person.shared),
                percent(person.unsure, person.labels),
                number(person.seconds),
                percent(person.hasty, person.timed),
            )
        )
    return (
        "People\n"
        f"{_indented(_aligned(lines))}\n"
        "  right: the expert's label, on gold chunks; kappa: beyond chance (1 all, 0 none)\n"
        "  others: what the others' votes on the same detections make most probable"
    )


def _halves_text(people):
    lines = [("person", "first half:", "right", "median s", "second half:", "right", "median s")]
    for person in people:
        cells = [_cut(person.user, 20)]
        for half in person.halves:
            gold = f"{half.right}/{half.compared}" if half.compared else "-"
            cells += [gold, percent(half.right, half.compared), number(half.seconds)]
        lines.append(tuple(cells))
    return f"At first and later\n{_indented(_aligned(lines))}"


def _matrices_text(findings):
    people = [person for person in findings.people if person.matrix.any()]
    blocks = [_matrix_text("all together", findings.team)]
    blocks += [_matrix_text(person.user, person.matrix) for person in people]
    rows = []
    for left in range(0, len(blocks), 2):
        pair = blocks[left : left + 2]
        height = max(map(len, pair))
        filled = [block + [""] * (height - len(block)) for block in pair]
        rows.append("\n".join("  ".join(x.ljust(48) for x in row).rstrip() for row in zip(*filled)))
    return "Answers (columns) to the expert's gold labels (rows)\n" + _indented("\n\n".join(rows))


def _matrix_text(title, matrix):
    from cluster.agreement import CLASSES

    lines = [
        _cut(title, 40),
        "        " + "".join(f"{short(name)[:4]:>5}" for name in (*CLASSES, "Unsure")),
    ]
    for name, row in zip(CLASSES, matrix):
        if row.any():
            cells = "".join(f"{count or '.':>5}" for count in row)
            lines.append(f"{short(name)[:8]:8}{cells}")
    return lines


def _classes_text(findings):
    from cluster.agreement import CLASSES

    presses = sum(findings.presses.values())
    lines = [("class", "presses", "of all", "detections, by the consensus")]
    for name in labels.BY_NAME:
        count = findings.presses[name]
        share = findings.shares[CLASSES.index(name)] if name in CLASSES else None
        cells = (str(count), percent(count, presses), "-" if share is None else percent(share, 1))
        lines.append((name, *cells))
    return "Classes\n" + _indented(_aligned(lines))


def _pairs_text(findings):
    apart = sum(share for share, _, _ in findings.pairs)
    if not findings.doubly:
        return "At odds\n  No detection has two answers yet."
    told = [
        f"Of two people who look at the same detection, {percent(apart, 1)} disagree "
        f"({counted(findings.doubly, 'detection')})"
    ]
    told += [f"  {100 * share:5.1f} %  {a} / {b}" for share, a, b in findings.pairs[:8]]
    return "At odds\n" + _indented("\n".join(told))


def _cases_text(findings):
    wide = max(map(len, findings.said), default=0)
    expert = [
        f"{case.objid:>{wide}}  expert {case.answer}, people {case.label} ({case.posterior:.2f})"
        for case in findings.overruled
    ]
    people = []
    for case in findings.dissent:
        comment = next(row.comment for user, row in findings.said[case.objid] if user == case.user)
        people.append(
            f"{case.objid:>{wide}}  {_cut(case.user, 20)} {case.answer}, others {case.label} "
            f"({case.posterior:.2f})" + (f'  "{comment}"' if comment else "")
        )
    unsure = [
        f"{case.objid:>{wide}}  {case.label} ({case.posterior:.2f}) or {case.other} "
        f"({case.rest:.2f}); said: {tally(findings.said[case.objid])}"
        for case in findings.uncertain
    ]
    for title, lines, total in (
        ("The expert against a confident consensus", expert, findings.overrulings),
        ("People against a confident consensus of the others", people, findings.dissents),
        ("Most uncertain", unsure, len(unsure)),
    ):
        if lines:
            more = f" ({len(lines)} of {total})" if total > len(lines) else ""
            lines = (_cut(line, _WIDTH - 2) for line in lines)
            yield f"{title}{more}\n" + _indented("\n".join(lines))


def tally(said, name=short):
    """Return how often each answer was given, as text: ``2 Good, 1 Unsure``."""
    counts = Counter(name(row.action) for _, row in said)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _cut(text, length):
    return text if len(text) <= length else text[: length - 3] + "..."


def _indented(text):
    return "\n".join(f"  {line}".rstrip() for line in text.split("\n"))
