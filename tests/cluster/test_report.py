"""The report: numbers worked out by hand, and a page that no comment can take over."""

import base64
import contextlib
import csv
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import ROOT
from hubs import copy_clone
from PIL import Image

import labelfile
import labels
import stamps
from cluster import consensus, copies, handout, page, receive, report
from cluster import findings as finding
from cluster import votes as voting
from cluster.add import run as add
from cluster.hub import Hub, HubError, account_name
from cluster.init import run as init

EXPERT = account_name(os.getuid())
HOSTILE = "</q></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;"
CLASSES = voting.CLASSES
K = len(CLASSES)


def settings(hub, **values):
    text = (hub / "hub.ini").read_text()
    for name, value in values.items():
        text = re.sub(rf"^{name} = .*", f"{name} = {value}", text, flags=re.M)
    (hub / "hub.ini").write_text(text)


def make_hub(folder, detections=8, gold=("chunk--00001--drop",), **values):
    """Make a hub of practice stamps, four in a chunk, with these chunks gold."""
    init(folder)
    settings(folder, chunk_size=4, gold_share=0, **values)
    objids = sorted(path.name[4:-4] for path in (ROOT / "data/practice").glob("srch*.gif"))
    source = folder.with_suffix(".tar.gz")
    with tarfile.open(source, "w:gz") as archive:
        for objid in objids[:detections]:
            for kind in stamps.KINDS:
                name = f"{kind}{objid}.gif"
                archive.add(ROOT / "data/practice" / name, name)
    add(folder, [str(source)], stamp="drop", seed=1)
    table = folder / "chunks.csv"
    rows = list(csv.reader(io.StringIO(table.read_text())))
    rows = [[*row[:4], "yes" if row[0] in gold else row[4], *row[5:]] for row in rows]
    table.write_text("".join(",".join(row) + "\n" for row in rows))
    return folder


def take(hub, user, **options):
    """Return the Object IDs of the chunk that a person is given."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert handout.run(hub, as_user=user, **options) == 0
    name = told.getvalue().split()[-3]
    folder = Hub(hub).folder / ("expert" if name.startswith("review") else "")
    with open(folder / "metadata" / f"{name}.csv", newline="") as file:
        return [row[0] for row in csv.reader(file)][1:]


def take_all(hub, user, chunks=2):
    """Let a person claim so many chunks; nothing tells them which is gold."""
    seen = []
    while len(seen) < chunks:
        take(hub, user, have=list(seen))
        seen = Hub(hub).claimed(user)[0]


def send(hub, user, answers, minute=0):
    """Upload what a person said: OBJID -> (ACTION, SECONDS, COMMENT), a second after the other."""
    told = io.StringIO()
    table = csv.writer(told, lineterminator="\n")
    table.writerow(labelfile.COLUMNS)
    for second, (objid, (action, seconds, comment)) in enumerate(answers.items()):
        time = f"2026-01-02T03:{minute:02}:{second:02}.000Z"
        table.writerow(labelfile.Row(objid, action, comment, time, "drop", seconds))
    data = told.getvalue().encode()
    name = f"{user}--2026-01-02_03-{minute:02}-00.csv"
    (hub / "incoming" / f".{name}.part").write_bytes(data)
    with contextlib.redirect_stdout(io.StringIO()) as answer:
        receive.run(hub, name, hashlib.sha256(data).hexdigest(), as_user=user)
    assert answer.getvalue().split("received ")[1].split()[2] == "0", "nothing was rejected"


def said(objids, actions, seconds=None, comment=""):
    seconds = seconds or ["1.00"] * len(actions)
    return {o: (a, s, comment) for o, a, s in zip(objids, actions.split(), seconds)}


@pytest.fixture
def campaign(tmp_path, capsys):
    """Four gold and four plain detections, three people and the expert; see `GOLD` and `PLAIN`."""
    hub = make_hub(tmp_path / "hub")
    gold, plain = (Hub(hub).objids(f"chunk--0000{n}--drop") for n in (1, 2))
    for user in ("alice", "bob", "carol"):
        take_all(hub, user)
    assert take(hub, None, expert=True) == gold
    send(hub, EXPERT, said(gold, "Good Good Marginal Unsure"))
    times = ["0.40", "1.00", "2.00", "3.00", "4.00", "5.00", "6.00", "0.45"]
    send(
        hub,
        "alice",
        {
            **said(gold, "Good Marginal Marginal Good", times),
            **said(plain, "Good BadSubtraction Marginal Good", times[4:], HOSTILE),
        },
    )
    send(
        hub,
        "bob",
        {
            **said(gold, "Unsure Good Skipped Good", ["0.00"] * 4),
            **said(plain, "Good Good Marginal Unsure", ["0.00"] * 4),
        },
    )
    send(hub, "carol", said(plain, "Good Good Marginal Skipped"))
    capsys.readouterr()
    return hub, gold, plain


def person(findings, user):
    return next(person for person in findings.people if person.user == user)


# ---- the numbers ----


def test_people_are_compared_with_gold_as_by_hand(campaign):
    hub, gold, _ = campaign
    findings = finding.find(Hub(hub))
    alice, bob, carol = (person(findings, user) for user in ("alice", "bob", "carol"))
    good, marginal, unsure = CLASSES.index("Good"), CLASSES.index("Marginal"), K
    expected = np.zeros((K, K + 1), int)
    expected[good, good] = expected[good, marginal] = expected[marginal, marginal] = 1
    assert (alice.matrix == expected).all(), "an expert's Unsure is no truth"
    assert (alice.right, alice.compared) == (2, 3)
    # p = 2/3, n = 3, z = 1.96: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    assert alice.interval == pytest.approx((0.20766, 0.93851), abs=1e-4)
    # agreed 2/3; by chance (2 x 1 + 1 x 2) / 9 = 4/9
    assert alice.kappa == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))
    expected[:] = 0
    expected[good, unsure] = expected[good, good] = 1
    assert (bob.matrix == expected).all(), "Unsure has a column of its own, Skipped none"
    assert (bob.right, bob.compared, bob.labels, bob.unsure, bob.skipped) == (1, 1, 7, 2, 1)
    assert (carol.compared, carol.interval) == (0, (0.0, 1.0))
    assert np.isnan(carol.kappa)
    assert (findings.team == alice.matrix + bob.matrix).all()
    assert (findings.gold, findings.answered, len(findings.expert)) == (4, 3, 4)
    assert [x.user for x in findings.people] == ["alice", "bob", "carol"]


def test_seconds_and_halves_are_as_by_hand(campaign):
    findings = finding.find(Hub(campaign[0]))
    alice, bob = person(findings, "alice"), person(findings, "bob")
    assert (alice.seconds, alice.hasty, alice.timed) == (2.5, 2, 8)
    assert alice.halves == (finding.Half(1.5, 2, 3), finding.Half(4.5, 0, 0))
    assert (bob.seconds, bob.hasty, bob.timed) == (None, 0, 0), "0 is not measured"


def test_halves_are_of_the_time_order_whatever_the_order_of_the_files(campaign):
    hub, gold, plain = campaign
    send(hub, "alice", said(gold[:1], "Marginal", ["9.00"]), minute=30)
    alice = person(finding.find(Hub(hub)), "alice")
    # the first answer of gold is now the last of all: 1 2 3 4 | 5 6 0.45 9
    assert alice.halves == (finding.Half(2.5, 1, 2), finding.Half(5.5, 0, 1))


def test_agreement_with_the_others_leaves_the_own_vote_out(campaign):
    findings = finding.find(Hub(campaign[0]))
    alice, carol = person(findings, "alice"), person(findings, "carol")
    # two gold detections with bob (one agreed), three plain ones with bob and carol (two agreed)
    assert (alice.agreed, alice.shared) == (3, 5)
    assert carol.shared == 3


def by_hand(votes, confusion, expert=()):
    """Make Votes of (item, person, answer), two classes, and a Consensus with these matrices."""
    item, people, answer = (np.array(column) for column in zip(*votes))
    items, persons = int(item.max()) + 1, len(confusion)
    objids, users = tuple(map(str, range(items))), tuple("abcdefgh"[:persons])
    counts = np.zeros((items, 2), int)
    np.add.at(counts, (item, answer), 1)
    fixed = np.full(items, -1)
    for place, label in expert:
        fixed[place] = label
    posterior = np.full((items, 2), 0.5)
    return voting.Votes(objids, users, item, people, answer), voting.Consensus(
        objids, users, posterior, np.array(confusion), np.array([0.5, 0.5]), counts, fixed
    )


GOOD_EYE, FAIR_EYE, GUESS = [[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.4, 0.6]], [[0.5, 0.5]] * 2


def test_the_posterior_of_the_votes_is_as_by_hand():
    votes, consensus = by_hand([(0, 0, 0), (0, 1, 1), (1, 0, 0)], [GOOD_EYE, FAIR_EYE])
    alone, together = finding._by_votes(votes, consensus)
    assert alone[0] == pytest.approx([0.4, 0.6])
    assert alone[1] == pytest.approx([9 / 11, 2 / 11])
    assert np.isnan(alone[2]).all(), "nobody else was there"
    assert together == pytest.approx(np.array([[0.75, 0.25], [9 / 11, 2 / 11]]))


def test_the_slip_of_a_good_labeler_comes_before_a_guesser(monkeypatch):
    monkeypatch.setattr(finding, "CONFIDENT", 0.9)
    sure = [[0.99, 0.01], [0.01, 0.99]]
    votes, consensus = by_hand(
        [(0, 0, 0), (0, 2, 1), (1, 0, 0), (1, 1, 1), (2, 0, 0), (2, 2, 0), (3, 1, 0), (3, 2, 1)],
        [sure, GOOD_EYE, GUESS],
    )
    alone, _ = finding._by_votes(votes, consensus)
    found = finding._dissent(votes, consensus, alone, ("Good", "Bad"))
    # a's word gives 0.99, b's no more than 9/11; a guess by c expected half of the time
    assert [(case.objid, case.user, case.answer, case.label) for case in found] == [
        ("1", "b", "Bad", "Good"),
        ("0", "c", "Bad", "Good"),
    ]
    assert found[0].posterior == pytest.approx(0.99)
    assert (found[0].other, found[0].rest) == ("Bad", pytest.approx(0.01))


def test_the_expert_is_held_against_the_votes_alone(monkeypatch):
    monkeypatch.setattr(finding, "CONFIDENT", 0.8)
    votes, consensus = by_hand(
        [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0), (2, 1, 1), (3, 0, 0)],
        [GOOD_EYE, FAIR_EYE],
        expert=[(0, 1), (1, 0), (2, 1), (3, 1)],
    )
    found = finding._overruled(consensus, finding._by_votes(votes, consensus)[1], ("Good", "Bad"))
    # .9 x .6 against .2 x .4; of 2 nobody is sure, and 3 is one person's word, though .9 to .2
    assert [(case.objid, case.user, case.answer, case.label) for case in found] == [
        ("0", "", "Bad", "Good")
    ]
    assert found[0].posterior == pytest.approx(0.54 / 0.62)


def test_pairs_weigh_every_detection_the_same(campaign):
    doubly, pairs = finding._pairs(np.array([[30, 10, 0], [1, 0, 1], [2, 0, 0], [0, 1, 0]]), "abc")
    assert doubly == 3
    # 300 of the 780 pairs of 40 people; 1 of 1; 0 of 1
    assert pairs == [
        (pytest.approx(1 / 3), "a", "c"),
        (pytest.approx(300 / 780 / 3), "a", "b"),
    ]
    findings = finding.find(Hub(campaign[0]))
    assert findings.doubly == 5
    assert findings.pairs == [
        (pytest.approx(1 / 5), "Marginal", "Good"),
        (pytest.approx(2 / 3 / 5), "BadSubtraction", "Good"),
    ]


def test_uncertain_are_those_with_two_answers_that_the_expert_left(campaign):
    hub, gold, plain = campaign
    found = finding.find(Hub(hub))
    # all agree on the first and third, and two on the second; Unsure is an answer, Skipped none
    assert [case.objid for case in found.uncertain] == [plain[3]]
    assert {user: row.action for user, row in found.said[plain[3]]} == {
        "alice": "Good",
        "bob": "Unsure",
        "carol": "Skipped",
    }
    send(hub, "bob", said(plain[3:], "Skipped"), minute=30)
    assert finding.find(Hub(hub)).uncertain == [], "alice's answer is the only one"
    send(hub, "bob", said(plain[3:], "Marginal"), minute=31)
    case = finding.find(Hub(hub)).uncertain[0]
    assert case.objid == plain[3]
    assert {case.label, case.other} == {"Good", "Marginal"}
    assert case.posterior >= case.rest > 0.01
    assert plain[3] in take(hub, None, expert=True)
    send(hub, EXPERT, said(plain[3:], "Unsure"), minute=32)
    left = [case.objid for case in finding.find(Hub(hub)).uncertain]
    assert plain[3] not in left, "the expert does not know better"


def test_no_more_than_some_uncertain_ones_are_shown(monkeypatch):
    rows = {
        (user, objid): labelfile.Row(objid, action)
        for user, action in (("ann", "Good"), ("bob", "Other"))
        for objid in "123"
    }
    found = consensus.weigh(voting.of_rows(rows), {})
    monkeypatch.setattr(finding, "CASES", 2)
    cases = finding._uncertain(found, {}, dict.fromkeys("123", 2))
    assert [case.objid for case in cases] == ["1", "2"]


def test_people_come_in_the_order_of_what_is_sure_of_them():
    truth = dict.fromkeys(map(str, range(16)), "Good")
    time = "2026-01-02T03:04:05.000Z"
    rows = {
        ("ann", objid): labelfile.Row(objid, "Other" if int(objid) % 2 else "Good", time=time)
        for objid in truth
    }
    rows |= {("bob", objid): labelfile.Row(objid, "Good", time=time) for objid in [*truth][:6]}
    votes = voting.of_rows(rows)
    people = finding._persons(rows, truth, votes, np.full((len(votes.item), K), np.nan))
    # 6 of 6 begin at 61 %, 8 of 16 at 28 %
    assert [(person.user, person.right) for person in people] == [("bob", 6), ("ann", 8)]


def test_labels_of_the_expert_in_a_review_score_nobody(campaign):
    hub, _, plain = campaign
    before = finding.find(Hub(hub))
    send(hub, EXPERT, said(take(hub, None, expert=True), "Other " * 4), minute=40)
    after = finding.find(Hub(hub))
    assert len(after.expert) > len(before.expert)
    for old, new in zip(before.people, after.people):
        assert (old.right, old.compared, old.shared) == (new.right, new.compared, new.shared)


def test_rates_count_presses_and_detections(campaign):
    findings = finding.find(Hub(campaign[0]))
    assert findings.presses == {
        **{"Good": 4 + 4 + 2, "Marginal": 3 + 1 + 1, "BadSubtraction": 1},
        **{"Unsure": 2, "Skipped": 2},
    }
    assert (findings.detections, findings.known) == (8, 8)
    assert findings.shares.sum() == pytest.approx(1)


# ---- remarks ----


def some_person(user="zed", **values):
    matrix = np.zeros((K, K + 1), int)
    half = finding.Half(1.0, 0, 0)
    given = {
        **{"user": user, "labels": 100, "unsure": 0, "skipped": 0, "matrix": matrix},
        **{"right": 0, "compared": 0, "interval": (0.0, 1.0), "kappa": 0.5, "agreed": 50},
        **{"shared": 100, "seconds": 2.0, "hasty": 0, "timed": 100, "halves": (half, half)},
        **values,
    }
    if given["compared"]:
        given["interval"] = finding.interval(given["right"], given["compared"])
    return finding.Person(**given)


def remarks_on(*people, gold=10, answered=10):
    return finding.remarks(
        finding.Findings(
            *(None, "", list(people), None, {}, 0, 0, None, 0, [], [], 0, [], 0, [], {}, {}),
            gold,
            answered,
        )
    )


def test_whoever_is_surely_worse_than_the_others_is_named():
    good = some_person("ann", right=45, compared=50)
    assert remarks_on(good, some_person(right=10, compared=20)) == [
        "zed is right on 50 % of gold (30-70 %), the others on 90 %."
    ]
    assert remarks_on(good, some_person(right=3, compared=4)) == [], "that may be chance"
    assert remarks_on(some_person(right=1, compared=20)) == [], "nobody to be worse than"
    good, fair = (
        some_person(name, right=n, compared=10000) for name, n in (("b", 9000), ("a", 8600))
    )
    assert remarks_on(good, fair) == [], "sure, but a hair"


def test_whoever_presses_without_looking_or_gets_worse_is_named():
    assert remarks_on(some_person(hasty=11)) == ["zed gave 11 % of the labels in less than 0.5 s."]
    assert remarks_on(some_person(hasty=10), some_person(hasty=9, timed=10)) == []
    halves = finding.Half(2.0, 20, 20), finding.Half(1.0, 8, 20)
    assert remarks_on(some_person(right=28, compared=40, halves=halves)) == [
        "zed was right on 100 % of gold at first and on 40 % later."
    ]


def test_who_agrees_too_often_and_what_is_thin_is_told():
    found = finding.Findings(
        *(None, "", [], None, {}, 0, 0, None, 0, [], [], 0, [], 0, [], {}, {}, 10, 10),
        copied=[copies.Copy("ann", "bob", 98, 100, 74.6)],
        thin=["Votes are few."],
    )
    assert finding.remarks(found) == [
        "Votes are few.",
        "ann and bob gave the same answer to 98 of 100 detections, where 75 are expected of such "
        "people: did one copy?",
    ]


def test_missing_gold_is_told():
    assert "There is no gold chunk" in remarks_on(gold=0, answered=0)[0]
    assert "has labelled no gold detection yet" in remarks_on(answered=0)[0]


# ---- text and page ----


class Reader(HTMLParser):
    """What a browser would make of a page: its tags, attributes and texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, *one) for one in attrs]

    def handle_data(self, data):
        self.texts.append(data)

    def images(self):
        return [value for tag, name, value in self.attributes if (tag, name) == ("img", "src")]


TAGS = set(
    re.findall(
        r"\w+",
        "html head meta title style body header h1 h2 h3 p div span b i u ul li q small br table "
        "thead tbody tr th td section details summary figure dl dt dd img footer",
    )
)


def written(hub, tmp_path, capsys):
    """Write the page; return it as text, and what the terminal shows."""
    file = tmp_path / "report.html"
    capsys.readouterr()
    assert report.run(hub, str(file)) == 0
    told = capsys.readouterr().out
    assert told.endswith(
        f"\n{file} is written. Keep it from labelers: it tells the truth of gold chunks.\n"
    )
    lines = told.splitlines()[1:-1]  # the first and the last name a folder
    assert max(map(len, lines)) <= 100
    assert not any(line != line.rstrip() for line in lines)
    return file.read_text(encoding="utf-8"), told


def check_page(text):
    """Check what every page must be like, and return its `Reader`."""
    assert text.startswith("<!DOCTYPE html>\n<html")
    assert text.count("Content-Security-Policy") == 1
    assert "default-src 'none'" in text
    found = Reader(text)
    assert found.tags <= TAGS
    for tag, name, value in found.attributes:
        assert not name.startswith("on")
        assert name not in ("href", "srcset", "action")
        if name == "src":
            assert tag == "img" and value.startswith("data:image/png;base64,")
    assert "url(" not in text and "@import" not in text and "://" not in text
    return found


def test_the_page_is_self_contained_and_shows_the_stamps_as_they_are(campaign, tmp_path, capsys):
    hub, _, plain = campaign
    text, told = written(hub, tmp_path, capsys)
    found = check_page(text)
    assert {"alice", "bob", "carol"} <= set(found.texts)
    pictures = []
    for url in found.images():
        data = base64.b64decode(url.partition(",")[2], validate=True)
        pictures.append(np.asarray(Image.open(io.BytesIO(data)).convert("L")))
    assert len(pictures) % 3 == 0 and pictures
    for kind in stamps.KINDS:
        with Image.open(ROOT / "data/practice" / f"{kind}{plain[1]}.gif") as picture:
            wanted = np.asarray(picture.convert("L"))
        assert any(np.array_equal(wanted, other) for other in pictures)
    for heading in ("People", "At first and later", "Answers (columns)", "Classes", "At odds"):
        assert re.search(rf"^{re.escape(heading)}", told, re.M)
    assert re.search(r"^  alice +8 +2/3 +67 % +21-94 % +0\.40 +60 % +0 % +2\.5 +25 %$", told, re.M)
    assert re.search(r"^  bob +7 +1/1 +100 % +21-100 % +- +\d+ % +29 % +- +-$", told, re.M)
    assert re.search(r"^     20\.0 %  Marginal / Good$", told, re.M)


def test_no_comment_or_name_becomes_markup(campaign, tmp_path, capsys):
    hub, _, plain = campaign
    name = '<img src=x onerror="alert(1)">'
    label = labelfile.Row(plain[1], "Good", HOSTILE, "2026-01-02T03:04:05.000Z", "drop", "1.00")
    table = io.StringIO()
    csv.writer(table).writerows([(*labelfile.COLUMNS, "USER"), (*label, name)])
    (hub / "verified" / f"{name}--2026-01-02_03-04-05.csv").write_text(table.getvalue())
    for path in (hub / "metadata").iterdir():  # whose columns come from whoever made the drop
        header, *lines = csv.reader(io.StringIO(path.read_text()))
        told = io.StringIO()
        csv.writer(told).writerows([[*header, HOSTILE], *([*line, HOSTILE] for line in lines)])
        path.write_text(told.getvalue())
    odd = hub.with_name("<script>alert(2)<")
    hub.rename(odd)
    text, _ = written(odd, tmp_path, capsys)
    found = check_page(text)
    assert HOSTILE in found.texts, "and it is shown as it was written"
    assert name in found.texts
    assert "<script" not in text and "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", text)
    assert "Labels and labelers of <script>alert(2)<" in found.texts
    nameless = odd.rename(odd.with_name("\udcff"))  # a byte that is no UTF-8
    assert b"labelers of ?" in page.render(finding.find(Hub(nameless)))


def test_what_the_page_shows_of_comments_and_opens_for_pictures_is_bounded(
    campaign, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(page, "_SAID", 0)
    monkeypatch.setattr(page, "_SLOTS", 0)
    found = check_page(written(campaign[0], tmp_path, capsys)[0])
    assert HOSTILE not in found.texts and "and 1 comment more" in found.texts
    assert not found.images() and "No picture" in found.texts


def test_the_comment_of_who_stands_alone_comes_first(campaign):
    hub, _, (objid, *_) = campaign
    said = [(user, labelfile.Row(objid, "Good", f"of {user}")) for user in ("alice", "bob")]
    findings = finding.find(Hub(hub))._replace(said={objid: said})
    case = finding.Case(objid, "bob", "Good", "Marginal", 0.97, "Good", 0.03)
    comments = [quote.text for quote in page._case(case, findings, {}).iter("q")]
    assert comments == ["of bob", "of alice"]


def test_the_page_is_its_owners_alone_whatever_was_there(campaign, tmp_path, capsys):
    file = tmp_path / "report.html"
    file.write_text("old")
    file.chmod(0o666)
    umask = os.umask(0)
    try:
        written(campaign[0], tmp_path, capsys)
    finally:
        os.umask(umask)
    assert file.stat().st_mode & 0o777 == 0o600


def test_only_the_owner_reads_the_report(campaign, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(HubError, match="truth of gold chunks") as raised:
        report.run(campaign[0], str(tmp_path / "report.html"))
    assert raised.value.status == 7
    assert not (tmp_path / "report.html").exists()


def test_without_numpy_what_needs_it_says_so_and_the_rest_works(campaign):
    """Such is the Python of many login nodes. `consensus` and `next --expert` had a traceback."""
    code = "import sys; sys.modules['numpy'] = None; from cluster import __main__ as program"
    code += "; sys.exit(program.main())"
    verbs = (["report"], ["consensus"], ["export"], ["next", "--expert"], ["status"], ["collect"])
    for verb, *options in verbs:
        command = [sys.executable, "-c", code, verb, str(campaign[0]), *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if verb in ("status", "collect"):
            assert (done.returncode, done.stderr) == (0, "")
        else:
            assert done.returncode == 1
            assert re.fullmatch(
                "numpy is needed and .* does not have it: .*HUB/hub.\n", done.stderr
            )


def test_without_numpy_one_is_told_what_can_be_asked_for():
    code = "import sys; sys.modules['numpy'] = None; from cluster import __main__ as program\n"
    code += "for verb in ('report', 'consensus', 'export'):\n    sys.argv[1:] = verb, '--help'\n"
    code += "    try: program.main()\n    except SystemExit as end: assert not end.code"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    for option in (
        "--html FILE",
        "--method {best,dawid-skene,look-alike,majority}",
        "--format {gif,fits}",
    ):
        assert option in done.stdout


def test_a_second_answer_that_is_no_class_is_treated_as_the_first(campaign, tmp_path):
    """Not by its name, but since it is no vote."""
    clone = copy_clone(tmp_path / "clone")
    for name in ("scaling.py", "look.py"):
        shutil.copy(ROOT / name, clone)
    text = (clone / "labels.py").read_text()
    entry = 'LABELS += (LABELS[0]._replace(name="CannotTell", title="Cannot Tell", vote=False),)'
    (clone / "labels.py").write_text(text.replace("\nBY_NAME =", f"\n{entry}\nBY_NAME ="))
    hub, gold, plain = campaign
    (path,) = (hub / "verified").glob("bob--*")
    path.write_text(path.read_text().replace(",Unsure,", ",CannotTell,"))
    code = "import sys; from cluster import export, report; hub, page = sys.argv[1:]\n"
    code += "report.run(hub, page); export.run(hub)"
    command = [sys.executable, "-c", code, hub, clone / "r.html"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^  person .* Unsure or Cannot Tell +median s", done.stdout, re.M)
    assert re.search(r"^  bob  .* 29 %  ", done.stdout, re.M), "two of seven"
    page = (clone / "r.html").read_text()
    assert "Unsure or Cannot Tell counts neither" in page and "of 2 Good: Unsure or" in page
    (readme,) = hub.glob("training/*/README.md")
    assert "Neither Unsure or Cannot Tell nor Skipped is a vote." in readme.read_text()


def test_the_report_tells_how_far_the_soft_labels_can_be_trusted(campaign, monkeypatch, capsys):
    """Of ten that are called 0.55 six are right, of forty that are called 0.95 thirty."""
    posterior = np.zeros((50, K))
    posterior[:, 1] = np.repeat([0.55, 0.95], [10, 40])
    posterior[:, 0] = 1 - posterior[:, 1]
    truth = np.repeat([1, 0, 1, 0], [6, 4, 30, 10])
    losses = {"look-alike": 0.5, "dawid-skene": 0.75, "tempered": 0.625}
    judged = voting.Trust("look-alike", 1.0, losses, posterior, truth)
    found = finding.find(Hub(campaign[0]))._replace(trust=judged)
    text = page.render(found).decode()
    monkeypatch.setattr("cluster.findings.find", lambda _: found)
    report.run(campaign[0])
    told = capsys.readouterr().out
    for line in (r"55 % +60 % +31-83 % +10", r"95 % +75 % +60-86 % +40"):
        assert re.search(rf"^ +{line}$", told, re.M), told
    reader = check_page(text)
    marks = [value for _, name, value in reader.attributes if name == "style" and "--team" in value]
    assert "--low:59.8%;--high:85.8%;--at:75.0%;--team:95.0%" in marks
    sentences = (
        "The soft labels are too sure: they call their most probable class right in 87 % of the "
        "hidden gold, and it is in 72 %.",
        "people seem to be fooled alike, and the model with look-alikes does best: log-loss 0.50, "
        "against 0.62 of Dawid and Skene's with a temperature and 0.75 of Dawid and Skene's model.",
    )
    for shown in (" ".join(told.split()), " ".join(" ".join(reader.texts).split())):
        assert all(sentence in shown for sentence in sentences), shown


def test_a_hub_without_labels_has_a_report(tmp_path, capsys):
    text, told = written(make_hub(tmp_path / "hub"), tmp_path, capsys)
    assert "0 labels by 0 people" in told
    found = check_page(text)
    assert "Nobody has sent labels yet." in found.texts
    assert not found.images()
    assert "NaN" not in text + told and "nan" not in told


@pytest.mark.parametrize("actions", ["Unsure Unsure Unsure Skipped", "Skipped " * 4])
def test_a_hub_without_a_single_vote_has_a_report(tmp_path, capsys, actions):
    hub = make_hub(tmp_path / "hub", detections=4)
    for user in ("ann", "bob"):
        send(hub, user, said(take(hub, user), actions))
    text, told = written(hub, tmp_path, capsys)
    check_page(text)
    assert "nan" not in told


def test_two_people_and_no_gold_have_no_empty_columns(tmp_path, capsys):
    hub = make_hub(tmp_path / "hub", gold=(), detections=4)
    for user, actions in (("ann", "Good Good Other Marginal"), ("bob", "Good Other Other Good")):
        send(hub, user, said(take(hub, user), actions))
    text, told = written(hub, tmp_path, capsys)
    found = check_page(text)
    assert "Right" not in found.texts and "Kappa" not in found.texts
    assert "What is taken for what?" not in found.texts
    assert "There is no gold chunk, so nobody's accuracy can be known (gold_share)." in found.texts
    assert "Answers (columns)" not in told


def test_forty_people_fit(tmp_path, capsys):
    hub = make_hub(tmp_path / "hub", detections=4)
    send(hub, EXPERT, said(take(hub, None, expert=True), "Good " * 4))
    users = [f"{'long.' * 4}name-{number:06}" for number in range(40)]
    for user in users:
        send(hub, user, said(take(hub, user), "Good Good Marginal Other"))
    text, told = written(hub, tmp_path, capsys)
    found = check_page(text)
    assert set(users) <= set(found.texts)
    assert not any(tag == "details" and name == "open" for tag, name, _ in found.attributes)
    assert told.count("2/4") >= 40


def test_a_picture_that_is_gone_or_damaged_costs_only_itself(campaign, tmp_path, capsys):
    hub, _, plain = campaign
    path = hub / "chunks" / "chunk--00002--drop.tar.gz"
    path.write_bytes(path.read_bytes()[:3000])
    found = check_page(written(hub, tmp_path, capsys)[0])
    assert any(text.startswith("No picture: ") for text in found.texts)
    path.unlink()
    (hub / "metadata" / "chunk--00002--drop.csv").unlink()
    found = check_page(written(hub, tmp_path, capsys)[0])
    assert "No picture" in found.texts


def test_every_label_has_a_colour_and_a_name_on_the_page():
    for name in (*labels.BY_NAME, labels.SKIPPED):
        element = page._label(name)
        assert element.text and "(" not in element.text
        assert f".{element.get('class').split()[1]} {{" in page.style()
