"""A chunk that ends the program costs one start."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT, fits_bytes, noise, put, triplets, wait_until

from session import aside

# What the labeller does with a chunk, in a process of its own
READ = """
import sys
from look import Look
from pathlib import Path
from session import pictures
from session.folder import Folder
from session.line import Detection
told, said = [], []
reader = pictures.Reader(Folder(Path(sys.argv[1]), "ann"), told.append, said.append)
while not told or not isinstance(told[-1], pictures.AllOpened):
    reader.read_on()
for opened in [message for message in told if isinstance(message, pictures.Opened)]:
    for objid in opened.objids:
        reader.draw(Detection(objid, opened.chunk, 1), pictures.Wanted(99, Look()))
        print(objid, flush=True)
reader.drop_finished()
print(*said, sep="\\n")
"""


def read(tmp_path, numpy=""):
    """Read all chunks; `numpy` is put before it, so that decoding does what no bytes do today."""
    script = numpy.replace("\n", "\n") + READ
    trial = tmp_path / "other"
    trial.mkdir(exist_ok=True)
    (trial / "sitecustomize.py").write_text(numpy)
    return subprocess.run(
        [sys.executable, "-c", script, tmp_path / "data"],
        cwd=ROOT,
        env={"PYTHONPATH": str(trial), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


DEADLY = """
import os, signal, decoding
def deadly(data, read=decoding.READERS[".fits"]):
    if data.endswith(b"deadly"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return read(data)
decoding.READERS[".fits"] = deadly
"""


def marks(tmp_path):
    return sorted(path.name for path in (tmp_path / "data" / "chunks").glob("*.reading"))


def test_a_chunk_that_ends_the_program_is_set_aside_until_it_is_renamed(tmp_path):
    image = fits_bytes(noise())
    parts = {"srch1.fits": image, "temp1.fits": image, "diff1.fits": image + b"deadly"}
    path = put(tmp_path, "a--x.tar.gz", parts)
    put(tmp_path, "b--x.tar.gz", triplets([2, 3]))
    sys_path = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    first = read(tmp_path, sys_path + DEADLY)
    assert first.returncode == -signal.SIGSEGV and marks(tmp_path) == ["a--x.tar.gz.reading"]
    for _ in range(2):
        again = read(tmp_path, sys_path + DEADLY)
        *shown, said = again.stdout.splitlines()
        assert again.returncode == 0 and shown == ["2", "3"]
        assert said.startswith("a--x.tar.gz ended the program, and is set aside: nothing of it is")
        assert path.exists() and marks(tmp_path) == ["a--x.tar.gz.reading"]
    path.rename(path.with_name("again--x.tar.gz"))
    assert read(tmp_path).stdout.splitlines()[:3] == ["1", "2", "3"]


def test_a_program_that_was_killed_for_another_reason_costs_no_chunk(tmp_path):
    path = put(tmp_path, "a--x.tar.gz", triplets([1]))
    killed = "import os, signal, decoding; decoding.READERS['.gif'] = lambda _: os.kill(0, 9)"
    killed = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); {killed.replace('(0', '(os.getpid()')}"
    )
    assert read(tmp_path, killed).returncode == -signal.SIGKILL
    assert marks(tmp_path) == ["a--x.tar.gz.reading"]
    assert read(tmp_path).stdout.splitlines() == ["1", ""] and not marks(tmp_path)
    assert path.exists()


def test_a_chunk_that_keeps_the_program_waiting_is_one_that_ends_it(tmp_path, monkeypatch):
    path = put(tmp_path, "a--x.tar.gz", triplets([1]))
    aside.mark_of(path).touch()
    monkeypatch.setattr(aside, "_TRIAL", "import signal; signal.pause()")
    monkeypatch.setattr(aside, "_PATIENCE", 0.5)
    assert aside.is_set_aside(path)
    monkeypatch.setattr(aside, "_TRIAL", "")
    assert aside.is_set_aside(path), "it is not tried at each start"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_mark_lies_there_only_meanwhile(tmp_path, number):
    path = put(tmp_path, "a--x.tar.gz", triplets([1]))
    with pytest.raises(KeyError), aside.marked(path):
        assert aside.mark_of(path).exists()
        raise KeyError
    assert not aside.mark_of(path).exists()
    child = os.fork()
    if not child:
        with aside.marked(path), contextlib.suppress(BaseException):
            signal.pause()
    wait_until(aside.mark_of(path).exists)
    os.kill(child, number)
    os.waitpid(child, 0)
    assert aside.mark_of(path).exists()
