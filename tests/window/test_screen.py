"""The screen: none, one without letters, and one that goes away."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT, Screen, hold, verified, wait_until
from onscreen import ask_for_comment

from window.keys import Keyboard
from window.screen import behave_as_on_macos


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_screen_goes_the_labels_are_sent_all_the_same(alone, hub, number):
    program = alone("--hub", hub, "--user", "ann").open_window()
    rows = [program.label(key) for key in "16"]
    program.screen.die(number)
    assert program.end() == 0
    assert verified(hub) == {row.objid: row.action for row in rows}
    assert "2 labels in" in program.said() and "The hub has taken in 2 labels." in program.said()
    assert "Traceback" not in program.said() and not list(program.data.glob("labels/open/*"))


def test_when_the_screen_goes_and_the_hub_is_away_the_labels_wait_and_it_says_so(alone, hub):
    program = alone("--hub", hub, "--user", "ann").open_window()
    program.label("6")
    ask_for_comment(program)
    program.terminal.send("half a comm")
    hub.rename(hub.with_name("away"))
    program.screen.die()
    assert program.end() == 1
    assert len(list(program.data.glob("labels/waiting/*.csv"))) == 1
    assert "The labels are safe in" in program.said()


def test_when_the_screen_goes_while_the_labels_are_being_sent_they_are_sent_once(alone, hub):
    asked, go = hold(hub)
    program = alone("--hub", hub, "--user", "ann").open_window()
    row = program.label("6")
    program.screen.close_window(program.window)
    wait_until(asked.exists)
    program.screen.die()
    go.touch()
    assert program.end() == 0
    assert verified(hub) == {row.objid: "Good"}


def run(tmp_path, **environment):
    command = [sys.executable, ROOT / "artifactspy.py", "--data", tmp_path / "data"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **environment}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_no_font_is_one_sentence_and_exit_2(screen, tmp_path):
    """As on a bare server that one logs in to with ssh -X: it was a traceback."""
    (tmp_path / "none").mkdir()
    (tmp_path / "fonts.conf").write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">'
        f"<fontconfig><dir>{tmp_path}/none</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>"
    )
    done = run(tmp_path, DISPLAY=screen.name, FONTCONFIG_FILE=str(tmp_path / "fonts.conf"))
    assert done.returncode == 2 and "apt install fonts-dejavu-core" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_dead_screen_is_one_sentence_and_exit_2(tmp_path):
    gone = Screen(800, 600)
    gone.close()
    done = run(tmp_path, DISPLAY=gone.name)
    assert done.returncode == 2 and "There is no screen to open a window on" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("locale", ["C", "POSIX", "xx_YY.ISO-8859-1"])
def test_without_utf_8_it_works_and_says_what_it_can(start, hub, locale):
    words = "--hub", hub, "--user", "ann"
    program = start(*words, env={"LC_ALL": locale, "LANG": locale}).open_window()
    ask_for_comment(program)
    program.terminal.sendline("d\xe9j\xe0 vu")
    wait_until(program.rows)
    assert program.rows()[0].comment == "d\xe9j\xe0 vu"
    program.label("6")
    assert program.close() == 0
    assert len(verified(hub)) == 2 and "Traceback" not in program.said()


@pytest.fixture
def aqua(root):
    """A Tk that says that it draws on macOS; the rest is as here."""
    root.tk.eval("rename tk here")
    root.tk.eval("proc tk args {expr {$args eq {windowingsystem} ? {aqua} : [here {*}$args]}}")
    return root


def test_on_macos_quit_closes_as_the_cross_does(aqua):
    closed = []
    behave_as_on_macos(aqua, lambda: closed.append(True))
    aqua.tk.call("::tk::mac::Quit")
    assert closed == [True]
    aqua.update()
    assert not int(aqua.attributes("-topmost")), "for ever above all other windows"


def test_on_macos_a_key_is_up_again_whatever_it_types_with_shift(aqua):
    """B with Shift that goes up first: its release says b, and the code has another character."""
    done = []
    keyboard = Keyboard(aqua, done.append, done.append)

    def event(char, state, time):
        return SimpleNamespace(
            keysym=char, char=char, keycode=11 << 24 | ord(char), state=state, time=time
        )

    keyboard._key_pressed(event("B", 1, 1000))
    keyboard._key_released(event("b", 0, 1100))
    wait_until(lambda: aqua.update() or not keyboard._held)
    keyboard._key_pressed(event("B", 1, 2000))
    assert done == ["appearance.keep_blinking"] * 2
