"""The window, with real keys and a real pointer on a virtual screen."""

import os
import pwd
import re
import signal
import subprocess
import sys
import time

import pytest
from conftest import KINDS, ROOT, cluster, fill, gif, hold, tarball, triplets, verified, wait_until

import artifactspy
import labels
from look import Look


def button(program, name):
    """Return the middle of a label's button, worked out as the window does."""
    fit = artifactspy.layout(program.width, program.height)
    below = [label.name for label in labels.LABELS if label.place == "below"]
    if name in below:
        wide = (3 * (fit.side + fit.unit) - fit.unit // 2) / len(below)
        x = fit.left + (below.index(name) + 0.45) * wide
        return x, fit.top + fit.side + fit.unit + fit.keys / 2
    return fit.left + 3 * (fit.side + fit.unit) + fit.panel / 2, fit.top + fit.side - fit.keys / 2


# The layout


@pytest.mark.parametrize(
    "width, height",
    [(800, 450), (1024, 600), (1280, 600), (1600, 1000), (3840, 2160), (3440, 900), (900, 1600)],
)
def test_everything_fits_into_the_window(width, height):
    fit = artifactspy.layout(width, height)
    assert fit.side >= 190 and fit.unit >= 12
    assert fit.left >= 0 and fit.left + 3 * (fit.side + fit.unit) + fit.panel <= width
    assert fit.top >= 1.7 * fit.unit
    # below the stamps: the buttons, the message and the status line
    assert fit.top + fit.side + fit.unit + fit.keys <= height - 5 * fit.unit
    # beside the stamps: Object ID, Back and Help above, the labels' buttons below
    beside = [label for label in labels.LABELS if label.place == "side"]
    assert fit.side >= 5.4 * fit.unit + len(beside) * (fit.keys + fit.unit // 2)


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"bias": "0.5"},
        {"scaling": "asinh", "inverted": "no", "bias": "nan", "contrast": "nan"},
        {"scaling": "asinh", "inverted": "no", "bias": "0.5", "contrast": "inf"},
        {"scaling": "asinh", "inverted": "no", "bias": "9", "contrast": "1"},
        {"scaling": "asinh", "inverted": "no", "bias": "a", "contrast": ""},
    ],
)
def test_a_look_that_cannot_be_is_not_taken_from_the_settings(kept):
    assert artifactspy.look_of(kept) == (Look(), None)


def test_a_look_is_taken_from_the_settings_as_it_was_kept():
    for look in (Look(), Look("zscale", True, -0.25, 12.5)):
        kept = {name: str(value) for name, value in look._asdict().items()}
        for text, marks in (("yes", True), ("no", False), ("", None)):
            assert artifactspy.look_of({**kept, "marks": text}) == (look, marks)


@pytest.mark.parametrize(
    "kept, size",
    [
        ("1100x640", "1100x640"),
        ("99999x99999", "1600x940"),
        ("1x1", "800x450"),
        ("-5x-5", "800x450"),
        ("wide", "1280x600"),
        ("1e3x600", "1280x600"),
        ("1x2x3", "1280x600"),
    ],
)
def test_the_window_is_as_large_as_it_was_left_but_never_larger_than_the_screen(kept, size):
    class Root:
        def winfo_screenwidth(self):
            return 1600

        def winfo_screenheight(self):
            return 1000

    assert artifactspy.size_of_window(Root(), {"window": kept}) == size


# Labelling


def test_keys_label_one_detection_after_the_other(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    given = [program.label(key) for key in "1234567"]
    order = [row.objid for row in given]
    assert len(set(order)) == 7 and set(order) <= {str(n) for n in range(101, 113)}
    assert [row.action for row in given] == [label.name for label in labels.LABELS[:7]]
    assert all(row.metadata_stamp == "first" and 0.15 <= float(row.seconds) < 20 for row in given)
    assert program.close() == 0
    assert verified(hub) == {row.objid: row.action for row in given}


def test_the_stamps_on_screen_are_those_of_the_detection_that_is_labelled(start, tmp_path, hub):
    """Each triplet has a colour of its own here, and the screen must show that of the row."""
    members = {}
    for number in range(1, 9):
        for kind in KINDS:
            members[f"a/{kind}{number}.gif"] = flat(number * 30)
    (tmp_path / "data" / "chunks").mkdir(parents=True)
    tarball(tmp_path / "data" / "chunks" / "a--flat.tar.gz", members)
    program = start("--hub", hub, "--user", "ann").open_window(picture=False)
    fit = artifactspy.layout(program.width, program.height)

    def shades():
        middles = [fit.left + i * (fit.side + fit.unit) + fit.side // 2 for i in range(3)]
        y = fit.top + fit.side // 2
        return {program.screen.grab((x, y, x + 1, y + 1)).getpixel((0, 0))[0] for x in middles}

    for number in range(1, 9):
        wait_until(lambda n=number: shades() == {n * 30}, what=f"triplet {number}")
        assert program.label("6").objid == str(number)


def flat(shade):
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (51, 51), shade).save(file, "GIF")
    return file.getvalue()


@pytest.mark.parametrize("name", ["BadSubtraction", "DarkSpotInTemplateCenter", "Good"])
def test_a_click_labels(start, hub, name):
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label(name, lambda: program.screen.click(*button(program, name)))
    assert row.action == name


def test_a_double_click_labels_one_detection(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.label("1")
    spot = button(program, "Good")

    def double_click():
        # slower than the guard of a new picture, faster than what counts as a double click
        program.screen.click(*spot)
        pass_time(artifactspy.GUARD + 0.05)
        program.screen.click(*spot)

    program.page_turns(double_click)
    program.label("2")
    assert [row.action for row in program.rows()] == ["BadSubtraction", "Good", "PsfInTemplate"]


def test_a_triple_click_labels_one_detection_and_steady_clicks_go_on(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.label("1")
    spot = button(program, "Good")
    for _ in range(3):
        program.screen.click(*spot)
        pass_time(artifactspy.GUARD + 0.05)
    assert [row.action for row in program.rows()] == ["BadSubtraction", "Good"]
    program.label("Good", lambda: program.screen.click(*spot))


def test_presses_right_after_a_new_picture_are_ignored(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.label("1")
    for _ in range(2):
        program.page_turns(lambda: wait_and_burst(program))
    assert len(program.rows()) == 3


def wait_and_burst(program):
    """Press two keys in quick succession, as someone with a trembling hand does."""
    pass_time(artifactspy.GUARD + 0.05)
    program.screen.key("5")
    program.screen.key("6")


def test_a_key_held_down_labels_one_detection(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.label("1")
    program.page_turns(lambda: wait_and_hold(program))
    for _ in range(40):  # 25 times a second
        pass_time(0.04)
        program.screen.repeat("6")
    program.screen.key("6", down=False)
    assert [row.action for row in program.rows()] == ["BadSubtraction", "Good"]
    assert program.label("6").action == "Good"  # and released, it labels again


def wait_and_hold(program):
    pass_time(artifactspy.GUARD + 0.05)
    program.screen.key("6", up=False)


# Back and Forward


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
    assert program.label("4").objid not in [row.objid for row in program.rows()[:3]]


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


# Other


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


def ask_for_comment(program):
    """Press 8 until the terminal asks, and return for which detection it does."""
    before = len(program.said())

    def asked():
        return re.search(r"Comment for (\d+) \(empty line: cancel\): ", program.said()[before:])

    program.repeat(lambda: program.screen.key("8"), asked)
    return asked()[1]


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


@pytest.mark.parametrize("typed", ["   ", "\x1b[A"])
def test_a_comment_of_nothing_readable_is_no_comment(start, hub, typed):
    program = start("--hub", hub, "--user", "ann").open_window()
    ask_for_comment(program)
    program.terminal.sendline(typed.replace("[A", ""))
    row = program.label("6")
    assert row.action == "Good" and len(program.rows()) == 1


def test_a_terminal_that_is_stopped_does_not_stop_the_window(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.terminal.send("\x13")  # Ctrl+S
    pass_time(artifactspy.GUARD)
    program.screen.key("8")
    program.screen.key("Escape")
    assert program.label("5").action == "Marginal"
    program.terminal.send("\x11")
    assert program.close() == 0


# Help


def test_help_opens_beside_and_labelling_goes_on(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.screen.key("question")
    window = wait_until(lambda: program.screen.window("ArtifactSpy: help"))
    assert window.get_geometry().width > 300
    program.label("6")
    geometry = window.get_geometry()
    program.screen.click(geometry.x + geometry.width // 2, geometry.y + geometry.height // 2)
    assert program.label("5").action == "Marginal"  # the keys work with the focus in Help, too
    program.screen.key("Escape")
    wait_until(lambda: not program.screen.window("ArtifactSpy: help"))
    assert program.label("6").action == "Good"
    assert program.close() == 0


# The expert


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


# What cannot be shown


def test_a_detection_without_readable_stamps_is_skipped_and_the_hub_told(start, tmp_path):
    members = triplets(range(1, 7))
    members["batch/temp3.gif"] = gif("temp3")[:500]
    members["batch/diff5.gif"] = b"no picture"
    source = tarball(tmp_path / "drop.tar.gz", members)
    hub = tmp_path / "hub"
    cluster("init", hub)
    cluster("add", hub, source, "--stamp", "first")
    program = start("--hub", hub, "--user", "ann").open_window()
    for _ in range(4):
        program.repeat(lambda: program.screen.key("6"), GoodRows(program))
    assert program.close() == 0
    rows = verified(hub)
    assert {objid for objid, action in rows.items() if action == "Skipped"} == {"3", "5"}
    assert sum(action == "Good" for action in rows.values()) == 4
    assert "temp3.gif: damaged." in program.said()


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


# The end


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


def test_the_summary_tells_how_many_how_long_and_where(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    for key in "6661":
        program.label(key)
    assert program.close() == 0
    said = program.said()
    assert re.search(r"4 labels in \d+ s, \d+\.\d s on screen each:", said)
    assert "Good                          3" in said
    assert "BadSubtraction                1" in said
    (sent,) = (program.data / "labels" / "sent").glob("*.csv")
    assert f"They are in {sent}" in said and "The hub has taken in 4 labels." in said
    assert not list((program.data / "labels" / "open").iterdir())
    assert not list((program.data / "labels" / "waiting").iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_closes_as_a_click_does(start, hub, number):
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label("6")
    os.kill(program.pid, number)
    assert program.end() == 0
    assert verified(hub) == {row.objid: "Good"}


def test_ctrl_c_in_the_terminal_closes_as_a_click_does(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label("6")
    program.terminal.sendintr()
    assert program.end() == 0
    assert verified(hub) == {row.objid: "Good"}


def pass_time(seconds):
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)


def test_a_closed_terminal_sends_even_if_it_hangs_up_twice(start, hub):
    """The kernel hangs up, and the shell: the second one was taken for "do not wait"."""
    asked, go = hold(hub)
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label("6")
    program.terminal.ptyproc.fileobj.close()
    wait_until(asked.exists)
    pass_time(1.1)
    os.kill(program.pid, signal.SIGHUP)
    pass_time(0.2)
    go.touch()
    sent = program.data / "labels" / "sent"
    wait_until(lambda: len(list(sent.iterdir())) == 1)
    assert verified(hub) == {row.objid: "Good"}


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


def test_an_upload_that_fails_says_what_is_safe_and_the_next_start_sends_it(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label("6")
    away = hub.rename(hub.with_name("away"))
    assert program.close() == 1
    assert "The labels are safe in" in program.said()
    assert f"./sync.sh --data '{program.data}' upload" in program.said()
    away.rename(hub)
    program = start("--hub", hub, "--user", "ann").open_window()
    wait_until(lambda: verified(hub) == {row.objid: "Good"})
    assert program.close() == 0
    assert not list((program.data / "labels" / "waiting").iterdir())


def test_kill_9_loses_no_label_and_sends_none_twice(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    rows = [program.label(key) for key in "166"]
    program.page_turns(lambda: program.screen.key("BackSpace"))
    rows[2] = program.label("5")
    os.kill(program.pid, signal.SIGKILL)
    program.end()
    program = start("--hub", hub, "--user", "ann").open_window()
    wait_until(lambda: len(verified(hub)) == 3)
    rows.append(program.label("7"))
    assert rows[3].objid not in [row.objid for row in rows[:3]]
    assert program.close() == 0
    assert verified(hub) == {row.objid: row.action for row in rows}


def test_a_full_disk_keeps_the_picture_and_says_so(start, hub, small_disk):
    program = start("--hub", hub, "--user", "ann", data=small_disk).open_window()
    first = program.label("6")
    filler = fill(small_disk)
    for _ in range(3):  # what the file's last block still holds
        if "not saved" not in program.said():
            count = len(program.rows())
            ask_for_comment(program)
            program.terminal.sendline("x" * 1900)
            wait_until(lambda n=count: len(program.rows()) > n or "not saved" in program.said())
    assert "not saved, the earlier ones are" in program.said()
    count = len(program.rows())
    filler.unlink()
    row = program.label("1")
    assert len(program.rows()) == count + 1 and row.action == "BadSubtraction"
    assert program.close() == 0
    assert verified(hub)[first.objid] == "Good" and verified(hub)[row.objid] == "BadSubtraction"


def test_a_second_instance_is_refused_with_one_sentence(start, hub):
    start("--hub", hub, "--user", "ann").open_window()
    second = start("--hub", hub, "--user", "ann")
    assert second.end() == 2
    assert second.said().strip().startswith("ArtifactSpy: A window is open on")
    assert len(second.said().strip().splitlines()) == 1


def test_a_finished_chunk_is_deleted_once_the_hub_has_its_labels(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    wait_until(lambda: len(list((program.data / "chunks").glob("*.tar.gz"))) == 1)
    for _ in range(12):
        program.label("6")
    program.screen.key("6")  # nothing left: it does nothing
    program.page_turns(lambda: program.screen.key("BackSpace"))  # but Back still works
    program.label("5")
    assert program.close() == 0
    assert len(verified(hub)) == 12 and "Marginal" in verified(hub).values()
    assert not list((program.data / "chunks").iterdir())


def test_the_next_chunk_is_fetched_before_this_one_ends(start, tmp_path):
    hub = tmp_path / "hub"
    cluster("init", hub)
    source = tarball(tmp_path / "drop.tar.gz", triplets(range(1, 61)))
    cluster("add", hub, source, "--stamp", "first")
    program = start("--hub", hub, "--user", "ann").open_window()
    chunks = program.data / "chunks"
    wait_until(lambda: len(list(chunks.glob("*.tar.gz"))) == 1)
    program.label("6")
    wait_until(lambda: len(list(chunks.glob("*.tar.gz"))) == 2)
    assert program.close() == 0


def test_two_windows_of_two_people_share_a_hub(start, hub, tmp_path):
    """One after the other: each labels all, and the hub has both."""
    for user in ("ann", "bob"):
        home = tmp_path / user
        home.mkdir()
        program = start("--hub", hub, "--user", user, home=home).open_window()
        assert program.label("6").objid
        assert program.close() == 0
    assert len(list(hub.glob("verified/*.csv"))) == 2


# The command line


def run(*words, env=None):
    command = [sys.executable, ROOT / "artifactspy.py", *map(str, words)]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_help_and_version_answer():
    assert "--hub" in run("--help").stdout and run("--help").returncode == 0
    assert artifactspy.VERSION in run("--version").stdout


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--user", "a--b"], "is no user name"),
        (["--hub", "host:/a folder", "--user", "ann"], "letters, digits and"),
        (["--hub=-oProxyCommand=x:/a", "--user", "ann"], "is no hub"),
        (["--hub", "host:/a", "--user", "ann", "--realm", "a b"], "is no Kerberos realm"),
        (["--data", "/proc/nowhere"], "Nothing can be written"),
        (["--hub", "/nowhere", "--user", "ann"], "There is no hub in /nowhere"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_2(tmp_path, options, sentence):
    done = run("--data", tmp_path, *options)
    assert done.returncode == 2 and sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_no_display_is_one_sentence_and_exit_2(tmp_path):
    done = run("--data", tmp_path, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert done.returncode == 2 and "There is no screen" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
