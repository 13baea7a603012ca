"""What a label means, told while the pointer rests on its button or Shift is held with its key."""

import tkinter as tk

import numpy as np
import pytest
from conftest import wait_until
from onscreen import button, code, codes, fit_of, pass_time, plain_triplets, seen

import labels
from window import colours, layout
from window.button import Button
from window.example import Example
from window.fonts import Fonts
from window.hint import Hint
from window.window import GUARD

ONE, SIX = 10, 15  # X's keycodes of the keys in the digit row


def hinted(program):
    """Tell whether there is a hint, by its ground."""
    x, y, width, height = fit_of(program).hint
    picture = codes(program.screen.grab((x, y, x + width, y + height)))
    return (picture == code(colours.PAPER)).mean() > 0.3


def test_a_hint_is_shown_while_the_pointer_rests_on_a_button(begin):
    program = begin(plain_triplets())
    before = seen(program)
    program.screen.point(*button(program, "Good"))
    wait_until(lambda: hinted(program), what="the hint")
    assert all(map(np.array_equal, seen(program), before))  # it covers no stamp
    program.screen.point(program.width // 2, program.height - 3)
    wait_until(lambda: not hinted(program), what="none")
    assert not program.rows()


def test_a_press_is_not_delayed_and_ends_the_hint(begin):
    program = begin(plain_triplets())
    spot = button(program, "Good")
    program.screen.point(*spot)
    wait_until(lambda: hinted(program), what="the hint")
    assert program.label("Good", lambda: program.screen.click(*spot)).action == "Good"
    wait_until(lambda: not hinted(program), what="none")
    program.screen.point(spot[0], spot[1] + 200)
    program.screen.point(*spot)
    wait_until(lambda: hinted(program), what="the hint again")
    assert program.label("1").action == "BadSubtraction"  # by key, while the pointer rests there
    wait_until(lambda: not hinted(program), what="none")


def test_shift_with_a_key_tells_what_it_means_while_it_is_held(begin):
    program = begin(plain_triplets())
    pass_time(GUARD)
    program.screen.key("exclam", up=False)
    wait_until(lambda: hinted(program), what="the hint")
    program.screen.key("exclam", down=False)
    wait_until(lambda: not hinted(program), what="none")
    assert not program.rows()
    assert program.label("1").action == "BadSubtraction"


def test_there_is_no_hint_where_the_buttons_sleep(begin):
    program = begin(plain_triplets())
    for _ in range(4):
        program.label("6")
    program.screen.point(*button(program, "Good"))
    pass_time(0.8)
    assert not hinted(program)


@pytest.mark.parametrize(
    "size",
    [(800, 450), (800, 720), (1024, 600), (1366, 768), (1920, 1080), (3440, 900), (3840, 2160)],
)
def test_name_and_meaning_of_every_label_fit_into_the_band(root, size):
    fonts, hint, fit = Fonts(root), Hint(root), layout.fit(*size)
    fonts.resize(fit.unit)
    hint.arrange(fit)
    for label in labels.LABELS:
        hint.show(label.name)
        root.update()
        (frame,) = [w for w in root.winfo_children() if isinstance(w, tk.Frame)]
        inside = [w for w in frame.winfo_children() if w.winfo_ismapped()]
        told = [w.cget("text") for w in inside if isinstance(w, tk.Label)]
        assert told[:2] == [f"{label.key}  {label.title}", label.meaning]
        (example,) = [w for w in inside if isinstance(w, Example)]
        for widget in inside:
            assert widget.winfo_x() + widget.winfo_width() <= fit.hint.width
            assert widget.winfo_y() + widget.winfo_height() <= fit.hint.height
            assert widget is example or widget.winfo_x() >= example.winfo_width()
    hint.show("")
    root.update()
    assert not frame.winfo_ismapped()
    del fonts


def test_a_hint_waits_until_the_pointer_rests(root):
    fonts, hint = Fonts(root), Hint(root)
    hint.arrange(layout.fit(800, 450))
    shown = Button(root, "x", "real", print)
    hint.watch(shown, "Good")
    shown.pack()
    root.update()
    shown.event_generate("<Enter>")
    assert not hint.shown
    shown.event_generate("<Leave>")
    root.after(600, root.quit)
    root.mainloop()
    assert not hint.shown  # it left before
    shown.event_generate("<Enter>")
    root.after(600, root.quit)
    root.mainloop()
    assert hint.shown == "Good"
    del fonts
