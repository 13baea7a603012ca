"""Who starts without a name is asked: practise, or label for the survey."""

import pytest
from conftest import verified, wait_until
from onscreen import code, codes, pass_time, practise

from session.settings import stored
from window import colours


def greeted(start, reader, **how):
    program = start(**how).open_window(picture=False)
    reader.waits(program, "Welcome to ArtifactSpy", bold=True)
    return program


def write(program, text):
    for letter in text:
        program.screen.key({"-": "minus"}.get(letter, letter))
        pass_time(0.03)


@pytest.mark.parametrize("key", ["Return", "p"])
def test_one_key_practises(start, reader, key):
    program = greeted(start, reader)
    assert not (program.data / "practice-session").exists()
    program.screen.key(key)
    program.open_window("ArtifactSpy: practice")
    wait_until(lambda: "Practice: these stamps are simulated" in program.said())
    practise(program, "6")
    assert program.close() == 0 and "user" not in stored(program.data / "settings.ini")


def test_who_labels_types_the_account_which_is_checked_as_user_is(start, tmp_path, reader):
    data = tmp_path / "data"
    data.mkdir()
    (data / "settings.ini").write_text("[artifactspy]\nhub = nas.invalid:/hub\nrealm = none\n")
    program = greeted(start, reader)
    program.screen.key("l")
    reader.waits(program, "Your account there, then Enter (the terminal may ask for its password):")
    write(program, "a--p")  # which is no name; nor does p practise while one types
    program.screen.key("Return")
    wait_until(lambda: count(program, colours.BAD_NEWS) > 100, what="why it is none")
    assert not (data / "practice-session").exists()
    for _ in range(4):
        program.screen.key("BackSpace")
        pass_time(0.03)
    write(program, "eve")
    program.screen.key("Return")
    wait_until(lambda: "Labelling as eve for nas.invalid:/hub." in program.said())
    program.open_window(picture=False)
    program.close()
    assert "is not remembered: --user eve" in program.said()  # before the hub has answered


def count(program, colour):
    whole = (0, 0, program.width, program.height)
    return int((codes(program.screen.grab(whole)) == code(colour)).sum())


def test_escape_goes_back_to_the_question(start, reader):
    program = greeted(start, reader)
    program.screen.key("l")
    reader.waits(program, "Your account there, then Enter (the terminal may ask for its password):")
    program.screen.key("Escape")
    pass_time(0.1)
    program.screen.key("p")
    program.open_window("ArtifactSpy: practice")
    assert program.close() == 0


def test_closing_leaves_nothing(start, reader):
    program = greeted(start, reader)
    assert program.close() == 0 and not program.data.exists()


def test_ctrl_c_ends_it(start, reader):
    program = greeted(start, reader)
    program.terminal.sendintr()
    assert program.end() == 0 and "Traceback" not in program.said()


def test_nobody_is_asked_who_is_known_or_says_what_to_do(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label("6")
    assert program.close() == 0 and verified(hub) == {row.objid: "Good"}
    program = start().open_window()
    assert program.label("6").objid != row.objid
    assert program.close() == 0
