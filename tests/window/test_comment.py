"""Comments, typed in the terminal or in a dialog."""

import csv

import pytest
from conftest import hold, verified, wait_until
from onscreen import (
    SHADES,
    ask_for_comment,
    await_shades,
    button,
    code,
    codes,
    plain_triplets,
    shades,
)

from window import colours


def test_the_comment_of_other_is_typed_in_the_terminal(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    first = program.label("1")
    ask_for_comment(program)
    for key in "1234567":  # label keys do nothing meanwhile
        program.screen.key(key)
    program.terminal.sendline('a "red" point source, no host 🌟')
    wait_until(lambda: len(program.rows()) == 2)
    row = program.rows()[1]
    assert (row.action, row.comment) == ("Other", 'a "red" point source, no host 🌟')
    assert row.objid != first.objid
    assert program.close() == 0


@pytest.mark.parametrize("cancel", ["Escape", "BackSpace", "empty line"])
def test_a_comment_can_be_cancelled(start, hub, cancel):
    program = start("--hub", hub, "--user", "ann").open_window()
    objid = ask_for_comment(program)
    if cancel == "empty line":
        program.terminal.sendline("")
    else:
        program.screen.key(cancel)
        wait_until(lambda: "cancelled" in program.said())
    row = program.label("6")  # the same detection is still there
    assert (row.objid, row.action) == (objid, "Good")
    assert len(program.rows()) == 1


def test_what_was_typed_before_is_not_taken_for_the_comment(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.terminal.sendline("typed while looking around")
    wait_until(lambda: "typed while" in program.said())
    ask_for_comment(program)
    program.terminal.sendline("the comment")
    wait_until(program.rows)
    assert program.rows()[0].comment == "the comment"


def test_without_a_terminal_a_dialog_asks(start, hub):
    program = start("--hub", hub, "--user", "ann", terminal=False).open_window()

    def dialog():
        return program.screen.window("ArtifactSpy: comment")

    program.repeat(lambda: program.screen.key("8"), dialog)
    window = dialog()
    geometry = window.get_geometry()
    program.screen.point(geometry.x + geometry.width // 2, geometry.y + geometry.height - 4)

    def typed():
        for key in ("n", "o", "space", "h", "o", "s", "t", "Return"):
            program.screen.key(key)

    program.repeat(typed, program.rows)
    assert program.rows()[0].action == "Other"
    assert "no host" in program.rows()[0].comment


def test_a_comment_that_a_terminal_would_cut_is_refused(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    ask_for_comment(program)
    program.terminal.sendline("x" * 3000)
    wait_until(lambda: "at most 2000 characters and this one has 3000" in program.said())
    assert not program.rows()
    assert program.label("6").action == "Good"


def test_a_comment_of_few_characters_and_many_bytes_is_cut_by_the_terminal_and_refused(start, hub):
    """A terminal hands over 4095 bytes of a line; the 1100 stars of this one are 4400."""
    program = start("--hub", hub, "--user", "ann").open_window()
    ask_for_comment(program)
    program.terminal.sendline("🌟" * 1100)
    wait_until(lambda: "That line was longer than a terminal takes" in program.said())
    assert not program.rows()
    assert program.label("6").action == "Good"


@pytest.mark.parametrize("typed", ["   ", "\x1b[A"])
def test_a_comment_of_nothing_readable_is_no_comment(start, hub, typed):
    program = start("--hub", hub, "--user", "ann").open_window()
    ask_for_comment(program)
    program.terminal.sendline(typed.replace("[A", ""))
    row = program.label("6")
    assert row.action == "Good" and len(program.rows()) == 1


def test_earlier_comments_are_offered_by_number(start, hub, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.ini").write_text("[artifactspy]\ncomments = a ring\n")
    program = start("--hub", hub, "--user", "ann").open_window()
    typed = ["three", "two words", "3", "9", "1", ""]
    for number, text in enumerate(typed):
        before = len(program.said())
        objid = ask_for_comment(program)
        offer = program.said()[before:]
        if number == 0:
            assert "A number takes an earlier comment:\n  1  a ring\nComment" in offer
        if number == 3:
            assert (
                "  1  a ring\n  2  three\n  3  two words\nComment" in offer
            )  # each once, in their order
        count, said = len(program.rows()), len(program.said())
        program.terminal.sendline(text)
        if text == "9":
            wait_until(lambda n=said: "There is no comment 9: nothing" in program.said()[n:])
        elif text:
            wait_until(lambda n=count: len(program.rows()) == n + 1)
            assert program.rows()[-1].objid == objid
    comments = [row.comment for row in program.rows()]
    assert comments == ["three", "two words", "two words", "a ring"]


def dialog_for_comment(program):
    """Press 8 until the dialog is there, and take the pointer into it."""

    def dialog():
        return program.screen.window("ArtifactSpy: comment")

    program.repeat(lambda: program.screen.key("8"), dialog)
    window = wait_until(dialog)
    place = window.get_geometry()
    program.screen.point(place.x + place.width // 2, place.y + place.height - 4)
    box = lower_half(window)

    def cursor():
        return (codes(program.screen.grab(box)) == code(colours.INK)).sum() >= 20

    wait_until(cursor, what="the cursor, which says that it listens")
    return window


def lower_half(window):
    """Return the box of the part of a dialog where one types."""
    place = window.get_geometry()
    return place.x, place.y + place.height // 2, place.x + place.width, place.y + place.height


def test_a_pasted_comment_of_any_kind_leaves_the_label_file_valid(begin, reader):
    program = begin(plain_triplets(), terminal=False)
    window = dialog_for_comment(program)
    paste_and_return(program, reader, window, "x" * 100_000)
    red = code(colours.BAD_NEWS)
    complaint = lambda: (codes(program.screen.grab(lower_half(window))) == red).any()  # noqa: E731
    wait_until(complaint, what="the sentence that it is too long, in the dialog, which stays")
    assert not program.rows() and shades(program) == SHADES
    program.screen.key("Escape")
    gone(program, window)
    window = dialog_for_comment(program)
    paste_and_return(program, reader, window, 'a\x07\x1b[2Jb "q",\tc;\n\n=1+1,🌟 é\r\n')
    gone(program, window)
    wait_until(program.rows, what="the label")
    assert program.rows()[0].comment == 'a [2Jb "q", c; =1+1,🌟 é'
    await_shades(program, tuple(shade + 10 for shade in SHADES))
    dialog_for_comment(program)  # and what was given before is offered here, too
    program.screen.key("6")
    program.screen.key("Return")
    wait_until(lambda: len(program.rows()) == 2)
    (path,) = program.data.glob("labels/open/*.csv")
    with path.open(newline="", encoding="utf-8") as table:
        lines = list(csv.reader(table))
    assert [len(line) for line in lines] == [6, 6, 6] and len(path.read_bytes().split(b"\n")) == 4
    assert lines[1][2] == lines[2][2] == 'a [2Jb "q", c; =1+1,🌟 é'


def paste_and_return(program, reader, window, text):
    """Press Ctrl+V in the dialog, hand over the clipboard, and press Return when it is there."""
    reader.root.clipboard_clear()
    reader.root.clipboard_append(text)
    reader.root.update()  # from here on the clipboard is the reader's
    screen, box = program.screen, lower_half(window)
    before = codes(screen.grab(box))
    screen.key("Control_L", up=False)
    screen.key("v")
    screen.key("Control_L", down=False)

    def letters():
        reader.root.update()
        return (codes(screen.grab(box)) != before).sum() > 100  # more than a cursor that blinks

    wait_until(letters, 60, what="the pasted text")
    screen.key("Return")


def gone(program, window):
    """Wait for the end of a dialog, and take the pointer back into the window."""
    screen = program.screen
    wait_until(lambda: not screen.window("ArtifactSpy: comment"), what="the end of the dialog")
    screen.point(program.width // 2, program.height - 3)


def test_label_keys_do_nothing_while_the_dialog_asks(begin):
    program = begin(plain_triplets(), terminal=False)
    dialog_for_comment(program)
    program.screen.point(program.width // 2, 3)
    for key in "12345678":
        program.screen.key(key)
        program.screen.click(*button(program, "Good"))
    program.screen.point(program.width // 2, 3)
    program.screen.key("i")  # after all these this one is known to have come through
    await_shades(program, tuple(255 - shade for shade in SHADES))
    program.screen.key("Escape")
    wait_until(lambda: not program.screen.window("ArtifactSpy: comment"))
    assert not program.rows()
    assert program.label("6").objid == "1"


def test_the_window_can_be_closed_while_a_comment_is_typed(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label("1")
    ask_for_comment(program)
    program.terminal.send("half a comm")
    assert program.close() == 0
    assert verified(hub) == {row.objid: "BadSubtraction"}


def test_the_window_can_be_closed_while_a_dialog_asks_and_help_is_open(start, hub):
    asked, go = hold(hub)
    program = start("--hub", hub, "--user", "ann", terminal=False).open_window()
    row = program.label("1")
    program.screen.key("question")
    wait_until(lambda: program.screen.window("ArtifactSpy: help"))

    def dialog():
        return program.screen.window("ArtifactSpy: comment")

    program.repeat(lambda: program.screen.key("8"), dialog)
    place = dialog().get_geometry()
    program.screen.point(place.x + place.width // 2, place.y + place.height - 4)
    for key in "abc":
        program.screen.key(key)
    program.screen.close_window(program.window)
    wait_until(asked.exists)
    assert not dialog()  # nobody is asked for what could not be sent any more
    go.touch()
    assert program.end() == 0
    assert verified(hub) == {row.objid: "BadSubtraction"}
    assert (
        not (program.data / "artifactspy.log").exists()
        or "Traceback" not in (program.data / "artifactspy.log").read_text()
    )
