"""What stands below the stamps: how far one is, and what is known of a label."""

import re
from types import SimpleNamespace

import pytest
from conftest import put, wait_until
from onscreen import (
    SHADES,
    ask_for_comment,
    await_shades,
    back_to,
    code,
    codes,
    fit_of,
    pass_time,
    plain_triplets,
    tap,
)

import labels
from window import colours
from window.lines import nothing_text


def test_the_status_line_tells_the_last_label_and_how_many(begin, reader):
    program = begin(plain_triplets())
    reader.waits(program, "1 of 4 · 0 today", colours.DIM)
    for number, (key, name) in enumerate((("4", "Dark Spot in Template Center"), ("6", "Good")), 1):
        program.label(key)
        reader.waits(program, f"saved: {name} {number}", colours.DIM)
        reader.waits(program, f"{number} this session, {number} today", colours.DIM)
    back_to(program, tuple(shade + 10 for shade in SHADES))
    program.label("7")  # another label for the same detection
    reader.waits(program, "saved: Unsure 2", colours.DIM)
    reader.waits(program, "2 this session, 2 today", colours.DIM)
    program.close()
    third = tuple(shade + 20 for shade in SHADES)
    program = begin(first=third)
    reader.waits(program, "3 of 4 · 2 today", colours.DIM)
    program.label("1")
    reader.waits(program, "1 this session, 3 today", colours.DIM)


def test_the_status_line_tells_a_long_object_id_in_full_at_1024(begin, reader):
    """Its tail was cut off where the value under the pointer stands, and it read as another ID."""
    long = "238123456789012345"
    members = {
        re.sub("([0-9])[.]", rf"{long}\1.", name): d for name, d in plain_triplets(6).items()
    }
    program = begin(members)
    program.width = 1024
    program.screen.resize(program.window, program.width, program.height)
    program.screen.point(500, program.height - 3)
    await_shades(program, SHADES)
    for number in range(1, 6):
        row = program.label("4")
        assert row.objid == f"{long}{number}"
    reader.waits(program, "5 this session, 5 today", colours.DIM)
    reader.waits(program, f"Dark Spot in Template Center {row.objid}", colours.DIM)


def test_the_progress_bar_shows_the_share_of_the_chunk_that_is_done(begin):
    program = begin(plain_triplets())
    fit = fit_of(program)
    y = fit.progress.y + 1

    def share():
        line = codes(
            program.screen.grab((fit.progress.x, y, fit.progress.x + fit.progress.width, y + 1))
        )[0]
        return (line == code(colours.DIM)).mean()

    for done in range(4):
        wait_until(lambda d=done: abs(share() - d / 4) < 0.01, what=f"{done} of 4")
        program.label("6")
    wait_until(lambda: abs(share() - 1) < 0.01, what="all of 4")


def test_after_back_the_label_with_its_comment_is_told_and_enter_keeps_it(begin, reader):
    program = begin(plain_triplets())
    assert ask_for_comment(program) == "1"
    program.terminal.sendline("no host at all")
    wait_until(program.rows)
    second, third = (tuple(shade + step for shade in SHADES) for step in (10, 20))
    await_shades(program, second)
    program.label("5")
    await_shades(program, third)
    before = program.rows()
    program.screen.key("Return")  # there is no label to keep
    back_to(program, second)
    reader.waits(program, "Marginal. Enter keeps it.")
    back_to(program, SHADES)
    reader.waits(program, f"{labels.BY_NAME['Other'].title}: no host at all. Enter keeps it.")
    for wanted in (second, third):
        tap(program, "Return")
        await_shades(program, wanted)
    assert program.rows() == before


def test_what_is_said_of_a_page_goes_with_it(begin, reader):
    """ "1 is on the clipboard." stood below the next detections, too."""
    program = begin(plain_triplets(6))
    second = tuple(shade + 10 for shade in SHADES)
    program.screen.key("c")
    reader.waits(program, "1 is on the clipboard.")
    program.label("6")
    await_shades(program, second)
    assert not reader.sees(program, "1 is on the clipboard.")
    back_to(program, SHADES)
    tap(program, "BackSpace")
    reader.waits(program, "There is nothing earlier here.")
    tap(program, "Right")
    await_shades(program, second)
    assert not reader.sees(program, "There is nothing earlier here.")
    program.screen.key("p")
    wait_until(lambda: "Picture: " in program.said())
    wait_until(lambda: told(program), what="where the picture is")
    program.label("6")
    assert not told(program)


def told(program):
    """Tell whether there is any message."""
    fit = fit_of(program)
    x, y, width, height = fit.message
    pixels = codes(program.screen.grab((x, y, x + width, y + height)))
    return bool((pixels != code(colours.GROUND)).any())


def test_news_of_the_session_stay_until_the_next_sentence(begin, tmp_path):
    members = plain_triplets(6)
    members["a/srch2.gif"] = b"no picture"
    program = begin(members)
    program.repeat(lambda: program.screen.key("6"), lambda: "2 is passed over" in program.said())
    wait_until(lambda: told(program), what="that one is passed over")
    program.label("6")
    assert told(program)
    program.screen.key("c")
    program.label("6")
    wait_until(lambda: not told(program), what="nothing said")


def test_what_others_said_is_told_after_the_press_only(begin, tmp_path, reader):
    path = put(tmp_path, "a--own.tar.gz", plain_triplets())
    path.with_name("a--own.csv").write_text(
        "OBJID,USER,ACTION,COMMENT\n1,bob,Good,\n1,eve,Other,a star?\n1,joe,Good,\n2,bob,Good,\n"
    )
    program = begin()
    fit = fit_of(program)
    x, y, width, height = fit.message
    line = x, y, x + width, y + height
    pass_time(0.3)
    assert set(codes(program.screen.grab(line)).flat) == {code(colours.GROUND)}
    program.label("1")
    reader.waits(program, "1, the others: Good 2 (bob, joe); Other 1 (eve: a star?).")


@pytest.mark.parametrize(
    "exhausted, text",
    [
        (False, "The hub is away.\nnext try at 12:00:00"),
        (True, "Nothing left to label for now: thank you."),
    ],
)
def test_where_there_is_nothing_to_label_it_says_why(exhausted, text):
    supply = SimpleNamespace(
        exhausted=exhausted, reason="the hub is away.", text="next try at 12:00:00"
    )
    session = SimpleNamespace(supply=supply, skips=SimpleNamespace(stopped=""))
    assert nothing_text(session) == text
