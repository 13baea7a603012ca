"""The end, in the window: what a sitting came to, and the misses of practice."""

import csv
import tkinter as tk

import numpy as np
import pytest
from conftest import hold, wait_until
from onscreen import (
    SHADES,
    await_shades,
    fit_of,
    marked,
    pass_time,
    plain_triplets,
    tap,
)

import labels
from session import summary, verdict
from window import colours
from window.ending import Ending
from window.fonts import Fonts
from window.layout import fit
from window.strip import Cell, Thumbnails


def is_at_the_end(program, reader):
    reader.waits(program, "Your labels", bold=True)


def test_at_the_end_of_a_session_the_window_tells_what_it_came_to(begin, reader):
    program = begin(plain_triplets(3))
    for key in "661":
        program.label(key)
    reader.waits(program, "Nothing left to label for now: thank you", bold=True)
    reader.waits(program, "Close the window to send your labels.")
    for text in ("Bad Subtraction", "Good"):
        assert reader.sees(program, text)
    assert not reader.sees(program, "Marginal")
    program.screen.key("BackSpace")  # and one may look at them all again
    await_shades(program, tuple(shade + 20 for shade in SHADES))
    assert program.label("5").objid == "3"
    reader.waits(program, "Marginal")
    program.close()
    assert "They are in " in program.said() and "Marginal    " in program.said()


def test_closing_at_the_end_is_not_delayed_and_tells_what_is_sent(start, hub, reader):
    program = start("--hub", hub, "--user", "ann").open_window()
    for _ in range(12):
        program.label("6")
    is_at_the_end(program, reader)
    asked, go = hold(hub)
    program.screen.close_window(program.window)
    wait_until(asked.exists)
    banner = bytes.fromhex(colours.BANNER[1:]) * 8
    wait_until(lambda: banner in program.difference(), what="what is sent")
    assert not reader.sees(program, "Your labels", bold=True)
    go.touch()
    assert program.end() == 0


def test_the_button_closes(begin, reader):
    program = begin(plain_triplets(1))
    program.label("6")
    is_at_the_end(program, reader)
    unit = fit_of(program).unit
    program.screen.click(fit_of(program).left + 3 * unit, fit_of(program).status.y - 2 * unit)
    program.end()
    assert "1 label in" in program.said()


def test_at_the_end_of_practice_each_miss_is_a_click_away(start, reader):
    program = start("--practice", "6").open_window("ArtifactSpy: practice", seconds=60)
    program.width, program.height = 1280, 900  # all of it is seen without scrolling
    program.screen.resize(program.window, program.width, program.height)
    program.screen.point(program.width // 2, program.height - 3)
    truth = {}

    def read_truth():
        for path in program.session_folder.glob("stamps/*/truth.csv"):
            with path.open(newline="") as table:
                truth.update((row["OBJID"], row) for row in csv.DictReader(table))
        return len(truth) == 6

    wait_until(read_truth, what="all portions")

    def press():
        """Label, mostly with a wrong one, and go on, until the misses are there."""
        program.screen.key("6" if len(program.rows()) % 2 else "1")
        pass_time(0.2)
        program.screen.key("Return")
        pass_time(0.2)

    program.repeat(press, lambda: reader.sees(program, "What they were", bold=True), seconds=60)
    given, last = {}, {row.objid: row.action for row in program.rows()}
    for row in program.rows():
        given.setdefault(row.objid, row.action)
    misses = [o for o, said in given.items() if said not in (truth[o]["LABEL"], truth[o]["ALSO"])]
    right = len(given) - len(misses)
    assert len(given) == 6 and right < 6
    reader.waits(program, f"{right} of 6 right", bold=True)
    missed = misses[0]
    cell = first_picture(program)
    program.screen.click(*cell)
    kind = ("srch", "temp", "diff").index(truth[missed]["STAMP"])
    wait_until(lambda: marked(program, kind), what="the ring")
    reader.waits(program, missed, bold=True)
    was, said = labels.title(truth[missed]["LABEL"]), labels.title(last[missed])
    reader.waits(program, f"✗ You said {said}; it was {was}.", colours.BAD_NEWS)
    program.screen.point(program.width // 2, program.height - 3)
    tap(program, "End")
    reader.waits(program, f"{right} of 6 right", bold=True)
    assert program.close() == 0 and f"{right} of 6 right." in program.said()


def first_picture(program):
    """Return a place in the first of the small pictures, whose ticks are white as no text is."""
    whole = np.asarray(program.screen.grab((0, 0, program.width, program.height)))
    rows, columns = (whole == 255).all(axis=2).nonzero()
    return int(columns[0]) + 8, int(rows[0]) + 8


def report(votes=0, **kinds):
    """Return what a sitting came to in which every detection was called Good."""
    verdicts = verdict.Verdicts()
    names = [name for name, count in kinds.items() for _ in range(count)]
    given = {str(n): "Good" for n, _ in enumerate(names)}
    if votes:
        verdicts.votes = {objid: [verdict.Vote("bob", "Good", "")] * votes for objid in given}
    else:
        verdicts.truth = {
            str(n): verdict.Truth(name, "HINT", (0, 25, 25)) for n, name in enumerate(names)
        }
    return summary.report(given, verdicts, 12.0, 60.0)


@pytest.mark.parametrize("size", [(800, 450), (1366, 768), (1600, 940)])
def test_the_end_fits_and_tells_the_weakest_classes(root, size):
    fonts, gone = Fonts(root), []
    ending = Ending(root, print, gone.append)
    root.geometry("{}x{}".format(*size))
    fonts.resize(fit(*size).unit)
    ending.arrange(fit(*size))
    ending.show(report(Marginal=3, NoisyTemplate=1, Good=2), 6, Thumbnails())
    root.update()
    (text,) = (child for page in root.winfo_children() for child in texts(page))
    told = text.get("1.0", "end")
    assert "2 of 6 right" in told and "✗ 0 of 3   Marginal\n" in told
    assert "✗ 0 of 1   Noisy Template\n" in told and "Noisy Template\t✗ 0 of 1\tGood 1\n" in told
    assert labels.BY_NAME["Marginal"].meaning in told
    assert "Good\t✓ 2 of 2\t\n" in told
    cells = [child for child in text.winfo_children() if isinstance(child, Cell)]
    assert len(cells) == 4
    text.see("end")
    root.update()
    assert text.bbox("end-2l linestart"), "one can get to the last line"
    cells[0].event_generate("<ButtonRelease-1>")
    assert gone == ["0"]
    ending.hide()
    ending.show(report(votes=2, Marginal=3), 6, Thumbnails())
    assert "6 of the 6 labels that others gave to these are as yours." in text.get("1.0", "end")
    del fonts


def texts(page):
    return [child for child in page.winfo_children() if isinstance(child, tk.Text)]
