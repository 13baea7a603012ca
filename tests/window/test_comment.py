"""Comments, typed in the terminal or at the window."""

import csv
import itertools
import os
import signal

import pytest
from conftest import hold, put, verified, wait_until
from onscreen import (
    SHADES,
    ask_for_comment,
    await_shades,
    button,
    cell,
    code,
    codes,
    fit_of,
    middle,
    pass_time,
    plain_triplets,
    shades,
    swapped,
)

import labels
from session.settings import stored
from window import colours, layout
from window.comment import Comment
from window.fonts import Fonts
from window.keys import TOOLS

NAMES = {" ": "space", "?": "question", "+": "plus", ",": "comma", ".": "period"}
LONG = "a trail of a satellite that crosses the galaxy in which the transient may be"


def tool(program, action):
    """Return the middle of a tool's button."""
    actions = [key.action for key in TOOLS]
    box = fit_of(program).tools[actions.index(action)]
    return box.x + box.width / 2, box.y + box.height / 2


def press(program, *names):
    """Press one key after the other, as fast as they come."""
    for name in names:
        program.screen.key(name)


def with_control(program, *names):
    program.screen.key("Control_L", up=False)
    press(program, *names)
    program.screen.key("Control_L", down=False)


def write(program, text):
    """Write a text in place of what is typed at the window."""
    with_control(program, "a")
    press(program, *(NAMES.get(letter, letter) for letter in text))


def asks(program, objid="1"):
    """Press 8 until the window asks for a comment."""
    frame = prompt(program)
    mark = code(colours.MARK)

    def asked():
        return (codes(program.screen.grab(frame)) == mark).sum() > 100

    program.repeat(lambda: program.screen.key("8"), asked)


def prompt(program):
    """Return the box in which the window asks."""
    box = fit_of(program).prompt
    return box.x, box.y, box.x + box.width, box.y + box.height


def asks_no_longer(program):
    mark, box = code(colours.MARK), prompt(program)
    wait_until(lambda: (codes(program.screen.grab(box)) != mark).all(), what="the end of the line")


def test_the_comment_of_other_is_typed_in_the_terminal(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    first = program.label("1")
    ask_for_comment(program)
    press(program, *"1234567")  # they are half a comment in the window, and label nothing
    program.terminal.sendline('a "red" point source, no host 🌟')
    wait_until(lambda: len(program.rows()) == 2)
    row = program.rows()[1]
    assert (row.action, row.comment) == ("Other", 'a "red" point source, no host 🌟')
    assert row.objid != first.objid
    asks_no_longer(program)
    assert program.label("6").action == "Good"
    assert program.close() == 0


@pytest.mark.parametrize("cancel", ["Escape", "Back", "empty line", "Return"])
def test_a_comment_can_be_cancelled(start, hub, cancel):
    program = start("--hub", hub, "--user", "ann").open_window()
    objid = ask_for_comment(program)
    if cancel == "empty line":
        program.terminal.sendline("")
    elif cancel == "Back":
        program.screen.click(*tool(program, "back"))
    else:
        write(program, "half" if cancel == "Escape" else " ")
        program.screen.key(cancel)
    if cancel != "empty line":
        wait_until(lambda: "cancelled" in program.said())
    asks_no_longer(program)
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


def test_without_a_terminal_the_window_asks(begin, reader):
    program = begin(plain_triplets(), terminal=False)
    asks(program)
    reader.waits(program, "Comment for 1", colours.MARK, bold=True)
    reader.waits(program, "Enter keeps it, Escape cancels", colours.DIM)
    write(program, "no host")
    press(program, "Return")
    wait_until(program.rows)
    assert (program.rows()[0].action, program.rows()[0].comment) == ("Other", "no host")


def test_what_is_typed_at_the_window_is_a_comment_and_no_command(start, hub, reader):
    """It copied the Object ID and changed the scaling."""
    reader.root.clipboard_clear()
    reader.root.clipboard_append("mine")
    reader.root.update()
    program = start("--hub", hub, "--user", "ann").open_window()
    objid = ask_for_comment(program)
    program.terminal.send("half a line")
    write(program, "cluster 12 b0mpi?+,.B")
    press(program, "KP_Enter")
    wait_until(program.rows)
    wait_until(lambda: "\nGiven in the window: cluster 12 b0mpi?+,.B\n" in program.said())
    (row,) = program.rows()
    assert (row.objid, row.action, row.comment) == (objid, "Other", "cluster 12 b0mpi?+,.B")
    assert reader.root.clipboard_get() == "mine"
    program.label("6")  # and the keys label again
    assert program.close() == 0
    settings = stored(program.data / "settings.ini")
    assert settings["scaling"] == "asinh" and settings["marks"] == ""
    assert settings["inverted"] == "False" and not list(program.data.glob("pictures/*"))


def test_the_keys_that_edit_a_text_edit_the_comment(begin):
    program = begin(plain_triplets())
    program.label("1")
    ask_for_comment(program)
    write(program, "bc")
    press(program, "Home", "a", "End", "d", "BackSpace", "e", "Left", "Delete", "Right", "f")
    with_control(program, "a", "c")
    press(program, "End", "Tab", "minus")
    with_control(program, "v", "a", "x", "v")
    press(program, "equal")
    with_control(program, "a", "v")  # in place of what is chosen
    press(program, "Return")
    wait_until(lambda: len(program.rows()) == 2)
    assert program.rows()[1].comment == "abcf-abcf"


def test_the_key_that_asks_does_not_type_itself_as_long_as_it_is_held(begin):
    program = begin(plain_triplets())
    pass_time(0.3)
    program.screen.key("8", up=False)
    for _ in range(15):  # 25 times a second
        pass_time(0.04)
        program.screen.repeat("8")
    program.screen.key("8", down=False)
    pass_time(0.05)
    press(program, "8", "x", "Return")
    wait_until(program.rows)
    assert program.rows()[0].comment == "8x"


def test_b_that_is_held_when_it_asks_blinks_until_it_is_up_and_is_not_typed(begin):
    program = begin(plain_triplets())
    program.screen.key("b", up=False)
    await_shades(program, swapped(SHADES))
    asks(program)
    write(program, "x")
    program.screen.repeat("b")
    assert shades(program) == swapped(SHADES)
    program.screen.key("b", down=False)
    await_shades(program, SHADES)
    press(program, "Return")
    wait_until(program.rows)
    assert program.rows()[0].comment == "x"


@pytest.mark.parametrize(
    "keyboard, places, comment",
    [
        (["ru"], [38, 39, 65, 40], "фы в"),
        (["gr"], [38, 39], "ασ"),
        (["us", "intl"], [48, 26], "é"),  # a dead key
    ],
)
def test_letters_of_every_script_can_be_typed(alone, nothing, tmp_path, keyboard, places, comment):
    put(tmp_path, "a--own.tar.gz", plain_triplets())
    program = alone("--hub", nothing, "--user", "ann").open_window(picture=False)
    await_shades(program, SHADES)
    asks(program)
    program.screen.key("BackSpace")  # of an 8 that was pressed twice
    program.screen.use_keyboard(*keyboard)

    for place in places:
        program.screen.press_place(place)
    press(program, "Return")
    wait_until(program.rows)
    assert program.rows()[0].comment == comment


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


def test_earlier_comments_are_offered_by_number_in_the_terminal(start, hub, tmp_path):
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
        if number == 3:  # each once, in their order
            assert "  1  a ring\n  2  three\n  3  two words\nComment" in offer
        count, said = len(program.rows()), len(program.said())
        program.terminal.sendline(text)
        if text == "9":
            wait_until(lambda n=said: "There is no comment 9: nothing" in program.said()[n:])
        elif text:
            wait_until(lambda n=count: len(program.rows()) == n + 1)
            assert program.rows()[-1].objid == objid
    comments = [row.comment for row in program.rows()]
    assert comments == ["three", "two words", "two words", "a ring"]


def test_earlier_comments_are_offered_by_number_in_the_window(begin, reader):
    program = begin(plain_triplets())
    asks(program)
    reader.waits(program, "2 cosmic ray", colours.DIM)
    write(program, "2")
    press(program, "Return")
    wait_until(program.rows)
    await_shades(program, tuple(shade + 10 for shade in SHADES))
    asks(program)
    write(program, "two stars")
    press(program, "Return")
    wait_until(lambda: len(program.rows()) == 2)
    await_shades(program, tuple(shade + 20 for shade in SHADES))
    asks(program)
    reader.waits(program, "6 two stars", colours.DIM)
    write(program, "half")
    box, unit = fit_of(program).prompt, fit_of(program).unit
    program.screen.click(box.x + 2 * unit, box.y + 2.6 * unit)  # on the first of them
    wait_until(lambda: len(program.rows()) == 3)
    assert [row.comment for row in program.rows()] == ["cosmic ray", "two stars", "satellite trail"]


def test_a_refused_comment_says_why_and_stays_to_be_mended(begin, reader):
    program = begin(plain_triplets())
    ask_for_comment(program)
    write(program, "42")
    press(program, "Return")
    refusal = "There is no comment 42: nothing was labelled, please say it in words."
    reader.waits(program, refusal, colours.BAD_NEWS)
    press(program, "space")
    reader.waits(program, "1 satellite trail", colours.DIM)
    press(program, *"stars", "Return")
    wait_until(program.rows)
    assert program.rows()[0].comment == "42 stars"


def test_no_message_replaces_the_question_and_what_came_meanwhile_is_told_after_it(begin, reader):
    program = begin(plain_triplets())
    asks(program)
    write(program, "a r")
    program.screen.click(*tool(program, "appearance.next_scaling"))
    program.screen.click(*tool(program, "save_card"))
    (path,) = wait_until(lambda: list(program.data.glob("pictures/*.png")))
    wait_until(lambda: f"Picture: {path}" in program.said())
    assert not reader.sees(program, f"Picture: {path}")
    reader.waits(program, "Comment for 1", colours.MARK, bold=True)
    assert asleep(program)
    press(program, *"ing", "Return")  # the text has the focus still
    wait_until(program.rows)
    assert program.rows()[0].comment == "a ring"
    reader.waits(program, f"Picture: {path}")
    assert not asleep(program)


def asleep(program):
    """Tell whether the button of a label is."""
    x, y = button(program, "Good")
    corner = codes(program.screen.grab((x - 20, y - 12, x + 20, y + 12)))
    return (corner == code(colours.ASLEEP)).any()


def test_stamps_can_be_blinked_by_a_click_meanwhile(begin):
    program = begin(plain_triplets())
    asks(program)
    write(program, "a")
    program.screen.point(*middle(cell(program, 0)))
    program.screen.button(up=False)
    await_shades(program, swapped(SHADES))
    press(program, "s")
    program.screen.button(down=False)
    await_shades(program, SHADES)
    press(program, "h", "Return")
    wait_until(program.rows)
    assert program.rows()[0].comment == "ash"


def test_help_can_be_read_meanwhile(begin):
    program = begin(plain_triplets())
    asks(program)
    write(program, "a")
    press(program, "F1")
    window = wait_until(lambda: program.screen.window("ArtifactSpy: help"))
    place = window.get_geometry()
    program.screen.point(place.x + place.width - 60, place.y + place.height - 20)
    press(program, *"1is")  # neither a label nor the look is changed from there
    press(program, "Escape")
    wait_until(lambda: not program.screen.window("ArtifactSpy: help"))
    program.screen.point(program.width // 2, program.height - 3)
    press(program, "b", "Return")
    wait_until(program.rows)
    assert (program.rows()[0].action, program.rows()[0].comment) == ("Other", "ab")
    await_shades(program, tuple(shade + 10 for shade in SHADES))


def test_a_pasted_comment_of_any_kind_leaves_the_label_file_valid(begin, reader):
    program = begin(plain_triplets(), terminal=False)
    asks(program)
    paste_and_return(program, reader, "x" * 100_000)
    reader.waits(program, REFUSAL, colours.BAD_NEWS)
    assert not program.rows() and shades(program) == SHADES
    program.screen.key("Escape")
    asks_no_longer(program)
    asks(program)
    paste_and_return(program, reader, 'a\x07\x1b[2Jb "q",\tc;\n\n=1+1,🌟 é\r\n')
    wait_until(program.rows, what="the label")
    assert program.rows()[0].comment == 'a [2Jb "q", c; =1+1,🌟 é'
    await_shades(program, tuple(shade + 10 for shade in SHADES))
    asks(program)  # and what was given before is offered here, too
    write(program, "6")
    program.screen.key("Return")
    wait_until(lambda: len(program.rows()) == 2)
    (path,) = program.data.glob("labels/open/*.csv")
    with path.open(newline="", encoding="utf-8") as table:
        lines = list(csv.reader(table))
    assert [len(line) for line in lines] == [6, 6, 6] and len(path.read_bytes().split(b"\n")) == 4
    assert lines[1][2] == lines[2][2] == 'a [2Jb "q", c; =1+1,🌟 é'


REFUSAL = (
    "A comment holds at most 2000 characters and this one has 100000: nothing was labelled, "
    "please say it shorter."
)


def paste_and_return(program, reader, text):
    """Press Ctrl+V, hand over the clipboard, and press Return when the text is there."""
    reader.root.clipboard_clear()
    reader.root.clipboard_append(text)
    reader.root.update()  # from here on the clipboard is the reader's
    screen, box = program.screen, prompt(program)
    with_control(program, "a")
    press(program, "BackSpace")
    pass_time(0.1)
    before = codes(screen.grab(box))
    with_control(program, "v")

    def letters():
        reader.root.update()
        return (codes(screen.grab(box)) != before).sum() > 100  # more than a cursor that blinks

    wait_until(letters, 60, what="the pasted text")
    screen.key("Return")


def test_the_window_can_be_closed_while_a_comment_is_typed(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label("1")
    ask_for_comment(program)
    program.terminal.send("half a comm")
    assert program.close() == 0
    assert verified(hub) == {row.objid: "BadSubtraction"}


def test_the_window_can_be_closed_while_it_asks_and_help_is_open(start, hub, reader):
    asked, go = hold(hub)
    program = start("--hub", hub, "--user", "ann", terminal=False).open_window()
    row = program.label("1")
    program.screen.key("question")
    wait_until(lambda: program.screen.window("ArtifactSpy: help"))
    asks(program)  # for which Help makes room
    write(program, "abc")
    program.screen.key("F1")
    wait_until(lambda: program.screen.window("ArtifactSpy: help"))
    program.screen.close_window(program.window)
    wait_until(asked.exists)
    asks_no_longer(program)  # nobody is asked for what could not be sent any more
    go.touch()
    assert program.end() == 0
    assert verified(hub) == {row.objid: row.action}
    assert (
        not (program.data / "artifactspy.log").exists()
        or "Traceback" not in (program.data / "artifactspy.log").read_text()
    )


def test_what_is_typed_stays_in_a_window_that_becomes_small(begin, reader):
    program = begin(plain_triplets())
    asks(program)
    write(program, "a r")
    program.width, program.height = 800, 450
    program.screen.resize(program.window, program.width, program.height)
    program.screen.point(program.width // 2, program.height - 3)
    reader.waits(program, "Enter keeps it, Escape cancels", colours.DIM)
    reader.waits(program, "5 no host", colours.DIM)
    press(program, *"ing", "Return")
    wait_until(program.rows)
    assert program.rows()[0].comment == "a ring"


def test_if_the_terminal_goes_away_the_window_asks_on(begin):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        program = begin(plain_triplets())
    finally:
        signal.signal(signal.SIGHUP, before)
    ask_for_comment(program)
    write(program, "half")
    os.close(program.terminal.child_fd)
    program.screen.point(*middle(cell(program, 0)))
    for down, wanted in ((True, swapped(SHADES)), (False, SHADES)):  # then it has noticed
        program.screen.button(down=down, up=not down)
        await_shades(program, wanted)
    press(program, "x", "Return")
    wait_until(program.rows)
    assert program.rows()[0].comment == "halfx"


def test_half_a_line_in_the_terminal_is_not_left_to_the_shell_if_it_is_given_at_the_window(
    start, hub
):
    shell = 'echo "ended: $?"; read -r rest; echo "left: [$rest]"'
    program = start("--hub", hub, "--user", "ann", then=shell).open_window()
    ask_for_comment(program)
    program.terminal.send("half a line")
    wait_until(lambda: "half a line" in program.said())
    write(program, "whole")
    press(program, "Return")
    wait_until(program.rows)
    ask_for_comment(program)
    program.terminal.sendline("and this is the next")  # half a line does not begin it
    wait_until(lambda: len(program.rows()) == 2)
    assert program.rows()[1].comment == "and this is the next"
    program.screen.close_window(program.window)
    program.terminal.expect("ended: 0")
    program.terminal.sendline("")
    program.end()
    assert "left: []" in program.said()


@pytest.mark.parametrize(
    "size", ["800x450", "800x720", "1024x600", "1366x768", "1600x1000", "900x980"]
)
@pytest.mark.parametrize("objid", ["123", "9" * 32])
def test_all_of_the_question_is_seen_in_a_window_of_any_size(root, size, objid):
    width, height = map(int, size.split("x"))
    root.geometry(size)
    fonts, fit = Fonts(root), layout.fit(width, height)
    fonts.resize(fit.unit)
    offered = [f"{i} {LONG}" for i in range(9)]
    asked = Comment(root, fit, print, objid, offered, print)
    root.update()
    (line,) = root.winfo_children()
    shown = [each for each in line.winfo_children() if each.winfo_ismapped()]
    assert len(shown) == 3 + len(offered)
    for each in shown:  # no letter is cut off
        assert each.winfo_reqwidth() <= each.winfo_width()
        assert each.winfo_reqheight() <= each.winfo_height()
    outer, *boxes = (corners(each) for each in (line, *shown))
    for left, top, right, bottom in boxes:
        assert outer[0] <= left and right <= outer[2] and outer[1] <= top and bottom <= outer[3]
    assert outer[0] >= 0 and outer[2] <= width and outer[3] <= height
    for name in labels.BY_NAME:
        x, y, wide, high = fit.label(name)
        boxes.append((x, y, x + wide, y + high))
    for one, other in itertools.combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    entry = root.focus_lastfor()
    assert entry.winfo_width() >= 12 * fit.unit
    assert all(len(each.cget("text")) >= 8 for each in shown[-9:])  # so much of each, at least
    asked.enter()  # of nothing is to cancel
    assert not root.winfo_children()


def corners(widget):
    """Return left, top, right and bottom of a widget on the screen."""
    x, y = widget.winfo_rootx(), widget.winfo_rooty()
    return x, y, x + widget.winfo_width(), y + widget.winfo_height()


def test_the_text_has_the_focus_before_the_next_key_can_come(root):
    """A letter that was typed at once went to the window, and was lost."""
    fonts, fit = Fonts(root), layout.fit(*layout.SMALLEST)
    fonts.resize(fit.unit)
    root.update()
    asked = Comment(root, fit, print, "1", [], print)
    assert root.focus_lastfor().winfo_class() == "Entry"
    asked.cancel()
    assert root.focus_lastfor() == root


def test_a_refusal_is_seen_whole_in_the_smallest_window(root):
    fonts, fit = Fonts(root), layout.fit(*layout.SMALLEST)
    root.geometry("{}x{}".format(*layout.SMALLEST))
    fonts.resize(fit.unit)
    asked = Comment(root, fit, print, "9" * 32, [LONG] * 9, print)
    root.update()
    (line,) = root.winfo_children()
    entry = root.focus_lastfor()
    entry.insert(0, "x" * 100_000)
    asked.enter()
    root.update()
    (said,) = (each for each in line.winfo_children() if each.winfo_name() == "refusal")
    assert said.cget("text") == REFUSAL and said.winfo_ismapped()
    assert said.winfo_reqheight() <= said.winfo_height()
    assert said.winfo_reqwidth() <= said.winfo_width() and entry.get() == "x" * 100_000
