"""Examples of labels: which there are, and where in them to look."""

import numpy as np
import pytest
from onscreen import code, codes
from PIL import Image

import labels
from window import colours
from window.example import HIGH, WIDE, Example, Place, examples, place_in


def test_all_pictures_of_a_label_are_found_in_order(tmp_path):
    for name in (
        "Good-2.png",
        "Good.png",
        "Good-1.png",
        "GoodOne.png",
        "Good-3.gif",
        "Marginal.png",
    ):
        (tmp_path / name).touch()
    found = examples("Good", tmp_path)
    assert [path.name for path in found] == ["Good.png", "Good-1.png", "Good-2.png"]
    assert all(examples(label.name) for label in labels.LABELS)


def test_where_to_look_is_told_by_a_table(tmp_path):
    (tmp_path / "places.csv").write_text(
        "FILE,STAMP,COLUMN,ROW\nGood.png,srch,20,30\nGood-2.png,diff,1,2\n"
    )
    assert place_in(tmp_path / "Good.png") == Place(0, 20, 30)
    assert place_in(tmp_path / "Good-2.png") == Place(2, 1, 2)
    assert place_in(tmp_path / "Other.png") is None


@pytest.mark.parametrize(
    "table", [None, "", "FILE\nGood.png\n", "FILE,STAMP,COLUMN,ROW\nGood.png,none,x,1\n"]
)
def test_where_nobody_says_it_there_is_no_place(tmp_path, table):
    if table is not None:
        (tmp_path / "places.csv").write_text(table)
    assert place_in(tmp_path / "Good.png") is None


@pytest.mark.parametrize("zoom", [1, 3])
def test_the_ring_is_around_the_place(root, screen, tmp_path, zoom):
    Image.new("L", (WIDE, HIGH), 90).save(tmp_path / "Good.png")
    (tmp_path / "places.csv").write_text("FILE,STAMP,COLUMN,ROW\nGood.png,temp,20,30\n")
    root.overrideredirect(True)
    root.geometry("+0+0")
    Example(root, tmp_path / "Good.png", zoom).pack()
    root.update()
    box = (0, 0, WIDE * zoom, HIGH * zoom)
    ring = codes(screen.grab(box)) == code(colours.MARK)
    rows, columns = np.nonzero(ring)
    middle = (54 + 20.5) * zoom, 30.5 * zoom
    assert abs((columns.min() + columns.max()) / 2 - middle[0]) <= zoom
    assert abs((rows.min() + rows.max()) / 2 - middle[1]) <= zoom
    assert not ring[int(middle[1]), int(middle[0])]  # around it, and not upon it
