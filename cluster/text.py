"""The report as text for a terminal: the same as the page (see `page`), without pictures.

Needs numpy.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import labels
from cluster import trust
from cluster.findings import (
    HASTY,
    Findings,
    Person,
    between,
    number,
    percent,
    reliability,
    remarks,
    short,
    tally,
)
from cluster.terminal import aligned, counted
from cluster.votes import CLASSES, NO_CLASS, Ints, Trust

_WIDTH = 98  # columns of the text


def render(findings: Findings) -> str:
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
    if findings.trust is not None:
        parts.append(_trust_text(findings.trust))
    if findings.known:
        parts += [_classes_text(findings), _pairs_text(findings), *_cases_text(findings)]
    return "\n\n".join(parts)


def _headline(findings: Findings) -> str:
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


def _people_text(people: list[Person]) -> str:
    header = ("person", "labels", "on gold", "right", "95 %", "kappa", "others", NO_CLASS)
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
        f"{_indented(aligned(lines))}\n"
        "  right: the expert's label, on gold chunks; kappa: beyond chance (1 all, 0 none)\n"
        "  others: what the others' votes on the same detections make most probable"
    )


def _halves_text(people: list[Person]) -> str:
    lines = [["person", "first half:", "right", "median s", "second half:", "right", "median s"]]
    for person in people:
        cells = [_cut(person.user, 20)]
        for half in person.halves:
            gold = f"{half.right}/{half.compared}" if half.compared else "-"
            cells += [gold, percent(half.right, half.compared), number(half.seconds)]
        lines.append(cells)
    return f"At first and later\n{_indented(aligned(lines))}"


def _matrices_text(findings: Findings) -> str:
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


def _matrix_text(title: str, matrix: Ints) -> list[str]:
    lines = [
        _cut(title, 40),
        "        " + "".join(f"{short(name)[:4]:>5}" for name in (*CLASSES, NO_CLASS)),
    ]
    for name, row in zip(CLASSES, matrix):
        if row.any():
            cells = "".join(f"{count or '.':>5}" for count in row)
            lines.append(f"{short(name)[:8]:8}{cells}")
    return lines


def _trust_text(judged: Trust) -> str:
    lines = [("stated", "right", "95 %", "detections"), *reliability(judged)]
    told = (trust.reach(judged), trust.choice(judged))
    sentences = (textwrap.fill(one, _WIDTH, subsequent_indent="  ") for one in told)
    return (
        "How far the soft labels can be trusted\n"
        f"{_indented(chr(10).join(sentences))}\n{_indented(aligned(lines, ()))}"
    )


def _classes_text(findings: Findings) -> str:
    presses = sum(findings.presses.values())
    lines = [("class", "presses", "of all", "detections, by the consensus")]
    for name in labels.BY_NAME:
        count = findings.presses[name]
        share = findings.shares[CLASSES.index(name)] if name in CLASSES else None
        cells = (str(count), percent(count, presses), "-" if share is None else percent(share, 1))
        lines.append((name, *cells))
    return "Classes\n" + _indented(aligned(lines))


def _pairs_text(findings: Findings) -> str:
    apart = sum(pair.share for pair in findings.pairs)
    if not findings.doubly:
        return "At odds\n  No detection has two answers yet."
    told = [
        f"Of two people who look at the same detection, {percent(apart, 1)} disagree "
        f"({counted(findings.doubly, 'detection')})"
    ]
    told += [
        f"  {100 * pair.share:5.1f} %  {pair.one} / {pair.other}" for pair in findings.pairs[:8]
    ]
    return "At odds\n" + _indented("\n".join(told))


def _cases_text(findings: Findings) -> Iterator[str]:
    wide = max(map(len, findings.said), default=0)
    expert = [
        f"{case.objid:>{wide}}  expert {case.answer}, people {case.label} ({case.posterior:.2f})"
        for case in findings.overruled
    ]
    people = []
    for case in findings.dissent:
        comment = next(row.comment for user, row in findings.said[case.objid] if user == case.user)
        people.append(
            f"{case.objid:>{wide}}  {_cut(case.user or '', 20)} {case.answer}, others {case.label} "
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
            yield f"{title}{more}\n" + _indented(
                "\n".join(_cut(line, _WIDTH - 2) for line in lines)
            )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.split("\n"))
