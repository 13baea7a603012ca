"""Stamps are looked at before anyone is asked: by other processes, which stamps cannot harm."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT, fits_bytes, gif, noise, tiny_gif

import stamps
from cluster import looking
from cluster.looking import Place, look

# A Pillow that does what a bad one does, or a good one with bytes that are hostile.
PILLOW = """
import os
class Picture:
    mode, size = "L", (1, 1)
    __enter__ = lambda self: self
    __exit__ = lambda *_: None
    load = lambda self: None
    def __array__(self, *_, **__):
        import numpy
        return numpy.zeros((1, 1), numpy.uint8)
def open(file, formats):
    data = file.read()
    while b"spin" in data:
        pass
    if b"large" in data:
        bytes(3 << 30)
    if b"abort" in data:
        os.abort()
    return Picture()
"""


@pytest.fixture
def file(tmp_path):
    """A file that stamps are put into; `put` returns the places of some."""
    with (tmp_path / "stamps").open("w+b") as opened:

        def put(*some):
            places = []
            for suffix, data in some:
                places.append(Place(opened.tell(), opened.write(data), suffix))
            opened.flush()
            return places

        opened.put = put
        yield opened


@pytest.fixture
def pillow(tmp_path, monkeypatch):
    """Return what puts another Pillow in front of ours."""

    def put(text):
        (tmp_path / "path" / "PIL").mkdir(parents=True)
        (tmp_path / "path" / "PIL" / "__init__.py").write_text("")
        (tmp_path / "path" / "PIL" / "Image.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))

    return put


def seen(file, places):
    return dict(look(file.fileno(), iter(places)))


def test_what_the_window_can_show_passes_and_the_rest_is_told_why(file):
    good = file.put((".gif", gif(1)), (".fits", fits_bytes(noise())))
    cut, empty = file.put((".gif", gif(2)[:900]), (".fits", b""))
    large = file.put((".gif", gif(3, stamps.SIDE_LIMIT + 1)))
    found = seen(file, [*good, cut, empty, *large])
    assert [found.pop(place) for place in good] == [looking.Seen()] * 2
    assert all(told.why and not told.blind for told in found.values())
    assert "1024 a side" in found[large[0]].why


def test_thousands_are_looked_at_by_several_processes_and_none_is_left_out(file, monkeypatch):
    begun = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **b: begun.append(a) or popen(*a, **b))
    [place] = file.put((".gif", gif(1)))
    found = list(look(file.fileno(), iter([place] * 1250)))
    assert found == [(place, looking.Seen())] * 1250
    assert len(begun) == min(3, os.cpu_count())


def test_a_stamp_that_kills_who_reads_it_costs_itself_alone(file, pillow):
    pillow(PILLOW)
    said = ("a", "abort", "b", "abort", "c")
    places = file.put(*((".gif", tiny_gif(text)) for text in said))
    found = seen(file, places)
    assert [found[place].why for place in places] == [None, looking._FATAL] * 2 + [None]


def test_a_stamp_that_takes_too_much_memory_is_told_so(file, pillow):
    pillow(PILLOW)
    one, two = file.put((".gif", tiny_gif("large")), (".gif", tiny_gif("a")))
    found = seen(file, [one, two])
    told = found[one].why or found[one].blind
    assert "memory" in told.lower() and found[two] == looking.Seen()


def test_a_stamp_that_never_ends_is_ended(file, pillow):
    pillow(PILLOW)
    [place] = file.put((".gif", tiny_gif("spin")))
    code = f"from cluster import looking; looking._SECONDS = 0.2; looking._main({file.fileno()})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=f"{place.place} {place.size} .gif\n".encode(),
        pass_fds=[file.fileno()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGPROF, b"")


def test_a_decoder_that_is_not_there_is_no_fault_of_the_stamps(file, pillow):
    pillow('raise ImportError("numpy.core.multiarray failed to import")')
    places = file.put(*((".gif", gif(number)) for number in range(3)))
    found = seen(file, places)
    assert all(told.blind and told.why is None for told in found.values()) and len(found) == 3


def test_a_decoder_that_dies_of_everything_is_no_fault_of_the_stamps(file, pillow):
    pillow("import os; os.abort()")
    places = file.put(*((".gif", gif(number)) for number in range(20)))
    found = seen(file, places)
    assert len(found) == 20
    assert {told.why for told in found.values()} == {None}
    assert {told.blind for told in found.values()} == {
        f"{sys.executable} has ended 5 times while it looked"
    }
