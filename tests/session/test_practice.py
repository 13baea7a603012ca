"""Practice, from the first picture to the last row."""

import csv

from conftest import ROOT, verified, wait_until
from onscreen import ask_for_comment, practise


def test_a_practice_session_from_the_first_picture_to_the_last_row(start):
    """20 labels by keyboard, two Backs, one Other with its comment typed in the terminal."""
    program = start("--practice").open_window("ArtifactSpy: practice")
    truth = {}
    with (ROOT / "data" / "practice" / "truth.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            truth[row["OBJID"]] = row["LABEL"]
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
    right = sum(truth[objid] == action for objid, action in expected.items())
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
