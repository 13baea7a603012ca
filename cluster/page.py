"""The report as one HTML page with pictures: no script, nothing from elsewhere, light and dark.

The page is built as a tree and written by the standard library, which escapes every text and
attribute: no comment or name can become markup. Its security policy lets a browser run nothing
and fetch nothing all the same. Stamps are PNGs in the page itself. Needs Pillow.
"""

import base64
import io
from xml.etree import ElementTree

import labels
import scaling
import stamps
from cluster.agreement import CLASSES
from cluster.hub import HubError, counted
from cluster.report import (
    CONFIDENT,
    HASTY,
    between,
    is_hasty,
    number,
    percent,
    remarks,
    tally,
)

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_SIDE = 153  # pixels of a stamp in the page: three for each one of DES's
_SAID = 5  # comments shown with a detection
_OPEN = 8  # people whose matrices are shown without asking
_SLOTS = 48  # chunks that are opened for pictures, at the most; each may take seconds

_STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f6f6f3; --card: #ffffff; --ink: #1d1f23; --dim: #5d636d; --line: #dcdcd6;
  --track: #e9e9e4; --hit: 31 122 69; --miss: 189 69 57; --grey: 120 125 134;
  --artifact: #a3352b; --real: #1f7a45; --neutral: #555b65; --mark: #8a5a00; --note: #fff6df;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #1d1f23; --card: #26282d; --ink: #ececea; --dim: #a4a9b1; --line: #3a3e46;
    --track: #34383f; --hit: 72 178 116; --miss: 224 106 92; --grey: 150 156 166;
    --artifact: #ff9d8f; --real: #7fd6a0; --neutral: #b9bec7; --mark: #ffd866; --note: #343225;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 84rem; padding: 2rem 1.5rem 4rem; background: var(--ground);
  color: var(--ink); font: 0.9375rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; font-weight: 650; }
h2 { font-size: 1.15rem; margin: 3rem 0 0.25rem; font-weight: 650; }
h3 { font-size: 0.9375rem; margin: 0 0 0.5rem; font-weight: 600; overflow-wrap: anywhere; }
p { margin: 0 0 0.75rem; max-width: 46rem; }
.dim, .head p { color: var(--dim); }
.head p { margin: 0.25rem 0 0; overflow-wrap: anywhere; }
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 0.75rem;
  margin: 1.5rem 0;
}
.tile, .case, .matrix {
  background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 0.75rem 1rem;
}
.tile b { display: block; font-size: 1.5rem; line-height: 1.25; font-weight: 600; }
.tile span { color: var(--dim); font-size: 0.8125rem; }
.note {
  background: var(--note); border-left: 4px solid var(--mark); border-radius: 4px;
  margin: 0 0 1rem; padding: 0.75rem 1rem 0.75rem 2rem; overflow-wrap: anywhere;
}
.note li { margin: 0.1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { width: 100%; }
.wide th {
  font-size: 0.8125rem; font-weight: 500; color: var(--dim); text-align: right;
  vertical-align: bottom; padding: 0.4rem 0.6rem; border-bottom: 1px solid var(--line);
}
.wide td {
  padding: 0.4rem 0.6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap;
}
.wide th:first-child, .wide td:first-child { text-align: left; padding-left: 0; }
.wide .name { font-weight: 600; white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
.wide .bar, .wide .barhead { text-align: left; width: 34%; }
.classes { max-width: 52rem; }
.wide.classes .name { overflow-wrap: normal; }
.duo { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); }
.duo { gap: 0 3rem; }
.duo section { max-width: 52rem; }
.duo td:first-child { white-space: normal; }
.duo .bar { width: 40%; }
small { color: var(--dim); font-size: 0.8125rem; }
.warn { color: var(--mark); font-weight: 650; }
.span {
  position: relative; display: block; height: 1rem; min-width: 7rem; border-radius: 3px;
  background: repeating-linear-gradient(90deg, transparent 0 calc(25% - 1px),
    var(--line) calc(25% - 1px) 25%) var(--track);
}
.span i {
  position: absolute; top: 6px; height: 4px; left: var(--low); min-width: 2px;
  width: calc(var(--high) - var(--low)); border-radius: 2px; background: rgb(var(--grey));
}
.span u {
  position: absolute; top: 0; height: 100%; left: var(--team); border-left: 2px dotted var(--dim);
}
.span b {
  position: absolute; top: 3px; left: calc(var(--at) - 5px); width: 10px; height: 10px;
  border-radius: 50%; background: var(--ink);
}
.amount { display: block; height: 0.75rem; border-radius: 3px; background: var(--track); }
.amount i {
  display: block; height: 100%; width: var(--at); border-radius: 3px; background: rgb(var(--grey));
}
.amount + .amount { margin-top: 3px; }
.artifact { color: var(--artifact); }
.real { color: var(--real); }
.neutral { color: var(--neutral); }
.label { font-weight: 600; }
.amount .artifact { background: var(--artifact); } .amount .real { background: var(--real); }
.amount .neutral { background: var(--neutral); }
.matrices { display: flex; flex-wrap: wrap; gap: 0.75rem; margin: 0.75rem 0; }
.matrix { overflow-x: auto; max-width: 100%; }
.matrix td, .matrix th { font-size: 0.75rem; font-weight: 400; text-align: center; padding: 0; }
.matrix th { color: var(--dim); }
.matrix th[scope=col] { font-size: 0.6875rem; }
.matrix th[scope=row] { text-align: right; padding-right: 0.5rem; }
.matrix td {
  width: 2.5rem; min-width: 2.1rem; height: 1.9rem; border: 1px solid var(--card);
  border-radius: 4px;
}
.matrix .hit { background: rgb(var(--hit) / calc(var(--share) * 0.6)); }
.matrix .miss { background: rgb(var(--miss) / calc(var(--share) * 0.75)); }
.matrix .none { background: rgb(var(--grey) / calc(var(--share) * 0.5)); }
.matrix .zero { color: var(--dim); opacity: 0.45; }
summary { cursor: pointer; padding: 0.35rem 0; color: var(--dim); }
.cases {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr));
  gap: 0.75rem; margin: 0.75rem 0; align-items: start;
}
.case { margin: 0; overflow-wrap: anywhere; }
.strip { display: grid; grid-template-columns: repeat(3, 1fr); gap: 4px; margin: 0 0 0.5rem; }
.strip span { font-size: 0.6875rem; color: var(--dim); line-height: 1.6; }
.strip img {
  display: block; width: 100%; image-rendering: pixelated; border-radius: 2px; background: #121316;
}
.strip p { grid-column: 1 / -1; margin: 0; padding: 1rem 0; color: var(--dim); }
.case dl {
  display: grid; grid-template-columns: minmax(3rem, max-content) 1fr; gap: 0 0.6rem; margin: 0;
}
.case .label { font-size: 0.875rem; }
.case dt { color: var(--dim); max-width: 8rem; }
.case dd { margin: 0; }
.case > p { margin: 0.25rem 0 0; }
.case ul { margin: 0.4rem 0 0; padding: 0; list-style: none; font-size: 0.8125rem; }
.case q { font-style: italic; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem; }
footer p { max-width: 60rem; font-size: 0.8125rem; color: var(--dim); }
@media (max-width: 56rem) {
  body { padding: 1.25rem 1rem 3rem; }
  .people thead { position: absolute; clip-path: inset(50%); height: 1px; overflow: hidden; }
  .people, .people tbody { display: block; }
  .people tr {
    display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr));
    gap: 0.35rem 0.75rem; padding: 0.75rem 0; border-bottom: 1px solid var(--line);
  }
  .people td, .people td:first-child { display: block; padding: 0; border: 0; text-align: left; }
  .people td::before {
    content: attr(data-what); display: block; font-size: 0.75rem; color: var(--dim);
  }
  .people .name, .people .bar { grid-column: 1 / -1; width: auto; }
  .people .name::before, .people .bar::before { content: none; }
  .people .empty { display: none !important; }
  .people td { white-space: normal; }
}
@media (max-width: 32rem) {
  .wide { display: block; overflow-x: auto; }
  .people { overflow: visible; }
  .wide td:first-child { white-space: normal; }
  .classes .count { display: none; }
  .matrix { padding: 0.75rem 0.5rem; }
  .matrix td { width: 1.9rem; min-width: 1.6rem; }
  .matrix th[scope=col] { writing-mode: vertical-rl; transform: rotate(180deg); padding: 0.3rem 0; }
}
@media print { body { max-width: none; } .case, .matrix, tr { break-inside: avoid; } }
"""


def page(findings):
    """Return the page's bytes.

    Parameters
    ----------
    findings : Findings
    """
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
        _element("style", _STYLE),
    )
    html = ElementTree.tostring(_element("html", head, body, lang="en"), "unicode", method="html")
    return f"<!DOCTYPE html>\n{html}\n".encode("utf-8", "replace")


def _element(tag, *content, **attributes):
    """Return an element with this content: elements, and text, which stays text."""
    names = {name.rstrip("_").replace("_", "-"): str(text) for name, text in attributes.items()}
    element = ElementTree.Element(tag, names)
    last = None
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


def _overview(findings):
    people = findings.people
    given = sum(person.labels for person in people)
    right = sum(person.right for person in people)
    compared = sum(person.compared for person in people)
    apart = sum(share for share, _, _ in findings.pairs)
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


def _people(findings):
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
        _element("th", what, class_="barhead" if kind == "bar" else "") for what, kind, _ in rows[0]
    )
    body = (
        _element(
            "tr",
            *(_element("td", *content, class_=kind, data_what=what) for what, kind, content in row),
        )
        for row in rows
    )
    yield _element(
        "table",
        _element("thead", _element("tr", *head)),
        _element("tbody", *body),
        class_="wide people",
    )


def _person(person, team):
    """Go through the cells of a person's row: heading, class and content."""
    yield "Person", "name", (person.user,)
    if team[1]:  # without any gold these would be columns of nothing
        gold = bool(person.compared)
        bar = _span(person, team) if gold else _element("small", "not on gold yet")
        yield "Right on gold, 0 to 100 %", "bar", (bar,)
        told = f" {person.right} of {person.compared}, {_between(person)}" if gold else ""
        right = percent(person.right, person.compared), _small(told)
        yield "Right", "" if gold else "empty", right
        yield "Kappa", "" if gold else "empty", (number(person.kappa, 2),)
    yield "Others", "", (percent(person.agreed, person.shared), _small(f" of {person.shared}"))
    yield "Labels", "", (f"{person.labels:,}",)
    yield "Unsure", "", (percent(person.unsure, person.labels),)
    yield "Median", "", (_time(person.seconds),)
    hasty = percent(person.hasty, person.timed)
    warning = _element("span", hasty, class_="warn") if is_hasty(person) else hasty
    yield f"Under {HASTY} s", "", (warning,)
    yield "At first → later", "", tuple(_halves(person))


def _between(person):
    return between(person.interval).replace("-", "\u2060\u2013\u2060").replace(" ", "\u00a0")


def _small(text):
    return _element("small", text) if text else None


def _time(seconds):
    return "-" if seconds is None else f"{number(seconds)} s"


def _halves(person):
    first, second = person.halves
    if first.compared and second.compared:
        yield percent(first.right, first.compared)
        yield f" → {percent(second.right, second.compared)}"
        yield _element("br")
    yield _small(f"{_time(first.seconds)} → {_time(second.seconds)}")


def _span(person, team):
    low, high = (f"{100 * end:.1f}%" for end in person.interval)
    at = f"{100 * person.right / person.compared:.1f}%"
    return _element(
        "span",
        _element("u"),
        _element("i"),
        _element("b"),
        class_="span",
        style=f"--low:{low};--high:{high};--at:{at};--team:{100 * team[0] / team[1]:.1f}%",
        title=f"{person.right} of {person.compared} right, {_between(person)}",
    )


def _confusions(findings):
    people = [person for person in findings.people if person.matrix.any()]
    columns = []
    if people:
        text = (
            "Rows: the expert's label of gold detections; columns: everyone's answer. The deeper "
            "the shade, the larger the share of the row. Unsure counts neither as right nor as "
            "wrong."
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


def _section(title, text, *content):
    return _element("section", _element("h2", title), _element("p", text, class_="dim"), *content)


def _pairs(findings):
    widest = findings.pairs[0][0]
    rows = (
        _element(
            "tr",
            _element("td", _label(a), " or ", _label(b)),
            _element("td", _amount(share / widest, "neutral"), class_="bar"),
            _element("td", f"{100 * share:.1f} %"),
        )
        for share, a, b in findings.pairs[:8]
    )
    return _element("table", *rows, class_="wide")


def _matrix(title, matrix):
    names = (*CLASSES, "Unsure")
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
                    title=f"{count} of {total} {_text(name)}: {_text(names[column])}",
                )
            )
        rows.append(_element("tr", _element("th", _word(name), title=name, scope="row"), *cells))
    return _element("section", _element("h3", title), _element("table", *rows), class_="matrix")


def _brief(name):
    word = _word(name)
    return word if len(word) <= 6 else f"{word[:4]}."


def _classes(findings):
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


def _amount(share, kind):
    return _element(
        "span", _element("i", class_=kind), class_="amount", style=f"--at:{100 * share:.1f}%"
    )


def _label(name):
    """Return a label as its button shows it, in its colour."""
    kind = labels.BY_NAME[name].kind if name in labels.BY_NAME else "neutral"
    return _element("span", _text(name), class_=f"label {kind}", title=name)


def _text(name):
    # what a button adds in parentheses is for those who press it
    return labels.BY_NAME[name].text.partition(" (")[0] if name in labels.BY_NAME else name


def _word(name):
    return _text(name).partition(" ")[0]


def _all_cases(findings):
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


def _case(case, findings, pictures):
    said = findings.said[case.objid]
    expert = findings.expert.get(case.objid)
    best = _label(case.label), f"\u00a0{case.posterior:.2f}"
    if case.user is None:
        facts = [
            (f"{case.posterior:.2f}", (_label(case.label),)),
            (f"{case.rest:.2f}", (_label(case.other),)),
        ]
    elif case.user:
        facts = [(case.user, (_label(case.answer),)), ("others", best)]
        if expert is not None:
            facts.append(("expert", (_label(expert.action),)))
    else:
        facts = [("expert", (_label(case.answer),)), ("people", best)]
    terms = (
        element for who, what in facts for element in (_element("dt", who), _element("dd", *what))
    )
    lines = [_element("dl", *terms)]
    lines.append(_element("p", _small(f"{case.objid} · {tally(said, _word)}")))
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
    lines.append(_element("ul", *items) if items else None)
    return _element("figure", _strip(case.objid, pictures.get(case.objid)), *lines, class_="case")


def _strip(objid, triplet):
    if not isinstance(triplet, tuple):
        why = f": {triplet}" if triplet else ""
        return _element("div", _element("p", f"No picture{why}"), class_="strip")
    names = ("Search", "Template", "Difference")
    cells = (
        _element(
            "div",
            _element("span", name),
            _element("img", src=_png(stamp), alt=f"{name} of {objid}"),
        )
        for name, stamp in zip(names, triplet)
    )
    return _element("div", *cells, class_="strip")


def _png(stamp):
    """Return a stamp as a data: URL, each pixel as it is; the browser enlarges it."""
    from PIL import Image

    side = min(_SIDE, max(stamp.gray.shape))
    file = io.BytesIO()
    with Image.open(io.BytesIO(scaling.picture(stamp, side)), formats=("PPM",)) as picture:
        picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _pictures(findings):
    """Read the triplets that are shown: Object ID -> three stamps, or a text that says why not."""
    drops = {}
    for objid, said in findings.said.items():
        rows = [row for _, row in said] or [findings.expert[objid]]
        drops.setdefault(rows[0].metadata_stamp, set()).add(objid)
    pictures, opened = {}, 0
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
            triplets = stamps.Chunk(findings.hub.folder / "chunks" / f"{chunk.name}.tar.gz")
            for objid in here:
                pictures[objid] = _triplet(triplets, objid)
    return pictures


def _triplet(triplets, objid):
    if objid not in triplets.objids:
        return triplets.incomplete.get(objid) or triplets.damage or "it is not in its chunk"
    try:
        return scaling.triplet(objid, triplets.encoded(objid))
    except stamps.StampError as error:
        return str(error)


def _footer():
    return _element(
        "footer",
        _element(
            "p",
            "Consensus: Dawid and Skene's model of 1979, the expert's labels fixed. Accuracy "
            "comes from gold chunks alone, a random sample; intervals are Wilson's, 95 %. "
            "Skipped stamps are no labels, and where no time was measured, none counts. This "
            "page tells the truth of gold chunks: keep it from labelers.",
        ),
    )
