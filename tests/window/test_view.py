"""The three stamps: blinking, marks and rings, what is under the pointer, odd sizes."""

import csv
import time

import numpy as np
from conftest import KINDS, ROOT, fits_bytes, noise, tarball, wait_until
from onscreen import (
    SHADES,
    await_shades,
    cell,
    code,
    codes,
    fit_of,
    marked,
    middle,
    pass_time,
    plain,
    plain_triplets,
    practise,
    seen,
    shades,
    swapped,
    tap,
)

import labels
from window import colours, layout
from window.view import BLINK
from window.window import GUARD


def test_the_stamps_on_screen_are_those_of_the_detection_that_is_labelled(start, tmp_path, hub):
    """Each triplet has a colour of its own here, and the screen must show that of the row."""
    members = {}
    for number in range(1, 9):
        for kind in KINDS:
            members[f"a/{kind}{number}.gif"] = plain(number * 30)
    (tmp_path / "data" / "chunks").mkdir(parents=True)
    tarball(tmp_path / "data" / "chunks" / "a--flat.tar.gz", members)
    program = start("--hub", hub, "--user", "ann").open_window(picture=False)
    fit = layout.fit(program.width, program.height)

    def shades():
        middles = [fit.left + i * (fit.side + fit.unit) + fit.side // 2 for i in range(3)]
        y = fit.top + fit.side // 2
        return {program.screen.grab((x, y, x + 1, y + 1)).getpixel((0, 0))[0] for x in middles}

    for number in range(1, 9):
        wait_until(lambda n=number: shades() == {n * 30}, what=f"triplet {number}")
        assert program.label("6").objid == str(number)


def test_search_and_template_change_places_as_long_as_b_or_a_click_is_held(begin, reader):
    program = begin(plain_triplets())
    fit, screen = fit_of(program), program.screen
    screen.key("b", up=False)
    await_shades(program, swapped(SHADES))
    # the names go with the pictures, in a colour that says so
    reader.waits(program, "Template", colours.MARK)
    titles = fit.left, fit.top - 1.7 * fit.unit, fit.left + fit.side, fit.top - 0.2 * fit.unit
    assert code(colours.MARK) in codes(screen.grab(titles))
    for _ in range(5):  # what X sends for a held key
        screen.repeat("b")
        pass_time(0.03)
        assert shades(program) == swapped(SHADES)
    screen.key("b", down=False)
    await_shades(program, SHADES)
    assert code(colours.MARK) not in codes(screen.grab(titles))
    for i in range(3):
        x, y = middle(cell(program, i))
        screen.point(x + 9, y + 9)
        screen.button(up=False)
        await_shades(program, swapped(SHADES))
        if i == 2:  # and released beside it
            screen.point(program.width // 2, program.height - 3)
        screen.button(down=False)
        await_shades(program, SHADES)
    assert not program.rows()


def test_a_click_that_is_held_holds_what_blinks_on_its_own(begin):
    program = begin(plain_triplets())
    tap(program, "B")
    x, y = middle(cell(program, 0))
    program.screen.point(x + 9, y + 9)
    program.screen.button(up=False)
    await_shades(program, swapped(SHADES))
    end = time.monotonic() + 4 * BLINK / 1000
    while time.monotonic() < end:
        assert shades(program) == swapped(SHADES)
    program.screen.button(down=False)
    await_shades(program, SHADES)
    await_shades(program, swapped(SHADES))  # and then it goes on


def test_shift_b_blinks_five_times_in_two_seconds_until_pressed_again(begin):
    program = begin(plain_triplets())
    program.screen.key("B")
    await_shades(program, swapped(SHADES))
    start = time.monotonic()
    for _ in range(2):
        await_shades(program, SHADES)
        await_shades(program, swapped(SHADES))
    assert 0.7 <= time.monotonic() - start <= 2.5  # 0.8 s, and this machine may be busy
    program.screen.key("6")  # labelling goes on, and the next picture blinks, too
    second = tuple(shade + 10 for shade in SHADES)
    await_shades(program, second)
    await_shades(program, swapped(second))
    program.screen.key("B")
    await_shades(program, second)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        assert shades(program) == second


def test_the_pixel_under_the_pointer_is_told_as_fits_counts(begin, reader):
    members = {}
    for kind, base in zip(KINDS, (0, 100, 200)):
        values = np.arange(51 * 51, dtype="f8").reshape(51, 51) * 1e-3 + base
        values[40, 30] = np.nan
        members[f"a/{kind}1.fits"] = fits_bytes(values)
    program = begin(members, first=None)
    zoom = fit_of(program).side / 51

    def point(i, x, y):
        left, _, _, bottom = cell(program, i)
        program.screen.point(left + (x - 0.5) * zoom, bottom - (y - 0.5) * zoom)

    point(0, 1, 1)
    reader.waits(program, "Search  x 1  y 1:  0", colours.DIM)
    point(1, 12, 51)
    value = 100 + (50 * 51 + 11) * 1e-3
    reader.waits(program, f"Template  x 12  y 51:  {value:.6g}", colours.DIM)
    program.screen.key("b", up=False)  # where Template stood is Search now
    reader.waits(program, f"Search  x 12  y 51:  {value - 100:.6g}", colours.DIM)
    program.screen.key("b", down=False)
    tap(program, "g")  # what is smooth has the values that were measured all the same
    point(0, 12, 51)
    reader.waits(program, f"Search  x 12  y 51:  {value - 100:.6g}", colours.DIM)
    point(2, 31, 41)
    reader.waits(program, "Difference  x 31  y 41:  no value", colours.DIM)
    program.screen.point(program.width // 2, program.height - 3)
    wait_until(lambda: not reader.sees(program, "no value", colours.DIM), what="nothing to tell")


def test_the_longest_value_under_the_pointer_is_told_in_full(begin, reader):
    members = {f"a/{kind}1.fits": fits_bytes(-1.23456e-5 * noise((51, 51))) for kind in KINDS}
    values = np.full((51, 51), -1.23457e-5)
    values[0] = 1
    members["a/diff1.fits"] = fits_bytes(values)
    program = begin(members, first=None)
    zoom = fit_of(program).side / 51
    left, top, _, _ = cell(program, 2)
    program.screen.point(left + 49.5 * zoom, top + 0.5 * zoom)
    reader.waits(program, "x 50  y 51:  -1.23457e-05", colours.DIM)
    reader.waits(program, "Difference  x 50  y 51:  -1.23457e-05", colours.DIM)


def test_practice_rings_the_telling_place_and_tables_labels_against_truth(start, tmp_path, reader):
    program = start("--practice", terminal=False).open_window("ArtifactSpy: practice")
    with (ROOT / "data" / "practice" / "truth.csv").open(newline="") as table:
        truth = {row["OBJID"]: row for row in csv.DictReader(table)}
    assert not any(marked(program, i) for i in range(3))
    given, row = [], None
    while not row or abs(int(row["X"]) - int(row["Y"])) < 2:  # most are at the very centre
        given.append(practise(program, "61"[len(given) % 2]))
        row = truth[given[-1].objid]
    program.screen.key("BackSpace")
    kind = KINDS.index(row["STAMP"])
    wait_until(lambda: marked(program, kind), what="the ring")
    assert [i for i in range(3) if marked(program, i)] == [kind]
    pixels = codes(program.screen.grab(cell(program, kind))) == code(colours.MARK)
    rows, columns = np.nonzero(pixels)
    zoom = fit_of(program).side / 51
    middle_of_ring = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    place = [(int(row[axis]) + 0.5) * zoom for axis in "XY"]
    assert np.abs(np.subtract(middle_of_ring, place)).max() < zoom / 2
    radius = np.hypot(columns - place[0], rows - place[1])
    assert radius.std() < 3 and radius.min() > 2 * zoom  # a ring, around and not upon it
    was = labels.title(row["LABEL"])
    if given[-1].action == row["LABEL"]:
        reader.waits(program, f"✓ {given[-1].objid} was {was}.", colours.GOOD_NEWS)
    else:
        said = labels.title(given[-1].action)
        reader.waits(program, f"✗ You said {said}; it was {was}.", colours.BAD_NEWS)
    program.screen.key("Return")
    wait_until(lambda: not any(marked(program, i) for i in range(3)), what="no ring")
    assert program.close() == 0
    keys = "".join(f"{label.key:>5}" for label in labels.LABELS)
    assert f"what they were, labelled as       {keys}" in program.output
    first = {r.objid: r for r in given[::-1]}.values()  # of what was put off, and came again
    for label in labels.LABELS:
        cells = [
            sum(truth[r.objid]["LABEL"] == label.name and r.action == other.name for r in first)
            for other in labels.LABELS
        ]
        line = f"  {label.key}  {label.title:<29}" + "".join(f"{n or '.':>5}" for n in cells)
        assert (line in program.output) == any(cells)


def test_stamps_of_any_size_are_shown_at_one_zoom_or_passed_over_with_the_reason(begin):
    members = {
        "a/srch1.gif": plain(60, 60, 40),
        "a/temp1.gif": plain(120, 30, 30),
        "a/diff1.gif": plain(180, 20, 60),
        **{f"a/{kind}2.fits": fits_bytes(np.full((1, 1), 7.0)) for kind in KINDS},
        **{f"a/{kind}3.gif": plain(90) for kind in KINDS},
        "a/temp3.gif": plain(90, 4000, 4000),
        **{f"a/{kind}4.gif": plain(200) for kind in KINDS},
    }
    program = begin(members, SHADES)
    side = fit_of(program).side
    for i, (shade, width, height) in enumerate(((60, 60, 40), (120, 30, 30), (180, 20, 60))):
        rows, columns = np.nonzero(seen(program)[i][:, :, 0] == shade)
        size = columns.max() - columns.min() + 1, rows.max() - rows.min() + 1
        assert np.abs(np.subtract(size, (side * width / 60, side * height / 60))).max() <= 1
        # in the middle of its square
        assert abs(columns.min() + columns.max() - side) <= 3
        assert abs(rows.min() + rows.max() - side) <= 3
    program.label("6")
    await_shades(program, (128, 128, 128))
    program.screen.key("m")
    program.screen.point(*middle(cell(program, 1)))
    pass_time(GUARD)
    program.screen.key("6")
    await_shades(program, (200, 200, 200))
    wait_until(
        lambda: "temp3.gif: 4000 x 4000 pixels, and at most 1024 a side are shown" in program.said()
    )
    assert program.label("6").objid == "4"
    actions = {row.objid: row.action for row in program.rows()}
    assert actions == {"1": "Good", "2": "Good", "3": "Skipped", "4": "Good"}
