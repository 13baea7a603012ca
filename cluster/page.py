"""The report as one HTML page with pictures: no script, nothing from elsewhere, light and dark.

The page is built as a tree and written by the standard library, which escapes every text and
attribute: no comment or name can become markup. Its security policy lets a browser run nothing
and fetch nothing all the same. Its style is page.css, stamps are PNGs in the page itself. Needs
Pillow.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Union
from xml.etree import ElementTree

from PIL import Image

import labels
import scaling
import stamps
from cluster import trust
from cluster.findings import (
    CONFIDENT,
    HASTY,
    Case,
    Findings,
    Person,
    between,
    interval,
    is_hasty,
    number,
    percent,
    remarks,
    tally,
)
from cluster.hub import HubError
from cluster.terminal import counted
from cluster.votes import CLASSES, NO_CLASS, Ints

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_SIDE = 153  # pixels of a stamp in the page: three for each one of DES's
_SAID = 5  # comments shown with a detection
_OPEN = 8  # people whose matrices are shown without asking
_SLOTS = 48  # chunks that are opened for pictures, at the most; each may take seconds

_Element = ElementTree.Element
_Content = Union[str, _Element, None]
_Picture = Union[tuple[scaling.Stamp, ...], str]  # a triplet, or why it cannot be shown


def render(findings: Findings) -> bytes:
    """Return the page, whole."""
    name = findings.hub.folder.name
    body = _element(
        "body",
        _element(
            "header",
            _element("h1", f"Labels and labelers of {name}"),
            _element("p", f"{findings.time}, {findings.hub.folder}"),
            class_="head",
        ),
        *_overview(findings),
        *_people(findings),
        *_confusions(findings),
        *_reliability(findings),
        *_classes(findings),
        *_all_cases(findings),
        _footer(),
    )
    head = _element(
        "head",
        _element("meta", charset="utf-8"),
        _element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        _element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _element("title", f"ArtifactSpy: report of {name}, {findings.time}"),
        _element("style", "\n" + style()),
    )
    html = ElementTree.tostring(_element("html", head, body, lang="en"), "unicode", method="html")
    return f"<!DOCTYPE html>\n{html}\n".encode("utf-8", "replace")


def style() -> str:
    """Return the page's style sheet."""
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def _element(tag: str, *content: _Content, **attributes: object) -> _Element:
    """Return an element with this content: elements, and text, which stays text."""
    names = {name.rstrip("_").replace("_", "-"): str(text) for name, text in attributes.items()}
    element = ElementTree.Element(tag, names)
    last: _Element | None = None
    for part in content:
        if isinstance(part, str):
            if last is None:
                element.text = (element.text or "") + part
            else:
                last.tail = (last.tail or "") + part
        elif part is not None:
            element.append(part)
            last = part
    return element


def _overview(findings: Findings) -> Iterator[_Element]:
    people = findings.people
    given = sum(person.labels for person in people)
    right = sum(person.right for person in people)
    compared = sum(person.compared for person in people)
    apart = sum(pair.share for pair in findings.pairs)
    gold = f"{findings.answered:,} of {findings.gold:,}"
    tiles = [
        (f"{given:,}", "label" if given == 1 else "labels"),
        (str(len(people)), "person" if len(people) == 1 else "people"),
        (f"{findings.known:,}", f"of {findings.detections:,} detections have a consensus"),
    ]
    if findings.gold:
        tiles.append((gold, "gold detections labelled by the expert"))
    if compared:
        tiles.append((percent(right, compared), f"of {compared:,} answers on gold are right"))
    if findings.doubly:
        tiles.append((percent(apart, 1), "of pairs of answers disagree"))
    yield _element(
        "div",
        *(
            _element("div", _element("b", value), _element("span", what), class_="tile")
            for value, what in tiles
        ),
        class_="tiles",
    )
    if told := remarks(findings):
        yield _element("ul", *(_element("li", sentence) for sentence in told), class_="note")
    if not people:
        yield _element("p", "Nobody has sent labels yet.")


def _people(findings: Findings) -> Iterator[_Element]:
    people = findings.people
    if not people:
        return
    team = sum(person.right for person in people), sum(person.compared for person in people)
    text = (
        "Others: agreement with what the others' votes on the same detections make most probable. "
        "At first → later: the two halves of a person's labels."
    )
    if team[1]:
        text = (
            "Right: the same label as the expert's, on gold chunks, with its 95 % interval "
            "(dotted: all together); whose interval begins highest comes first. Kappa: how much of "
            f"that is beyond chance (1 all, 0 none). {text}"
        )
    yield _element("h2", "How good is each person?")
    yield _element("p", text, class_="dim")
    rows = [list(_person(person, team)) for person in people]
    head = (
        _element("th", cell.heading, class_="barhead" if cell.kind == "bar" else "")
        for cell in rows[0]
    )
    body = (
        _element(
            "tr",
            *(
                _element("td", *cell.content, class_=cell.kind, data_what=cell.heading)
                for cell in row
            ),
        )
        for row in rows
    )
    yield _element(
        "table",
        _element("thead", _element("tr", *head)),
        _element("tbody", *body),
        class_="wide people",
    )


class _Cell:
    """A cell of the table of people: its column's heading, its class, and what is in it."""

    def __init__(self, heading: str, kind: str, *content: _Content):
        self.heading, self.kind, self.content = heading, kind, content


def _person(person: Person, team: tuple[int, int]) -> Iterator[_Cell]:
    """Go through the cells of a person's row."""
    yield _Cell("Person", "name", person.user)
    if team[1]:  # without any gold these would be columns of nothing
        gold = bool(person.compared)
        kind = "" if gold else "empty"
        told = f"{person.right} of {person.compared}, {_between(person.interval)}" if gold else ""
        yield _Cell(
            "Right on gold, 0 to 100 %",
            "bar",
            _span(person.interval, person.right / person.compared, team[0] / team[1], told)
            if gold
            else _element("small", "not on gold yet"),
        )
        yield _Cell(
            "Right", kind, percent(person.right, person.compared), _small(told and f" {told}")
        )
        yield _Cell("Kappa", kind, number(person.kappa, 2))
    agreed = percent(person.agreed, person.shared)
    yield _Cell("Others", "", agreed, _small(f" of {person.shared}"))
    yield _Cell("Labels", "", f"{person.labels:,}")
    yield _Cell(NO_CLASS, "", percent(person.unsure, person.labels))
    yield _Cell("Median", "", _time(person.seconds))
    hasty = percent(person.hasty, person.timed)
    warning = _element("span", hasty, class_="warn") if is_hasty(person) else hasty
    yield _Cell(f"Under {HASTY} s", "", warning)
    yield _Cell("At first → later", "", *_halves(person))


def _between(ends: tuple[float, float]) -> str:
    return between(ends).replace("-", "\u2060\u2013\u2060").replace(" ", "\u00a0")


def _small(text: str) -> _Element | None:
    return _element("small", text) if text else None


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{number(seconds)} s"


def _halves(person: Person) -> Iterator[_Content]:
    first, second = person.halves
    if first.compared and second.compared:
        yield percent(first.right, first.compared)
        yield f" → {percent(second.right, second.compared)}"
        yield _element("br")
    yield _small(f"{_time(first.seconds)} → {_time(second.seconds)}")


def _span(ends: tuple[float, float], at: float, beside: float, told: str) -> _Element:
    """Draw a share with its interval, and a dotted line at another one."""
    places = {"low": ends[0], "high": ends[1], "at": at, "team": beside}
    return _element(
        "span",
        *(_element("u"), _element("i"), _element("b")),
        class_="span",
        style=";".join(f"--{name}:{100 * place:.1f}%" for name, place in places.items()),
        title=told,
    )


def _confusions(findings: Findings) -> Iterator[_Element]:
    people = [person for person in findings.people if person.matrix.any()]
    columns = []
    if people:
        text = (
            "Rows: the expert's label of gold detections; columns: everyone's answer. The deeper "
            f"the shade, the larger the share of the row. {NO_CLASS} counts neither as right nor "
            "as wrong."
        )
        matrix = _element("div", _matrix("All together", findings.team), class_="matrices")
        columns.append(_section("What is taken for what?", text, matrix))
    if findings.pairs:
        text = (
            "Of two people who look at the same detection, how many disagree, and in which way "
            f"({counted(findings.doubly, 'detection')} with two answers or more, each of equal "
            "weight)."
        )
        columns.append(_section("What are people at odds about?", text, _pairs(findings)))
    if columns:
        yield _element("div", *columns, class_="duo")
    if people:
        cards = (_matrix(person.user, person.matrix) for person in people)
        yield _element(
            "details",
            _element("summary", f"Each person's answers on gold ({len(people)})"),
            _element("div", *cards, class_="matrices"),
            **({"open": "open"} if len(people) <= _OPEN else {}),
        )


def _section(title: str, text: str, *content: _Content) -> _Element:
    return _element("section", _element("h2", title), _element("p", text, class_="dim"), *content)


def _pairs(findings: Findings) -> _Element:
    widest = findings.pairs[0].share
    rows = (
        _element(
            "tr",
            _element("td", _label(pair.one), " or ", _label(pair.other)),
            _element("td", _amount(pair.share / widest, "neutral"), class_="bar"),
            _element("td", f"{100 * pair.share:.1f} %"),
        )
        for pair in findings.pairs[:8]
    )
    return _element("table", *rows, class_="wide")


def _matrix(title: str, matrix: Ints) -> _Element:
    names = (*CLASSES, NO_CLASS)
    head = (_element("th", _brief(name), title=name, scope="col") for name in names)
    rows = [_element("tr", _element("td", class_="corner"), *head)]
    for row, name in enumerate(CLASSES):
        total = int(matrix[row].sum())
        if not total:
            continue
        cells = []
        for column, count in enumerate(matrix[row].tolist()):
            kind = "none" if column == len(CLASSES) else "hit" if column == row else "miss"
            cells.append(
                _element(
                    "td",
                    str(count) if count else "·",
                    class_=kind if count else "zero",
                    style=f"--share:{count / total:.3f}",
                    title=f"{count} of {total} {labels.title(name)}: {labels.title(names[column])}",
                )
            )
        rows.append(_element("tr", _element("th", _word(name), title=name, scope="row"), *cells))
    return _element("section", _element("h3", title), _element("table", *rows), class_="matrix")


def _brief(name: str) -> str:
    word = _word(name)
    return word if len(word) <= 6 else f"{word[:4]}."


def _reliability(findings: Findings) -> Iterator[_Element]:
    judged = findings.trust
    if judged is None:
        return
    yield _element("h2", "How far can the soft labels be trusted?")
    yield _element("p", f"{trust.reach(judged)} {trust.choice(judged)}")
    yield _element(
        "p",
        "For gold whose labels were hidden, by the probability of its most probable class: how "
        "many are right (the point, with its 95 % interval), and the probability itself (dotted). "
        "Where the dotted line is within the bar, the labels are as sure as they should be.",
        class_="dim",
    )
    columns = ("Stated", "Right, 0 to 100 %", "Right", "Detections")
    heads = (
        _element("th", text, class_="barhead" if place == 1 else "")
        for place, text in enumerate(columns)
    )
    rows = [_element("tr", *heads)]
    for one in trust.bins(judged):
        ends = interval(one.right, one.number)
        told = f"{one.right} of {one.number} right, {_between(ends)}"
        bar = _span(ends, one.right / one.number, one.stated, told)
        rows.append(
            _element(
                "tr",
                _element("td", f"{100 * one.stated:.0f} %"),
                _element("td", bar, class_="bar"),
                _element("td", percent(one.right, one.number), _small(f" {_between(ends)}")),
                _element("td", f"{one.number:,}"),
            )
        )
    yield _element("table", *rows, class_="wide trust")


def _classes(findings: Findings) -> Iterator[_Element]:
    presses = sum(findings.presses.values())
    if not presses:
        return
    yield _element("h2", "How common is each class?")
    yield _element(
        "p",
        "Above, the share of all presses; below, the share of detections by the consensus.",
        class_="dim",
    )
    columns = ("Class", "", "Presses", "of all", "Detections")
    heads = (_element("th", text, class_="count" if text == "Presses" else "") for text in columns)
    rows = [_element("tr", *heads)]
    shares = dict(zip(CLASSES, findings.shares.tolist()))
    widest = max([count / presses for count in findings.presses.values()] + [*shares.values()])
    for name, label in labels.BY_NAME.items():
        count, share = findings.presses[name], shares.get(name)
        bars = [_amount(count / presses / widest, "neutral")]
        if share is not None:
            bars.append(_amount(share / widest, label.kind))
        rows.append(
            _element(
                "tr",
                _element("td", _label(name), class_="name"),
                _element("td", *bars, class_="bar"),
                _element("td", f"{count:,}", class_="count"),
                _element("td", percent(count, presses)),
                _element("td", "-" if share is None else percent(share, 1)),
            )
        )
    yield _element("table", *rows, class_="wide classes")


def _amount(share: float, kind: str) -> _Element:
    return _element(
        "span", _element("i", class_=kind), class_="amount", style=f"--at:{100 * share:.1f}%"
    )


def _label(name: str) -> _Element:
    """Return what people call a label, in its colour."""
    kind = labels.BY_NAME[name].kind if name in labels.BY_NAME else "neutral"
    return _element("span", labels.title(name), class_=f"label {kind}", title=name)


def _word(name: str) -> str:
    return labels.title(name).partition(" ")[0]


def _all_cases(findings: Findings) -> Iterator[_Element]:
    sections = (
        (
            "The expert against the people",
            "Detections whose votes alone amount to another class than the expert's, with a "
            f"posterior of {CONFIDENT} or more.",
            findings.overruled,
            findings.overrulings,
        ),
        (
            "One person against the others",
            f"The others' votes have a posterior of {CONFIDENT} or more. The most surprising "
            "first: slips of good labelers, or a detection that one person alone understood.",
            findings.dissent,
            findings.dissents,
        ),
        (
            "The most uncertain",
            "The largest entropy among what has two answers or more and none of the expert's: "
            "./ArtifactSpy --expert gives these.",
            findings.uncertain,
            len(findings.uncertain),
        ),
    )
    pictures = _pictures(findings)
    for title, text, cases, total in sections:
        if cases:
            more = f" {len(cases)} of {total} are shown." if total > len(cases) else ""
            yield _element("h2", title)
            yield _element("p", text + more, class_="dim")
            figures = (_case(case, findings, pictures) for case in cases)
            yield _element("div", *figures, class_="cases")


def _case(case: Case, findings: Findings, pictures: dict[str, _Picture]) -> _Element:
    said = findings.said[case.objid]
    expert = findings.expert.get(case.objid)
    best = _element("dd", _label(case.label), f"\u00a0{case.posterior:.2f}")
    facts: list[tuple[str, _Element]]  # who, and what they say
    if case.user is None:
        facts = [
            (f"{case.posterior:.2f}", _element("dd", _label(case.label))),
            (f"{case.rest:.2f}", _element("dd", _label(case.other))),
        ]
    elif case.user:
        facts = [(case.user, _element("dd", _label(case.answer))), ("others", best)]
        if expert is not None:
            facts.append(("expert", _element("dd", _label(expert.action))))
    else:
        facts = [("expert", _element("dd", _label(case.answer))), ("people", best)]
    terms = (element for who, what in facts for element in (_element("dt", who), what))
    told = _element("p", _small(f"{case.objid} · {tally(said, _word)}"))
    comments = [("expert", expert)] if expert is not None and expert.comment else []
    # what the one who stands alone has to say comes first
    comments += sorted(
        ((user, row) for user, row in said if row.comment), key=lambda one: one[0] != case.user
    )
    items = [
        _element("li", f"{user}: ", _element("q", row.comment)) for user, row in comments[:_SAID]
    ]
    if len(comments) > _SAID:
        items.append(_element("li", f"and {counted(len(comments) - _SAID, 'comment')} more"))
    strip = _strip(case.objid, pictures.get(case.objid))
    rest = _element("ul", *items) if items else None
    return _element("figure", strip, _element("dl", *terms), told, rest, class_="case")


def _strip(objid: str, triplet: _Picture | None) -> _Element:
    if not isinstance(triplet, tuple):
        why = f": {triplet}" if triplet else ""
        return _element("div", _element("p", f"No picture{why}"), class_="strip")
    cells = (
        _element(
            "div",
            _element("span", name),
            _element("img", src=_png(stamp), alt=f"{name} of {objid}"),
        )
        for name, stamp in zip(stamps.TITLES, triplet)
    )
    return _element("div", *cells, class_="strip")


def _png(stamp: scaling.Stamp) -> str:
    """Return a stamp as a data: URL, each pixel as it is; the browser enlarges it."""
    side = min(_SIDE, max(stamp.gray.shape))
    file = io.BytesIO()
    with Image.open(io.BytesIO(scaling.picture(stamp, side)), formats=("PPM",)) as picture:
        picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _pictures(findings: Findings) -> dict[str, _Picture]:
    """Read the triplets that are shown: Object ID -> three stamps, or a text that says why not."""
    drops: dict[str, set[str]] = {}
    for objid, said in findings.said.items():
        rows = [row for _, row in said if row.action != labels.SKIPPED]
        rows = rows or [findings.expert[objid]]
        drops.setdefault(rows[0].metadata_stamp, set()).add(objid)
    pictures: dict[str, _Picture] = {}
    opened = 0
    for chunk in findings.hub.chunks():
        wanted = drops.get(stamps.metadata_stamp(chunk.name))
        if not wanted:
            continue
        try:
            here = wanted & set(findings.hub.objids(chunk.name))
        except (OSError, HubError):
            continue
        wanted -= here
        if here and opened < _SLOTS:
            opened += 1
            triplets = stamps.Chunk(findings.hub.archive(chunk.name))
            for objid in here:
                pictures[objid] = _triplet(triplets, objid)
    return pictures


def _triplet(triplets: stamps.Chunk, objid: str) -> _Picture:
    if objid not in triplets.objids:
        return triplets.incomplete.get(objid) or triplets.damage or "it is not in its chunk"
    try:
        return scaling.triplet(objid, triplets.encoded(objid))
    except stamps.StampError as error:
        return str(error)


def _footer() -> _Element:
    return _element(
        "footer",
        _element(
            "p",
            "Consensus: Dawid and Skene's model of 1979, with look-alikes or a temperature where "
            "hidden gold asks for it, the expert's labels fixed. Accuracy comes from gold chunks "
            "alone, a random sample; intervals are Wilson's, 95 %. Skipped stamps are no labels, "
            "and where no time was measured, none counts. This "
            "page tells the truth of gold chunks: keep it from labelers.",
        ),
    )
