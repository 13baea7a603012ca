"""How long a detection was on screen, and the pace."""

import time
from datetime import datetime

import pytest
from conftest import midnight_in, put, triplets, wait_until
from onscreen import SHADES, await_shades, plain_triplets

import labelfile
from session import clock
from session.folder import Folder
from window import colours


def test_the_pace_is_that_of_most_labels_whatever_a_pause_took(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 9)))
    subject = desk().open()
    for number, seconds in enumerate((2, 2, 3600, 2, 2, 2)):
        assert (subject.session.clock.pace is None) == (number < 5)
        subject.session.clock._since = time.monotonic() - seconds
        subject.label("Good")
    assert abs(subject.session.clock.pace - 30) < 1


@pytest.fixture
def zones(monkeypatch):
    """Set the time zone, as POSIX writes it; the machine's comes back afterwards."""

    def set_zone(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


def test_today_begins_anew_at_midnight(zones):
    zones(midnight_in(43200))
    today = clock.Today()
    today.add(["1", "2"])
    today.add(["2"])
    assert today.count == 2
    zones(midnight_in(2))
    today = clock.Today()
    today.add(["1"])
    wait_until(lambda: today.count == 0, what="midnight")
    today.add(["1"])
    assert today.count == 1


def test_the_window_counts_anew_at_midnight(begin, reader):
    """And a label given before is at the hub as one given after."""
    midnight = time.time() + 15
    program = begin(plain_triplets(), env={"TZ": midnight_in(15)})
    program.label("6")
    reader.waits(program, "1 this session, 1 today", colours.DIM)
    wait_until(lambda: time.time() > midnight + 1, seconds=20, what="midnight")
    program.label("6")
    await_shades(program, tuple(shade + 20 for shade in SHADES))
    reader.waits(program, "2 this session, 1 today", colours.DIM)


@pytest.mark.parametrize("ahead", [True, False])
def test_on_a_day_on_which_the_clocks_change_today_begins_at_midnight(zones, tmp_path, ahead):
    """It was taken for an hour earlier or later, and labels of another day counted, or not."""
    now = datetime.utcnow()
    if now.hour < 4:
        pytest.skip("the clocks of this test change at three in the morning, UTC")
    day = now.timetuple().tm_yday - 1
    zones(f"AAA0BBB,{day}/3,{day + 300}/3" if ahead else f"AAA0BBB,{day + 300}/3,{day}/3")
    began = clock.midnight()
    folder = Folder(tmp_path, "ann")
    file = folder.new_file()
    for objid, seconds in (("1", -1800), ("2", 1800)):
        at = datetime.utcfromtimestamp(began + seconds).isoformat(timespec="milliseconds")
        file.append(labelfile.row(objid, "Good")._replace(time=f"{at}Z"))
    file.close()
    local = datetime.fromtimestamp(began)
    assert (local.hour, local.minute, local.date()) == (0, 0, datetime.now().date())
    assert folder.labelled_today() == {"2"}
