"""Help, which stays open beside the window."""

import tkinter as tk

from conftest import wait_until

import labels
from window import guide
from window.fonts import Fonts


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


def test_all_pictures_of_a_label_are_shown_in_order(tmp_path):
    for name in (
        "Good-2.png",
        "Good.png",
        "Good-1.png",
        "GoodOne.png",
        "Good-3.gif",
        "Marginal.png",
    ):
        (tmp_path / name).touch()
    found = guide.examples("Good", tmp_path)
    assert [path.name for path in found] == ["Good.png", "Good-1.png", "Good-2.png"]
    assert all(guide.examples(label.name) for label in labels.LABELS)


def test_questions_come_in_the_order_in_which_they_are_asked(root):
    fonts = Fonts(root)
    help_window = guide.Guide(root, "whom", 14, [("x", "a key")])
    (text,) = [child for child in help_window.winfo_children() if isinstance(child, tk.Text)]
    told = text.get("1.0", "end")
    places = [told.index(label.question) for label in sorted(labels.LABELS, key=lambda x: x.asked)]
    assert places == sorted(places) and told.index("a key") > places[-1]
    assert [label.asked for label in labels.LABELS] != sorted(x.asked for x in labels.LABELS)
    del fonts
