"""What reaches the window's thread from outside: signals."""

import os
import signal

import pytest
from conftest import hold, verified, wait_until
from onscreen import pass_time


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
