"""One session in the window: pages, what cannot be shown, the expert, a card, closing."""

import csv
import os
import pwd
import re
import subprocess
import time

import numpy as np
import pytest
from conftest import ROOT, cluster, gif, hold, tarball, triplets, verified, wait_until
from onscreen import SHADES, await_shades, marked, pass_time, plain_triplets, practise, tap
from PIL import Image

import labels
import stamps
from window import colours
from window.window import GUARD


def test_back_shows_the_earlier_detection_and_a_new_label_replaces_the_old(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    first, second = program.label("1"), program.label("2")
    program.page_turns(lambda: program.screen.key("BackSpace"))
    program.page_turns(lambda: program.screen.key("Left"))
    again = program.label("6")
    assert again.objid == first.objid
    assert program.label("7").objid == second.objid  # a label goes one page on
    third = program.label("5")
    assert third.objid not in (first.objid, second.objid)
    assert program.close() == 0
    assert verified(hub) == {
        first.objid: "Good",
        second.objid: "Unsure",
        third.objid: "Marginal",
    }


def test_forward_goes_as_far_as_pages_were_seen(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    for key in "123":
        program.label(key)
    newest = program.stamps_on_screen()
    for _ in range(3):
        program.page_turns(lambda: program.screen.key("BackSpace"))
    for _ in range(3):
        program.page_turns(lambda: program.screen.key("Right"))
    program.screen.key("Right")
    # a page that was left long ago has to be read anew, and is blank until then
    wait_until(lambda: program.stamps_on_screen() == newest, what="the newest page")
    for _ in range(2):
        program.page_turns(lambda: program.screen.key("BackSpace"))
    program.screen.key("End")
    wait_until(lambda: program.stamps_on_screen() == newest, what="the newest page")
    assert program.label("4").objid not in [row.objid for row in program.rows()[:3]]


def test_forward_never_reaches_a_page_that_was_not_seen(begin):
    program = begin(plain_triplets())
    second = tuple(shade + 10 for shade in SHADES)
    for key in ("End", "Return", "Right"):
        tap(program, key)
    assert program.label("6").objid == "1"
    await_shades(program, second)
    for key in ("End", "Return", "Right"):
        tap(program, key)
    tap(program, "i")  # after these this one is known to have come through
    await_shades(program, tuple(255 - shade for shade in second))
    assert program.label("6").objid == "2"


def test_the_time_on_screen_adds_up_over_all_showings(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    first = program.label("1")
    program.page_turns(lambda: program.screen.key("BackSpace"))
    again = program.label("2")
    assert again.objid == first.objid
    assert float(again.seconds) >= float(first.seconds) + 0.15


def test_earlier_sessions_are_not_shown_again_but_back_reaches_them(start, hub, tmp_path):
    program = start("--hub", hub, "--user", "ann").open_window()
    done = [program.label(key) for key in "16"]
    assert program.close() == 0
    program = start("--hub", hub, "--user", "ann").open_window()
    third = program.label("5")
    assert third.objid not in [row.objid for row in done]
    program.page_turns(lambda: program.screen.key("BackSpace"))
    program.page_turns(lambda: program.screen.key("BackSpace"))
    assert program.label("7").objid == done[1].objid
    assert program.close() == 0


def test_the_expert_settles_what_somebody_was_unsure_of(start, hub, tmp_path):
    table = hub / "chunks.csv"
    table.write_text(table.read_text().replace(",yes,", ",,"))  # no gold, which would come first
    labeler = start("--hub", hub, "--user", "ann", home=tmp_path / "ann").open_window()
    unsure = {labeler.label("7").objid for _ in range(2)}
    labeler.label("6")
    assert labeler.close() == 0
    owner = pwd.getpwuid(os.getuid()).pw_name
    words = "--hub", hub, "--user", owner, "--expert"
    expert = start(*words, home=tmp_path / "expert")
    expert.open_window("ArtifactSpy: expert")
    (votes,) = expert.data.glob("chunks/review--*.csv")
    for objid in unsure:
        assert f"{objid},ann,Unsure,\n" in votes.read_text()
    given = {expert.label("1").objid for _ in range(2)}
    assert given == unsure  # they come first; then what one vote alone speaks for
    other = expert.label("6").objid
    assert expert.close() == 0
    (rows,) = (hub / "expert" / "verified").iterdir()
    assert {line.split(",")[0] for line in rows.read_text().splitlines()[1:]} == {*unsure, other}
    assert not list(expert.data.glob("chunks/*")), "what is done and acknowledged goes, votes too"


def test_a_detection_without_readable_stamps_is_skipped_and_the_hub_told(start, tmp_path):
    members = triplets(range(1, 7))
    members["batch/temp3.gif"] = gif("temp3")[:500]
    members["batch/diff5.gif"] = b"no picture"
    # taken over from before, as `add` would hand these two out to nobody
    source = tarball(tmp_path / "batch--00001--first.tar.gz", members)
    hub = tmp_path / "hub"
    cluster("init", hub)
    cluster("import", hub, source)
    program = start("--hub", hub, "--user", "ann").open_window()
    for _ in range(4):
        program.repeat(lambda: program.screen.key("6"), GoodRows(program))
    assert program.close() == 0
    rows = verified(hub)
    assert {objid for objid, action in rows.items() if action == "Skipped"} == {"3", "5"}
    assert sum(action == "Good" for action in rows.values()) == 4
    assert "3 is passed over, the stamps cannot be shown: temp3.gif: " in program.said()


class GoodRows:
    """Tells when one more detection has been labelled Good; rows of skipped ones may come too."""

    def __init__(self, program):
        self.program, self.before = program, self.count(program)

    def count(self, program):
        return sum(row.action == "Good" for row in program.rows())

    def __call__(self):
        return self.count(self.program) > self.before


@pytest.mark.parametrize(
    "spoil, sentence",
    [
        (lambda data: data[: len(data) // 2], "it ends too early"),
        (lambda data: b"", "it is no tar.gz, or a damaged one"),
        (lambda data: b"<html>", "it is no tar.gz, or a damaged one"),
    ],
    ids=["truncated", "empty", "no tarball"],
)
def test_the_session_goes_on_without_a_damaged_chunk(start, hub, tmp_path, spoil, sentence):
    chunks = tmp_path / "data" / "chunks"
    chunks.mkdir(parents=True)
    path = tarball(chunks / "a--bad.tar.gz", triplets(range(1, 7)))
    path.write_bytes(spoil(path.read_bytes()))
    program = start("--hub", hub, "--user", "ann").open_window()
    wait_until(lambda: sentence in program.said())
    wanted = {str(number) for number in range(101, 113)}
    program.repeat(
        lambda: program.screen.key("6"),
        lambda: wanted <= {row.objid for row in program.rows()},
        seconds=40,
    )
    assert program.close() == 0
    assert set(verified(hub)) >= {str(n) for n in range(101, 113)}
    assert all(action == "Good" for action in verified(hub).values())


def test_p_saves_a_picture_card_and_says_where(begin, tmp_path):
    program = begin(plain_triplets())
    program.screen.key("p")
    found = wait_until(lambda: re.search(r"Picture: (.*\.png)", program.said()))
    path = tmp_path / "data" / "pictures" / found[1].rpartition("/")[2]
    assert found[1] == str(path) and re.fullmatch(r"1--[0-9_-]{19}.*\.png", path.name)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        line = np.asarray(picture.convert("L"))[picture.height // 2 - 20]
    ground = line[0]
    runs = [int(v) for i, v in enumerate(line) if v != ground and v != line[i - 1]]
    assert runs == list(SHADES)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file where the folder should be")
    program.screen.key("p")
    wait_until(lambda: f"No picture: {path.parent} says" in program.said())
    assert program.label("6").objid == "1"


def test_the_window_closes_though_a_label_file_cannot_be_read(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label("6")
    waiting = program.data / "labels" / "waiting"
    waiting.mkdir(exist_ok=True)
    file = waiting / "ann--2026-11-22_00-00-00.csv"
    file.symlink_to("/proc/self/mem")  # a plain file, of which every reading fails
    assert program.close() == 1
    file.unlink()
    assert row in program.rows()


def test_closing_again_goes_at_once_but_a_double_click_does_not(start, hub):
    asked, go = hold(hub)
    program = start("--hub", hub, "--user", "ann").open_window()
    program.label("6")
    for _ in range(2):
        program.screen.close_window(program.window)
    wait_until(asked.exists)
    pass_time(1.1)
    assert program.screen.window("ArtifactSpy")
    assert program.close() == 1
    assert len(list((program.data / "labels" / "waiting").iterdir())) == 1
    go.touch()
    program = start("--hub", hub, "--user", "ann").open_window()
    wait_until(lambda: len(verified(hub)) == 1)
    assert program.close() == 0


def test_the_window_can_be_closed_while_a_chunk_is_fetched(start, hub, tmp_path):
    data = tmp_path / "data"
    given = {
        "ARTIFACTSPY_HUB": str(hub),
        "ARTIFACTSPY_USER": "ann",
        "ARTIFACTSPY_REALM": "none",
        "ARTIFACTSPY_DATA": str(data),
    }
    (data / "chunks").mkdir(parents=True)
    subprocess.run([ROOT / "sync.sh", "fetch"], env={**os.environ, **given}, check=True)
    asked, go = hold(hub, "next")
    program = start("--hub", hub, "--user", "ann").open_window()
    wait_until(asked.exists)
    row = program.label("6")
    start_of_end = time.monotonic()
    assert program.close() == 0
    assert time.monotonic() - start_of_end < 8  # nobody waits for the hub, which never answered
    assert not go.exists() and verified(hub) == {row.objid: "Good"}
    assert [path.suffix for path in (data / "chunks").iterdir()] == [".gz"]


def test_a_miss_of_practice_stays_until_the_next_press_which_labels_nothing(start, reader):
    program = start("--practice").open_window("ArtifactSpy: practice")
    with (ROOT / "data" / "practice" / "truth.csv").open(newline="") as table:
        truth = {row["OBJID"]: row for row in csv.DictReader(table)}
    keys = {label.name: label.key for label in labels.LABELS}
    picture, count = program.difference(), 0
    while True:  # a right answer goes on at once
        program.repeat(lambda: program.screen.key("6"), lambda n=count: len(program.rows()) > n)
        count += 1
        row = program.rows()[-1]
        if truth[row.objid]["LABEL"] != "Good":
            break
        wait_until(lambda p=picture: program.difference() != p, what="the next picture")
        picture = program.difference()
    was = labels.title(truth[row.objid]["LABEL"])
    reader.waits(program, f"✗ You said Good; it was {was}.", colours.BAD_NEWS)
    kind = stamps.KINDS.index(truth[row.objid]["STAMP"])
    assert marked(program, kind) and reader.sees(program, row.objid, bold=True)
    pass_time(GUARD)
    tap(program, keys[truth[row.objid]["LABEL"]])  # as somebody does who did not look
    wait_until(lambda: not any(marked(program, i) for i in range(3)), what="no ring")
    wait_until(lambda: program.difference() != picture, what="the next picture")
    assert len(program.rows()) == count and not reader.sees(program, row.objid, bold=True)
    assert practise(program, "7").objid != row.objid


def test_ctrl_z_is_back(begin):
    program = begin(plain_triplets())
    program.label("6")
    await_shades(program, tuple(shade + 10 for shade in SHADES))
    program.screen.press_place(52, "Control_L")  # z
    await_shades(program, SHADES)
    assert program.label("5").objid == "1"
