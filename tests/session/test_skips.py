"""What is passed over, when the hub may be told, and what stops the sitting."""

from conftest import (
    cluster,
    fits_bytes,
    noise,
    put,
    python_with,
    tarball,
    triplets,
    verified,
    wait_until,
)
from onscreen import SHADES, await_shades, plain_triplets, tap

import labelfile
from session import skips
from session.folder import Folder, Record


def spoilt(objids, among):
    """Make triplets of which some cannot be shown."""
    return {
        name: b"broken" if any(f"srch{objid}." in name for objid in objids) else data
        for name, data in among.items()
    }


def written(tmp_path):
    """Return Object IDs and ACTIONs of all rows that the data folder holds."""
    files = sorted((tmp_path / "data" / "labels").glob("*/*.csv"))
    return [(row.objid, row.action) for path in files for row in labelfile.read(path).rows]


def test_five_in_a_row_stop_the_sitting_and_are_not_written_until_the_person_goes_on(
    desk, tmp_path
):
    put(tmp_path, "a--x.tar.gz", spoilt(range(2, 9), triplets(range(1, 11))))
    subject = desk().open()
    assert subject.label("Good") == "1"
    subject.pump(lambda: subject.session.skips.stopped)
    session = subject.session
    assert "5 detections in a row cannot be shown" in session.skips.stopped
    assert "told nothing" in session.skips.stopped and "press Enter" in session.skips.stopped
    assert session.skips.stopped in subject.said and not session.page().detection
    assert not session.back() and not session.clock.runs
    assert written(tmp_path) == [("1", "Good")]
    assert session.go_on() and not session.go_on()
    subject.pump(lambda: session.page().pictures)
    assert session.page().detection.objid == "9"
    assert written(tmp_path) == [("1", "Good"), *((str(n), "Skipped") for n in range(2, 9))]


def test_closing_instead_of_going_on_sends_the_labels_and_nothing_else(desk, tmp_path, hub):
    subject = desk(hub).open()
    subject.pump(lambda: subject.session._begun and len(subject.session._line.pages) == 12)
    objids = [page.objid for page in subject.session._line.pages]
    subject.label("Good")
    subject.session.skips.add(dict.fromkeys(objids[1:6], "damaged"), "first")
    assert subject.session.skips.stopped
    assert subject.close()[0] == 0
    assert verified(hub) == {objids[0]: "Good"}


def test_a_bad_stamp_among_good_ones_is_written_once_another_picture_is_shown(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", spoilt((2, 3, 5), triplets(range(1, 7))))
    subject = desk().open()
    for _ in range(3):
        subject.label("Good")
    wanted = [("1", "Good"), ("2", "Skipped"), ("3", "Skipped"), ("4", "Good"), ("5", "Skipped")]
    assert written(tmp_path) == [*wanted, ("6", "Good")] and not subject.session.skips.stopped


def test_bad_stamps_at_the_end_are_written_without_asking(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", spoilt((2, 3), triplets(range(1, 4))))
    subject = desk().open()
    subject.label("Good")
    subject.pump(lambda: len(written(tmp_path)) == 3)
    assert not subject.session.skips.stopped


def test_where_no_picture_was_ever_shown_the_person_is_asked_though_there_are_few(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", spoilt((1, 2), triplets((1, 2))))
    subject = desk()
    subject.open(lambda page: subject.session.skips.stopped)
    assert not written(tmp_path)
    assert subject.session.go_on()
    assert written(tmp_path) == [("1", "Skipped"), ("2", "Skipped")]


def test_a_chunk_of_nothing_but_incomplete_triplets_is_asked_about_too(desk, tmp_path):
    members = {name: data for name, data in triplets(range(1, 9)).items() if "diff" not in name}
    put(tmp_path, "a--x.tar.gz", members)
    subject = desk()
    subject.open(lambda page: subject.session.skips.stopped)
    assert not written(tmp_path)


def test_incomplete_triplets_beside_whole_ones_stop_nothing(desk, tmp_path):
    members = triplets(range(1, 10))
    for objid in range(3, 10):
        del members[f"batch/diff{objid}.gif"]
    put(tmp_path, "a--x.tar.gz", members)
    subject = desk().open()
    subject.pump(lambda: subject.session._begun)
    subject.label("Good")
    assert len(written(tmp_path)) == 1 + 7 and not subject.session.skips.stopped


def test_what_is_not_the_stamps_fault_is_told_once_and_nothing_goes_on_from_there(tmp_path):
    said = []
    subject = skips.Skips(Record(Folder(tmp_path / "data", "ann")), said.append)
    subject.add({"1": "damaged"}, "x")
    for _ in range(2):
        subject.stop("Pillow is broken.")
        assert not subject.go_on() and subject.stopped == "Pillow is broken."
        subject.shown()
        subject.ended()
    assert said[1:] == ["Pillow is broken."] and not written(tmp_path), "1 may be a good one"


def test_an_error_that_is_not_the_stamps_stops_the_sitting_and_tells_the_hub_nothing(
    start, hub, tmp_path
):
    """25 s of it, and 180 of 180 detections were told to the hub as dealt with."""
    broken = python_with(tmp_path / "py", "numpy", "raise ImportError('made for Python 2.7')\n")
    program = start("--hub", hub, "--user", "ann", env={"ARTIFACTSPY_PYTHON": str(broken)})
    program.open_window(picture=False)
    wait_until(lambda: not program.is_blank(), what="a sentence across the stamps")
    wait_until(lambda: "made for Python 2.7" in program.said())
    for key in ("6", "1", "Return", "BackSpace", "Right"):
        tap(program, key)
    assert program.close() == 0
    assert not program.rows() and not verified(hub)
    assert program.said().count("made for Python 2.7") == 1  # once is enough
    assert "Traceback" not in program.said()


def test_a_broken_decoder_keeps_the_labels_that_were_given_before(start, tmp_path):
    """FITS stamps were shown, and then come pictures, with a Pillow that is broken."""
    code = "raise ImportError('cannot import name _imaging')\n"
    broken = python_with(tmp_path / "py", "PIL", code)
    members = {f"batch/{kind}8.fits": fits_bytes(noise()) for kind in ("srch", "temp", "diff")}
    hub = tmp_path / "hub"
    cluster("init", hub)
    (hub / "hub.ini").write_text("[hub]\ngold_share = 0\n")  # or the second may come first
    for name, part in (("first", members), ("second", triplets((1,)))):
        cluster("add", hub, tarball(tmp_path / f"{name}.tar.gz", part), "--stamp", name)
    program = start(
        *("--hub", hub, "--user", "ann"), env={"ARTIFACTSPY_PYTHON": str(broken)}
    ).open_window()
    assert program.label("6").objid == "8"
    wait_until(lambda: "cannot import name _imaging" in program.said())
    assert program.close() == 0
    assert verified(hub) == {"8": "Good"}


def test_enter_passes_over_what_cannot_be_shown_and_no_other_key_does(start, nothing, tmp_path):
    put(tmp_path, "a--own.tar.gz", spoilt(range(1, 6), plain_triplets(7)))
    program = start("--hub", nothing, "--user", "ann").open_window(picture=False)
    wait_until(lambda: "press Enter" in program.said())
    wait_until(lambda: not program.is_blank() and not program.is_painted(), what="the sentence")
    for key in ("6", "BackSpace", "Right", "space", "1"):
        tap(program, key)
    assert not program.rows()
    tap(program, "Return")
    await_shades(program, tuple(shade + 50 for shade in SHADES))
    assert [row.action for row in program.rows()] == ["Skipped"] * skips.LIMIT
    assert program.label("6").objid == "6"
