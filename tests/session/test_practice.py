"""Practice, from the first picture to the last row."""

import csv

import pytest
from conftest import ROOT, Desk, verified, wait_until
from onscreen import ask_for_comment, practise

from session import practice
from session.settings import SessionError, Settings
from session.sync import Sync
from session.verdict import Truth, Verdicts

TRUTH = practice.read_truth(ROOT / "data" / "practice" / "truth.csv")


def settings(tmp_path, fresh=0):
    data = tmp_path / "practice-session"
    return Settings(tmp_path, data, str(data / "hub"), "practice", "none", "", True, fresh)


@pytest.fixture
def practising(tmp_path):
    """Sit down to practise, without a window; its threads end with the test."""
    desks = []

    def sit(fresh=0):
        desk = Desk(tmp_path, "no hub", "practice", settings(tmp_path, fresh))
        desks.append(desk)
        return desk.open()

    yield sit
    for desk in desks:
        desk.sync.stop()
        desk.session._errands.shutdown()
        desk.session._reading.shutdown()


def label_right(desk):
    """Give the label that the detection has: a miss would come again."""
    objid = desk.session.page().detection.objid
    return desk.label(desk.session._verdicts.truth[objid].label)


def test_a_practice_session_from_the_first_picture_to_the_last_row(start):
    """20 labels by keyboard, two Backs, one Other with its comment typed in the terminal."""
    program = start("--practice").open_window("ArtifactSpy: practice")
    truth = {}
    with (ROOT / "data" / "practice" / "truth.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            truth[row["OBJID"]] = row["LABEL"], row["ALSO"]
    expected = {}
    for number in range(22):
        if number in (5, 11):
            program.page_turns(lambda: program.screen.key("BackSpace"))
        if number == 8:
            objid = ask_for_comment(program)
            program.terminal.sendline("a clean point source, no host")
            wait_until(lambda o=objid: program.rows()[-1].objid == o)
            row = program.rows()[-1]
            assert row.comment == "a clean point source, no host"
        else:
            row = practise(program, "1234567"[number % 7])
        expected[row.objid] = row.action
    assert len(expected) == 20 and set(expected) <= set(truth)
    assert program.close() == 0
    right = sum(action in truth[objid] for objid, action in expected.items())
    assert f"{right} of 20 right" in program.said()
    folder = program.data / "practice-session"
    assert verified(folder / "hub") == expected
    assert not list((folder / "labels" / "open").iterdir())
    assert not list((folder / "labels" / "waiting").iterdir())
    assert not list(program.data.glob("labels/*/*"))


def test_practice_begins_afresh_each_time(start):
    for _ in range(2):
        program = start("--practice").open_window("ArtifactSpy: practice")
        practise(program, "6")
        assert program.close() == 0
        hub = program.data / "practice-session" / "hub"
        assert len(verified(hub)) == 1


def test_practice_on_fresh_stamps(start):
    program = start("--practice", "7").open_window("ArtifactSpy: practice", seconds=60)
    objids = {practise(program, "6").objid for _ in range(7)}
    with (ROOT / "data" / "practice" / "truth.csv").open(newline="") as table:
        assert not objids & {row["OBJID"] for row in csv.DictReader(table)}
    assert program.close() == 0


def test_what_ships_comes_clear_ones_first_and_counts_through(practising):
    session = practising().session
    assert session.progress() == (0, 120) and session.page().detection.number == 1
    assert len({detection.chunk for detection in session._line.pages}) == 1
    assert {each.level for each in TRUTH.values()} == {"clear", "real"}


def test_the_harder_ones_follow_when_the_clear_ones_run_low(practising):
    desk = practising()
    session, clear = desk.session, {o for o, each in TRUTH.items() if each.level == "clear"}
    desk.pump(lambda: len(session._line.pages) == 60)
    seen = [label_right(desk) for _ in range(12)]
    desk.pump(lambda: len(session._line.pages) == 120)
    assert session.progress() == (12, 120)
    order = [detection.objid for detection in session._line.pages]
    assert order[:12] == seen and set(order[:60]) == clear and set(order) == set(TRUTH)
    assert [d.number for d in session._line.pages] == list(range(1, 121))
    assert session._verdicts.truth == TRUTH


def test_fresh_stamps_begin_with_ten_and_say_how_many_are_made(practising):
    told = []
    desk = practising(fresh=24)
    session = desk.session
    assert session.progress() == (0, 24)
    first = [detection.objid for detection in session._line.pages]
    assert len(first) <= 10  # nobody waited for the others
    for there in (10, 12, 24):
        desk.pump(
            lambda there=there: (
                told.append(session.supply.text) or len(session._line.pages) >= there
            )
        )
    made = {text for text in told if text.startswith("making ")}
    assert made & {f"making {number} of 24" for number in range(11, 25)}
    levels = [session._verdicts.truth[d.objid].level for d in session._line.pages]
    assert levels == ["clear"] * 12 + ["real"] * 12
    assert not {*session._verdicts.truth} & {*TRUTH}
    for done in range(1, 25):
        label_right(desk)
        assert session.progress() == (done, 24)


def test_a_portion_is_as_many_as_one_need_not_wait_for():
    assert practice.portions(1) == [("clear", 1)]
    assert practice.portions(24) == [("clear", 10), ("clear", 2), ("real", 12)]
    for count in (2, 99, 1000):
        found = practice.portions(count)
        assert sum(one.size for one in found) == count
        assert found[0].size <= practice.FIRST and max(one.size for one in found) <= practice.NEXT
        assert [one.level for one in found] == sorted(one.level for one in found)  # clear, real


def test_a_portion_that_failed_is_tried_again(tmp_path):
    chosen = settings(tmp_path, fresh=3)
    sync, failures = Sync(chosen), [(1, "the disk is full")]

    def run(command, timeout, heard=None):
        if failures and "add" in command:
            return failures.pop()
        return sync.run(command, timeout, heard=heard)

    subject, told = practice.Practice(chosen, run), []
    subject.begin()
    with pytest.raises(SessionError, match="could not be made ready: the disk is full"):
        subject.bring(told.append)
    assert len(subject.bring(told.append)) == 2 and told[-1] == "making 2 of 3"
    assert len(subject.bring(told.append)) == 1 and told[-1] == "making 3 of 3"
    assert subject.bring(told.append) == {}


def test_a_truth_of_before_is_read_and_at_the_border_both_are_right(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text("OBJID,LABEL,HINT,STAMP,X,Y,SNR\n1,Good,look,temp,25,30,9\n")
    assert practice.read_truth(path) == {"1": Truth("Good", "look", (1, 25, 30))}
    path.write_text("OBJID,LABEL,ALSO,LEVEL,HINT,STAMP,X,Y\n1,Good,Marginal,real,look,diff,1,2\n")
    verdicts = Verdicts()
    verdicts.truth = practice.read_truth(path)
    assert verdicts.truth["1"] == ("Good", "look", (2, 1, 2), "Marginal", "real")
    agrees = [verdicts.on("1", label).agrees for label in ("Good", "Marginal", "BadSubtraction")]
    assert agrees == [True, True, False]
