"""`./ArtifactSpy`: a fresh clone sets itself up, and what stands in the way is one sentence."""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy
import pexpect
import pytest
from conftest import ROOT, wait_until
from packaging.requirements import Requirement

WHEELS = Path(sys.prefix) / "wheels"


@pytest.fixture
def clone(tmp_path):
    """A fresh clone: what git has, and nothing a user gathered."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    folder = tmp_path / "a clone"
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def bare_python(tmp_path):
    """A Python without numpy, astropy and Pillow."""
    venv.create(tmp_path / "bare")
    return tmp_path / "bare" / "bin" / "python3"


def pretending(folder, python, pretence):
    """Make a Python in which something is otherwise: no machine has all faults at once."""
    path = folder / "pretending"
    path.write_text(f'#!/bin/sh\nexec "{python}" "$1" "$2" "{pretence}; $3"\n')
    path.chmod(0o755)
    return path


def environment(home, **more):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", **more}


def refused(clone, **env):
    done = subprocess.run(
        [clone / "ArtifactSpy"],
        env=environment(clone, **env),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    (sentence,) = done.stderr.strip().splitlines()
    for system in ("Debian", "Fedora", "macOS"):
        assert system in sentence
    return sentence


def test_a_python_that_has_everything_is_taken_at_once(clone):
    for program in (clone / "ArtifactSpy", clone.parent / "link", clone.parent / "relative"):
        if program.name == "link":
            program.symlink_to(clone / "ArtifactSpy")
        elif program.name == "relative":
            program.symlink_to("link")
        done = subprocess.run(
            [program, "--version"],
            env=environment(clone),
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("ArtifactSpy ")
    assert not (clone / ".venv").exists()


def test_a_fresh_clone_sets_itself_up_and_shows_practice_stamps(
    clone, bare_python, screen, tmp_path
):
    """The packages come from a folder of wheels here; everything else is as on a new laptop."""
    env = environment(
        tmp_path,
        PATH=f"{bare_python.parent}:/usr/bin:/bin",
        DISPLAY=screen.name,
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(WHEELS),
    )
    for start in (1, 2):
        program = pexpect.spawn(
            "/usr/bin/env", [str(clone / "ArtifactSpy")], env=env, cwd="/", timeout=120
        )
        wait_until(lambda: screen.window("ArtifactSpy"), 120, what="the question")
        screen.point(600, 500)
        screen.key("Return")  # practise
        program.expect_exact("To label for the survey: ./ArtifactSpy --user NAME")
        assert (b"Setting up, this once" in program.before) == (start == 1)
        wait_until(lambda: screen.window("ArtifactSpy: practice"), 30)
        screen.close_window(screen.window("ArtifactSpy: practice"))
        program.expect(pexpect.EOF)
        program.close()
        assert program.exitstatus == 0
    assert (clone / ".venv" / "bin" / "python").exists()
    ignored = subprocess.run(
        [
            "git",
            "-C",
            str(ROOT),
            "check-ignore",
            ".venv/x",
            "data/practice-session/x",
            "data/settings.ini",
        ],
        capture_output=True,
        check=False,
    )
    assert len(ignored.stdout.splitlines()) == 3


@pytest.mark.parametrize("python", [f"3.{minor}" for minor in range(9, 15)])
def test_what_is_locked_is_allowed_and_known_by_its_hash(python):
    locked, entry = {}, ""
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line[:1] not in " #":
            assert line.endswith(" \\"), "and hashes in the lines that follow"
            requirement = Requirement(line[:-2])
            entry = requirement.name
            marker = requirement.marker
            if marker is None or marker.evaluate({"python_full_version": f"{python}.1"}):
                assert entry not in locked, "two versions for one Python"
                (only,) = requirement.specifier
                locked[entry] = only.version
        elif line[:1] == " ":
            assert re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}( \\)?", line)
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if not line.startswith("#"):
            bound = Requirement(line)
            assert bound.specifier.contains(locked[bound.name.lower()])


def test_a_python_for_which_nothing_is_locked_takes_what_is_allowed(clone, bare_python):
    lock = clone / "requirements.lock"
    lock.write_text(re.sub("pillow==[0-9.]+", "pillow==99", lock.read_text()))
    (clone / "requirements.txt").write_text("Pillow>=10.3\n")  # the least that shows it
    done = subprocess.run(
        [clone / "ArtifactSpy"],
        env=environment(
            clone,
            ARTIFACTSPY_PYTHON=str(bare_python),
            DISPLAY=":nowhere",
            PIP_NO_INDEX="1",
            PIP_FIND_LINKS=str(WHEELS),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Set up." in done.stdout, done.stderr
    command = [clone / ".venv" / "bin" / "python", "-c", "import PIL"]
    subprocess.run(command, check=True)


def test_a_package_that_is_not_what_was_tested_is_not_installed(clone, bare_python):
    lock = clone / "requirements.lock"
    lock.write_text(re.sub("sha256:....", "sha256:0000", lock.read_text()))
    sentence = refused(
        clone,
        ARTIFACTSPY_PYTHON=str(bare_python),
        DISPLAY=":0",
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(WHEELS),
    )
    assert "could not be fetched" in sentence and "HASH" in sentence.upper()


def test_an_interrupted_set_up_is_begun_anew(clone, bare_python, tmp_path):
    """All packages can be found in it, but a file of one lacks: pip was killed while it copied."""
    venv.create(clone / ".venv", symlinks=True)
    (packages,) = (clone / ".venv").glob("lib/python3*/site-packages")
    (packages / "all.pth").write_text(str(Path(numpy.__file__).parent.parent))
    (clone / ".venv" / "unfinished").touch()
    sentence = refused(
        clone,
        PATH=f"{bare_python.parent}:/usr/bin:/bin",
        DISPLAY=":0",
        PIP_INDEX_URL="http://127.0.0.1:1/",
        PIP_RETRIES="0",
    )
    assert "The packages could not be fetched" in sentence


def test_a_virtual_environment_that_lost_its_packages_is_made_anew(clone, bare_python):
    """What an upgrade of the system's Python does to one; each start was a traceback."""
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to(bare_python)
    shutil.copy(clone / "requirements.txt", clone / ".venv" / "complete")
    sentence = refused(clone, PATH=f"{bare_python.parent}:/usr/bin:/bin")
    assert "There is no screen" in sentence


def test_without_python_it_says_how_to_get_one(clone):
    assert "Python 3.9 or newer is needed" in refused(clone, ARTIFACTSPY_PYTHON="/nonexistent")


def test_a_python_that_is_too_old_is_as_good_as_none(clone, tmp_path):
    old = pretending(tmp_path, sys.executable, "import sys; sys.version_info = (3, 8, 1)")
    assert "Python 3.9 or newer is needed" in refused(clone, ARTIFACTSPY_PYTHON=str(old))


@pytest.mark.parametrize(
    "pretence",
    [
        "import sys; sys.modules['tkinter'] = None",
        "import sys, tkinter; sys.modules['numpy'] = None; tkinter.TkVersion = 8.5",
    ],
    ids=["none", "8.5"],
)
def test_without_a_fit_tk_it_says_how_to_get_it(clone, tmp_path, pretence):
    python = pretending(tmp_path, sys.executable, pretence)
    assert "has no Tk 8.6" in refused(clone, ARTIFACTSPY_PYTHON=str(python), DISPLAY=":0")


def test_without_a_screen_it_does_not_even_set_up(clone, bare_python):
    sentence = refused(clone, ARTIFACTSPY_PYTHON=str(bare_python))
    assert "There is no screen" in sentence and not (clone / ".venv").exists()


def test_without_a_network_it_says_so_and_the_next_start_tries_again(clone, bare_python):
    for _ in range(2):
        sentence = refused(
            clone,
            ARTIFACTSPY_PYTHON=str(bare_python),
            DISPLAY=":0",
            PIP_INDEX_URL="http://127.0.0.1:1/",
            PIP_RETRIES="0",
        )
        assert "The packages could not be fetched" in sentence
    assert os.listdir(clone).count(".venv") <= 1 and not list(clone.glob(".venv-log*"))
