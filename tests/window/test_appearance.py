"""How the stamps are looked at: scalings, brightness, contrast, marks, and what is kept of it."""

import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import KINDS, ROOT, wait_until
from onscreen import (
    SHADES,
    await_look,
    await_shades,
    cell,
    code,
    codes,
    drawn,
    fit_of,
    marked,
    middle,
    pass_time,
    plain,
    plain_triplets,
    scenes,
    seen,
    tap,
    ticked,
)

import scaling
import stamps
from look import SCALINGS, Look
from window import appearance, colours
from window.window import GUARD


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
    assert appearance.from_settings(kept) == (Look(), None)


def test_a_look_is_taken_from_the_settings_as_it_was_kept():
    for look in (Look(), Look("zscale", True, -0.25, 12.5)):
        kept = {name: str(value) for name, value in look._asdict().items()}
        for text, marks in (("yes", True), ("no", False), ("", None)):
            assert appearance.from_settings({**kept, "marks": text}) == (look, marks)
            assert appearance.as_settings(look, marks) == {**kept, "marks": text}


@pytest.mark.parametrize("key, change", [(",", -1), (".", 1)])
def test_keys_change_brightness_as_a_drag_does(begin, key, change):
    program = begin(plain_triplets())
    tap(program, {",": "comma", ".": "period"}[key])
    await_shades(program, tuple(shade + round(change * 255 * 0.05) for shade in SHADES))


def test_keys_change_contrast_as_a_drag_does(begin):
    program = begin(plain_triplets())
    tap(program, "plus")
    harder = tuple(round(255 * ((shade / 255 - 0.5) * 1.2 + 0.5)) for shade in SHADES)
    await_shades(program, harder)
    tap(program, "minus")
    await_shades(program, SHADES)


def test_keys_change_the_look_and_0_takes_all_back(begin, tmp_path, reader):
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    screen = program.screen
    wait_until(lambda: all(marked(program, i) for i in range(3)), what="marks on FITS stamps")
    tap(program, "m")
    usual = await_look(program, path, Look())
    different = [usual]
    for name in [*SCALINGS][1:]:
        tap(program, "s")
        different.append(await_look(program, path, Look(name)))
        reader.waits(program, f"Scaling: {SCALINGS[name]}.")
    # on one scale Search keeps its limits here, which are the wider, and Difference has its own
    for i, alike in enumerate((1, 0, 1)):
        found = {pictures[i].tobytes() for pictures in different}
        assert len(found) == len(different) - alike
    tap(program, "i")
    await_look(program, path, Look(name, inverted=True))
    tap(program, "s")  # round and round
    await_look(program, path, Look(inverted=True))
    tap(program, "i")
    await_look(program, path, Look())
    for key in "sigB":
        tap(program, key)
    wait_until(lambda: not np.array_equal(seen(program)[2], usual[2]))
    screen.key("0")
    wait_until(lambda: all(marked(program, i) for i in range(3)), what="the marks")
    screen.key("m")
    await_look(program, path, Look())
    end = time.monotonic() + 0.5
    while time.monotonic() < end:  # it blinks no longer
        assert np.array_equal(seen(program)[0], usual[0])
    assert not program.rows()


def flat(pictures):
    """Return three pictures as one, to be compared."""
    return np.concatenate([picture.ravel() for picture in pictures])


def test_space_smooths_as_long_as_it_is_held_and_does_nothing_else(begin, tmp_path):
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    screen = program.screen
    tap(program, "m")
    sharp = await_look(program, path, Look())
    screen.key("space", up=False)
    smooth = await_look(program, path, Look(smooth=True))
    assert len(np.unique(np.diff(flat(smooth).astype(int)))) > len(np.unique(flat(smooth))) / 2
    for _ in range(8):  # what X sends for a held key
        screen.repeat("space")
        pass_time(0.03)
        assert np.array_equal(flat(seen(program)), flat(smooth))
    screen.key("space", down=False)
    await_look(program, path, Look())
    screen.key("space")  # a short press, too, is over when it is over
    pass_time(0.3)
    assert np.array_equal(flat(seen(program)), flat(sharp))
    assert not program.rows() and not program.screen.window("ArtifactSpy: help")
    program.close()
    assert "smooth = False" in (tmp_path / "data" / "settings.ini").read_text()


def test_labels_are_given_while_space_is_held_and_the_next_is_smooth(begin, tmp_path):
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    tap(program, "m")
    await_look(program, path, Look())
    program.screen.key("space", up=False)
    for objid in ("1", "2"):
        await_look(program, path, Look(smooth=True), objid)
        pass_time(GUARD + 0.05)
        program.screen.key("6")
        wait_until(lambda n=objid: program.rows() and program.rows()[-1].objid == n)
    await_look(program, path, Look(smooth=True), "3")
    program.screen.key("space", down=False)
    await_look(program, path, Look(), "3")
    assert [row.objid for row in program.rows()] == ["1", "2"]


def test_smoothing_is_kept_with_all_that_changes_the_look_beside_it(begin, tmp_path):
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    screen = program.screen
    for key in "mgi":
        tap(program, key)
    await_look(program, path, Look(inverted=True, smooth=True))
    tap(program, "period")
    look = Look(inverted=True, bias=0.5 - appearance.BRIGHTER, smooth=True)
    await_look(program, path, look)
    screen.key("space", up=False)  # held, it shows the other: here what is sharp
    await_look(program, path, look._replace(smooth=False))
    screen.key("space", down=False)
    search, template, _ = await_look(program, path, look)
    screen.key("b", up=False)
    wait_until(lambda: np.array_equal(seen(program)[0], template), what="Template in its place")
    assert np.array_equal(seen(program)[1], search)
    screen.key("b", down=False)
    tap(program, "s")
    look = look._replace(scaling="matched")
    await_look(program, path, look)
    program.close()
    program = begin(first=None)
    await_look(program, path, look)
    tap(program, "0")
    tap(program, "m")
    await_look(program, path, Look())


def test_the_next_scaling_waits_for_no_numpy(screen):
    """It is there only once the first picture is read, on another thread."""
    program = (
        "import sys, tkinter; from window.appearance import Appearance; import window.view as view;"
        "root = tkinter.Tk(screenName=sys.argv[1]); said = []; done = lambda: None;"
        "shown = Appearance(view.View(root, print), {}, done, said.append); shown.next_scaling();"
        "assert 'numpy' not in sys.modules; print(shown.look.scaling, *said)"
    )
    command = [sys.executable, "-c", program, screen.name]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    second = [*SCALINGS][1]
    assert done.stdout == f"{second} Scaling: {SCALINGS[second]}.\n"


def test_stamps_that_bring_marks_of_their_own_get_none_until_asked_for(begin):
    members = {f"a/{kind}1.gif": ticked(shade) for kind, shade in zip(KINDS, SHADES)}
    members["a/temp1.gif"] = plain(SHADES[1])  # decided for each stamp by its pixels
    program = begin(members)
    wait_until(lambda: marked(program, 1), what="marks on the one that brings none")
    assert not marked(program, 0) and not marked(program, 2)
    tap(program, "m")
    wait_until(lambda: not any(marked(program, i) for i in range(3)), what="no marks")
    tap(program, "m")
    wait_until(lambda: all(marked(program, i) for i in range(3)), what="marks on all")
    program.screen.key("0")
    wait_until(lambda: not marked(program, 0) and marked(program, 1), what="marks by the pixels")


def test_marks_point_at_the_centre_of_8_bit_stamps_too(begin):
    program = begin(plain_triplets())
    wait_until(lambda: all(marked(program, i) for i in range(3)), what="marks")
    pixels = codes(program.screen.grab(cell(program, 0))) == code(colours.MARK)
    rows, columns = np.nonzero(pixels)
    side = pixels.shape[0]
    assert np.array_equal(pixels, pixels.T) and abs(rows.mean() - side / 2) <= 1
    # they point at the centre, and leave it free
    assert np.hypot(rows - side / 2, columns - side / 2).min() > 0.09 * side
    program.screen.key("m")
    wait_until(lambda: not any(marked(program, i) for i in range(3)), what="no marks")
    program.screen.key("i")
    await_shades(program, tuple(255 - shade for shade in SHADES))


def dragged(program, across, up):
    """Drag over a stamp with the right button, and return the look that this makes of the usual."""
    side = fit_of(program).side
    x, y = middle(cell(program, 0))
    program.screen.drag((x, y), (x + across, y - up))
    return Look(bias=0.5 + across / side, contrast=4 ** (up / side))


def test_a_right_drag_tells_apart_what_was_white_in_the_values_themselves(begin, tmp_path):
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    program.screen.key("m")
    (usual, *_) = await_look(program, path, Look())
    zoom = fit_of(program).side / 51
    lower, higher = ((round(c * zoom), round((51 - 41.5) * zoom)) for c in (9, 41))

    def spots(picture):
        return tuple(int(picture[y, x][0]) for x, y in (lower, higher))

    assert spots(usual) == (255, 255)
    (darker, *_) = await_look(program, path, dragged(program, 180, -130))
    assert spots(darker)[0] < spots(darker)[1] < 255
    x, y = middle(cell(program, 1))
    program.screen.point(x, y)
    for _ in range(2):
        program.screen.button(3)
    await_look(program, path, Look())
    assert not program.rows()


def test_a_double_right_click_resets_though_the_hand_trembles(begin, tmp_path):
    """The second press, moved by a pixel, went on with the drag from before the reset."""
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    program.screen.key("m")
    await_look(program, path, Look())
    await_look(program, path, dragged(program, 100, 20))
    x, y = middle(cell(program, 1))
    program.screen.point(x, y)
    program.screen.button(3)
    program.screen.button(3, up=False)
    await_look(program, path, Look())
    program.screen.point(x + 1, y)
    program.screen.button(3, down=False)
    pass_time(0.3)
    await_look(program, path, Look())


def test_a_label_right_after_a_drag_counts(begin, tmp_path):
    """A new picture is guarded against presses meant for the one before, a redrawn one is not."""
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    program.screen.key("m")
    await_look(program, path, Look())
    pass_time(GUARD + 0.05)
    before = program.stamps_on_screen()
    look = dragged(program, 60, 60)
    wait_until(lambda: program.stamps_on_screen() != before)
    program.screen.key("6")
    wait_until(program.rows, what="the label")
    await_look(program, path, look, "2")  # and the next one comes in the same look
    assert len(program.rows()) == 1


def test_the_look_is_kept_for_the_next_session(begin, tmp_path):
    members = scenes()
    program = begin(members, first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    screen = program.screen
    screen.key("m")
    await_look(program, path, Look())
    look = dragged(program, -40, 30)._replace(scaling="matched", inverted=True)
    screen.key("s")
    screen.key("i")
    await_look(program, path, look)
    screen.resize(program.window, 1100, 640)
    program.width, program.height = 1100, 640
    await_look(program, path, look)
    program.close()
    program = begin(first=None)
    assert (program.width, program.height) == (1100, 640)
    await_look(program, path, look)  # without marks
    program.screen.key("0")
    program.screen.key("m")
    await_look(program, path, Look())


def test_real_stamps_take_every_look(begin, real, tmp_path):
    """Surveys of different sizes, formats and units, one after the other."""
    folder = tmp_path / "data" / "chunks"
    folder.mkdir(parents=True)
    path = folder / "mixed-public-01.tar.gz"
    path.write_bytes((real / path.name).read_bytes())
    program = begin(first=None)
    objids = stamps.Chunk(path).objids
    tap(program, "m")
    fits = any(
        stamp.pixels.dtype != np.uint8
        for stamp in scaling.triplet(objids[0], stamps.Chunk(path).encoded(objids[0]))
    )
    if not fits:
        tap(program, "m")
    look = Look()
    for objid in objids[:4]:
        for name in [*[*SCALINGS][1:], "asinh"]:
            tap(program, "s")
            look = look._replace(scaling=name)
            wanted = drawn(program, path, objid, look)
            wait_until(
                lambda w=wanted: all(map(np.array_equal, map(centred, seen(program), w), w)),
                what=f"{objid} in {look}",
            )
        program.label("6")


def centred(square, picture):
    """Cut what a picture covers out of its square."""
    top, left = (square.shape[axis] // 2 - picture.shape[axis] // 2 for axis in (0, 1))
    return square[top : top + picture.shape[0], left : left + picture.shape[1]]
