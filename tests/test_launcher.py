"""`./ArtifactSpy`: a fresh clone sets itself up, and what stands in the way is one sentence."""

import re
import shutil
import socket
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
OFFLINE = {"DISPLAY": ":0", "PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_RETRIES": "0"}


@pytest.fixture
def clone(tmp_path):
    """A fresh clone: what git has, and nothing a user gathered."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    folder = tmp_path / "ein Klon für 'Ω' 数"
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def bare_python(tmp_path):
    """A Python without numpy, astropy and Pillow."""
    venv.create(tmp_path / "a bare Πython")
    return tmp_path / "a bare Πython" / "bin" / "python3"


def pretending(folder, python, pretence):
    """Make a Python in which something is otherwise: no machine has all faults at once."""
    path = folder / "pretending"
    path.write_text(f'#!/bin/sh\nexec "{python}" "$1" "$2" "{pretence}; $3"\n')
    path.chmod(0o755)
    return path


def environment(home, **more):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", **more}


def refused(clone, systems=("Debian", "Fedora", "macOS"), **env):
    done = subprocess.run(
        ["/bin/sh", clone / "ArtifactSpy"],
        env=environment(clone, **env),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    (sentence,) = done.stderr.strip().splitlines()
    for system in systems:
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
        for told in (b"Setting up, this once", b"  fetching numpy-2", b"  installing them"):
            assert (told in program.before) == (start == 1)
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


def test_what_was_fetched_and_does_not_work_here_is_told_and_not_kept(clone, bare_python):
    lock = clone / "requirements.lock"
    lock.write_text(re.sub("pillow==[0-9.]+", "pillow==99", lock.read_text()))
    (clone / "requirements.txt").write_text("Pillow>=10.3\n")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}
    sentence = refused(clone, ARTIFACTSPY_PYTHON=str(bare_python), DISPLAY=":0", **offline)
    assert (
        "does not work on this machine (ModuleNotFoundError: No module named 'numpy')" in sentence
    )
    assert (clone / ".venv" / "unfinished").exists()


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
        **OFFLINE,
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
            **OFFLINE,
        )
        assert "The packages could not be fetched" in sentence
    assert (clone / ".venv" / "unfinished").exists()


def test_a_set_up_that_is_stopped_says_no_more_and_leaves_its_mark(clone, bare_python):
    with socket.create_server(("127.0.0.1", 0)) as index:  # it takes calls and never answers
        program = pexpect.spawn(
            "/usr/bin/env",
            [str(clone / "ArtifactSpy")],
            env=environment(
                clone,
                ARTIFACTSPY_PYTHON=str(bare_python),
                DISPLAY=":0",
                PIP_INDEX_URL=f"http://127.0.0.1:{index.getsockname()[1]}/",
            ),
            timeout=60,
        )
        index.settimeout(60)
        index.accept()[0].close()
        program.sendintr()
        program.expect(pexpect.EOF)
    program.close()
    assert program.exitstatus == 2 and b"ArtifactSpy:" not in program.before
    assert (clone / ".venv" / "unfinished").exists()


@pytest.fixture
def small_clone(small_disk, clone):
    """What a set-up takes of a clone, on a disk of its own."""
    for name in ("ArtifactSpy", "sync.sh", "requirements.lock", "requirements.txt"):
        shutil.copy2(clone / name, small_disk)
    return small_disk


def remount(disk, options):
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


@pytest.mark.parametrize("room", ["200k", "24m"], ids=["pip", "packages"])
def test_a_disk_that_is_full_is_told_as_such_and_not_as_a_network(small_clone, bare_python, room):
    remount(small_clone, f"size={room}")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}
    sentence = refused(small_clone, ARTIFACTSPY_PYTHON=str(bare_python), DISPLAY=":0", **offline)
    assert "There is no room" in sentence and "network" not in sentence
    assert bool(list(small_clone.glob(".venv/bin/pip*"))) == (room == "24m")


def test_a_clone_that_cannot_be_written_to_is_told_as_such(small_clone, bare_python):
    remount(small_clone, "ro")
    python = {"ARTIFACTSPY_PYTHON": str(bare_python), "DISPLAY": ":0"}
    assert "Nothing can be written to" in refused(small_clone, systems=(), **python)


def test_a_clone_from_which_nothing_may_be_run_is_told_as_such(small_clone):
    """Its sync.sh would fail later, and numpy's libraries where numpy is set up in it."""
    remount(small_clone, "noexec")
    assert "its disk is mounted noexec" in refused(small_clone, systems=(), DISPLAY=":0")


def complete_venv(folder):
    """Make a virtual environment that has everything, as far as the launcher sees."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "all.pth").write_text(str(Path(numpy.__file__).parent.parent))
    return folder / "bin" / "python"


def answers(clone, **env):
    done = subprocess.run(
        [clone / "ArtifactSpy", "--version"],
        env=environment(clone, PATH="/usr/bin:/bin", **env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.stdout


def test_a_clone_that_was_moved_keeps_its_virtual_environment(clone):
    complete_venv(clone / ".venv")
    moved = clone.rename(clone.with_name("moved"))
    assert "numpy none" not in answers(moved)


def test_a_virtual_environment_whose_python_has_gone_is_made_anew(clone, bare_python):
    python = complete_venv(clone / ".venv")
    python.with_name("python3").unlink()
    python.unlink()
    python.symlink_to("/gone/python3")
    sentence = refused(
        clone,
        ARTIFACTSPY_PYTHON=str(bare_python),
        **OFFLINE,
    )
    assert "The packages could not be fetched" in sentence
    assert python.exists(), "it is a Python again"


def test_the_versions_are_told_without_numpy_and_without_a_screen(clone, bare_python):
    said = answers(clone, ARTIFACTSPY_PYTHON=str(bare_python))
    assert "numpy none, astropy none, Pillow none" in said
    assert not (clone / ".venv").exists()


def test_the_python_that_is_named_stands_above_the_virtual_environment(clone, tmp_path):
    complete_venv(clone / ".venv")
    named = tmp_path / "the one I want"
    named.write_text(f'#!/bin/sh\necho named\nexec "{sys.executable}" "$@"\n')
    named.chmod(0o755)
    assert answers(clone, ARTIFACTSPY_PYTHON=str(named)).startswith("named\n")
    assert answers(clone).startswith("ArtifactSpy")


def test_neither_another_pythons_variables_nor_what_lies_in_the_folder_gets_in(start, tmp_path):
    """A survey's setup script had set them, and no stamp could be shown."""
    broken = tmp_path / "elsewhere"
    broken.mkdir()
    for name in ("numpy", "tkinter", "argparse", "PIL", "astropy"):
        (broken / f"{name}.py").write_text("raise ImportError('of another Python')\n")
    others = {"PYTHONPATH": str(broken), "PYTHONHOME": "/gone", "PYTHONSAFEPATH": "1"}
    program = start("--practice", env=others, cwd=broken)
    program.open_window("ArtifactSpy: practice")
    program.repeat(lambda: program.screen.key("6"), program.rows)
    assert program.close() == 0
