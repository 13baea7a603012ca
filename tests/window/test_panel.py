"""Every tool beside the stamps can be reached, by mouse and by Tab."""

import tkinter as tk

import pytest
from conftest import wait_until
from onscreen import (
    SHADES,
    await_shades,
    code,
    codes,
    fit_of,
    marked,
    plain_triplets,
    swapped,
    tap,
)

import labels
from window import colours, layout
from window.button import Button
from window.fonts import Fonts
from window.keys import TOOLS
from window.panel import Panel


def tools(program):
    """Return {action: (left, top, width, height)} of the buttons that are no labels."""
    names = [key.action.rpartition(".")[2] for key in TOOLS]
    return dict(zip(names, fit_of(program).tools))


def focused(program, picture):
    """Return which of the tools have the frame of the focus in a picture of the window."""
    names = []
    for name, (left, top, _, height) in tools(program).items():
        edge = [picture[int(top + height * share), int(left) + 1] for share in (0.3, 0.7)]
        if edge == [code(colours.INK)] * 2:
            names.append(name)
    return names


def press_by_mouse(program, name):
    left, top, width, height = tools(program)[name]
    program.screen.click(left + width - 4, top + height - 4)


def press_by_tab(program, name):
    def look():
        return codes(program.screen.grab((0, 0, program.width, program.height)))

    for _ in range(len(tools(program)) + len(labels.LABELS)):
        before = look()
        if focused(program, before) == [name]:
            break
        program.screen.key("Tab")

        def moved(old=before):  # and is painted whole
            new = look()
            return (new != old).any() and (look() == new).all()

        wait_until(moved, what="another focus that can be seen")
    assert focused(program, look()) == [name]
    tap(program, "Return")


@pytest.mark.parametrize("press", [press_by_mouse, press_by_tab])
def test_every_tool_can_be_reached(begin, press):
    program = begin(plain_triplets())
    pages = [tuple(shade + step for shade in SHADES) for step in (0, 10, 20)]
    for shown in pages[1:]:
        program.label("6")
        await_shades(program, shown)
    for name, shown in (  # in the order of Tab
        ("back", pages[1]),
        ("back", pages[0]),
        ("forward", pages[1]),
        ("back", pages[0]),
        ("newest", pages[2]),
        ("keep_blinking", swapped(pages[2])),
        ("next_scaling", (pages[2][0], pages[2][0], pages[2][2])),  # one sky
        ("invert", (255 - pages[2][0], 255 - pages[2][0], 255 - pages[2][2])),
    ):
        press(program, name)
        await_shades(program, shown)
    press(program, "toggle_marks")
    wait_until(lambda: not any(marked(program, i) for i in range(3)), what="no marks")
    press(program, "reset")
    await_shades(program, pages[2])
    wait_until(lambda: all(marked(program, i) for i in range(3)), what="marks")
    press(program, "save_card")
    wait_until(lambda: "Picture: " in program.said())
    press(program, "help")
    wait_until(lambda: program.screen.window("ArtifactSpy: help"))
    assert len(program.rows()) == 2


def test_the_object_id_is_copied_by_c_and_by_a_click_on_it(begin, reader):
    program = begin(plain_triplets())

    def clipboard():
        reader.root.update()
        try:
            return reader.root.clipboard_get()
        except tk.TclError:
            return None

    reader.root.clipboard_clear()
    reader.root.update()  # or this may reach the server after the program has put it there
    program.screen.key("c")
    wait_until(lambda: clipboard() == "1", what="1 on the clipboard")
    reader.waits(program, "1 is on the clipboard.")
    program.label("6")
    fit = fit_of(program)
    program.screen.click(fit.objid.x + 5, fit.objid.y + fit.objid.height // 2)
    wait_until(lambda: clipboard() == "2", what="2 on the clipboard")
    assert len(program.rows()) == 1


def test_the_label_that_was_given_is_marked_and_no_other(root):
    fonts, shown = Fonts(root), Panel(root, print, lambda name: True)
    for name in (labels.LABELS[0].name, labels.LABELS[-1].name, None):
        shown.show_label(name)
        buttons = [child for child in root.winfo_children() if isinstance(child, Button)]
        ticked = [
            button.cget("text")[2:] for button in buttons if button.cget("text").startswith("✓")
        ]
        assert ticked == [f"{x.key}  {x.text}" for x in labels.LABELS if x.name == name]
    del fonts


def test_what_the_hub_tells_of_a_detection_stands_in_a_line(begin, reader):
    table = b"OBJID,BAND,MJD,PHOTPROB\n1,g,56949.2,0.93\n2,i\x1b[2J\xe2\x80\xaez,,\n3,,,\n"
    program = begin({"a/facts.csv": table, **plain_triplets()})
    reader.waits(program, "g band · 2014-10-19", colours.DIM)
    program.label("6")
    reader.waits(program, "i[2Jz band", colours.DIM)
    program.label("6")
    wait_until(lambda: not reader.sees(program, "band", colours.DIM), what="nothing to be told")
    assert len(program.rows()) == 2


def test_a_line_that_is_too_long_is_shortened_to_its_place(root):
    fonts, shown, text = Fonts(root), Panel(root, print, print), "airmass 1.2 · " * 40
    for size in ((800, 450), (1920, 1080)):
        fit = layout.fit(*size)
        fonts.resize(fit.unit)
        shown.arrange(fit)
        shown.show_objid("1", text)
        root.update()
        texts = [w for w in root.winfo_children() if w.winfo_class() == "Label"]
        (facts,) = [w for w in texts if "airmass" in w.cget("text")]
        said = facts.cget("text")
        assert said.endswith("…") and text.startswith(said[:-1].rstrip()) and len(said) > 20
        assert fit.facts.width - 3 * fit.unit < facts.winfo_reqwidth() <= fit.facts.width
    shown.show_objid("1", "g band")
    assert facts.cget("text") == "g band"
    del fonts
