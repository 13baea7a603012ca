"""The hub: its commands' answers, and what it says when something is not as it should be."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import ast
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from hubs import (
    copy_clone,
    empty,
    hub,
    run,
    setting,
    tarball,
    tree,
)


def test_an_old_python_gets_one_sentence():
    for name in ("__init__.py", "__main__.py"):
        source = (ROOT / "cluster" / name).read_text(encoding="ascii")
        ast.parse(source, feature_version=(3, 7))
        assert not re.search(r"\bf\"|\bf'|print\(|->|:=|nonlocal|, \*,", source), (
            "2.7 must parse it"
        )
    code = "import runpy, sys; sys.version_info = (3, 6, 9, 'final', 0)\n"
    code += "runpy.run_module('cluster', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(
        r"The hub needs Python 3\.9 .* 3\.6\.9: nothing was changed\. .*\n", done.stderr
    )


def test_the_hub_needs_the_standard_library_only(hub, tmp_path):
    tarball(tmp_path / "more.tar.gz", ["77"])
    code = "import sys; sys.modules.update(numpy=None, PIL=None, astropy=None)\n"
    code += "sys.argv[0] = 'cluster'; from cluster.__main__ import main; sys.exit(main())"
    for arguments in (("add", hub, tmp_path / "more.tar.gz"), ("next", hub), ("status", hub)):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_help_lists_the_verbs_and_gives_an_example_of_each(empty):
    text = run(empty, "--help").stdout
    for verb in ("init", "add", "next", "receive", "collect", "status"):
        assert re.search(rf"^ +{verb} +\w+ \w+", text, re.M)
        assert f"Example: python3 -m cluster {verb} /" in run(empty, verb, "--help").stdout
    for wrong in ((), ("nexxt",), ("next", "--haave", "x"), ("receive", "x")):
        assert run(empty, *wrong).returncode == 2


def list_chunk(hub, name):
    header = (hub / "chunks.csv").read_text().splitlines()[0]
    (hub / "chunks.csv").write_text(f"{header}\n{name},0,0,0,,0\n")


@pytest.mark.parametrize(
    "spoil, sentence",
    [
        (lambda hub: (hub / "hub.ini").write_text("labelers = 3"), "hub.ini cannot be understood"),
        (lambda hub: setting(hub, "labelers", "many"), "(labelers = many is no whole number): "),
        (lambda hub: setting(hub, "gold_share", "10 %"), "(gold_share = 10 % is no number): "),
        (lambda hub: setting(hub, "labelers", "0"), "counts and days begin at 1"),
        (lambda hub: (hub / "hub.ini").write_bytes(b"\xff\xfe"), "hub.ini cannot be understood"),
        (lambda hub: (hub / "hub.ini").unlink(), "There is no hub"),
        (lambda hub: (hub / "chunks.csv").write_text("name,sum\n"), "damaged in line 1"),
        (lambda hub: list_chunk(hub, "../../x"), "damaged in line 2"),
        (lambda hub: (hub / "chunks.csv").unlink(), "chunks.csv says 'No such file"),
        (lambda hub: shutil.rmtree(hub / "claims"), "says 'No such file"),
    ],
)
def test_a_spoilt_hub_is_told_in_a_sentence(hub, spoil, sentence):
    spoil(hub)
    done = run(hub, "next", "--as", "alice")
    assert done.returncode == 1
    assert sentence in done.stderr


def test_who_reads_only_the_beginning_is_told_nothing_of_broken_pipes(hub):
    """`report | head` ended in a sentence on the file system."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([hub / "hub", "status"], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_names_that_the_locale_cannot_write_are_no_bug(tmp_path):
    command = [sys.executable, "-m", "cluster", "init", tmp_path / "hü"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_names_are_checked_before_they_become_paths(hub):
    before = tree(hub)
    for user in ("..", ".", "a/b", "a--b", "", "x" * 33, ".hidden"):
        assert run(hub, "next", f"--as={user}").returncode == 2
    sha = "0" * 64
    for file in ("../x--2026-01-02_03-04-05.csv", "alice.csv", "..--2026-01-02_03-04-05.csv"):
        assert run(hub, "receive", file, sha, "--as", "..").returncode == 2
    assert run(hub, "receive", "a--2026-01-02_03-04-05.csv", "../x", "--as", "a").returncode == 2
    assert tree(hub) == before


NEW_VERB = '''"""A new verb."""

import sys

VERB = "{verb}"
HELP = "tell how it is"
EXAMPLE = "--loudly"


def options(parser):
    parser.add_argument("--loudly", action="store_true", help="so that all hear it")


def run(folder, loudly):
    print(folder, loudly, *sorted(name for name in sys.modules if name.startswith("cluster.")))
    return 3
'''


def test_a_new_verb_is_one_file_and_no_other_is_imported(hub, tmp_path):
    clone = copy_clone(tmp_path / "clone")
    (clone / "cluster" / "anew.py").write_text(NEW_VERB.format(verb="new"))
    (clone / "cluster" / "none.py").write_text('"""No verb."""\n\nHELP = "x"\n')

    def ask(*words):
        command = [sys.executable, "-m", "cluster", *words]
        return subprocess.run(command, cwd=clone, capture_output=True, text=True)

    done = ask("new", hub, "--loudly")
    assert (done.returncode, done.stdout) == (3, f"{hub} True cluster.anew cluster.hub\n")
    assert re.search(r"^    check .*\n    new  +tell how it is\n", ask("--help").stdout, re.M)
    assert "Tell how it is.\n" in ask("new", "--help").stdout
    assert "Example: python3 -m cluster new /data/hub --loudly\n" in ask("new", "--help").stdout
    assert ask("none", hub).returncode == ask("terminal", hub).returncode == 2


def test_every_module_that_runs_is_a_verb_and_says_what_it_does(empty):
    text = run(empty, "--help").stdout
    told = re.findall(r"^    (\w+)", text, re.M)
    flow = "init add metadata import next receive collect status report consensus export exclude"
    assert told[:13] == [*flow.split(), "check"], "others come after these"
    sources = [path.read_text() for path in (ROOT / "cluster").glob("[a-z]*.py")]
    assert sum("\ndef run(" in source for source in sources) == len(told)


def test_what_a_login_node_runs_imports_the_standard_library_only(hub):
    """Not even where numpy is there: it takes longer than all that they do."""
    code = "import sys; from cluster.__main__ import main; main()\n"
    code += "print('numpy' in sys.modules, 'sqlite3' in sys.modules, file=sys.stderr)"
    for verb in ("status", "next", "collect", "check"):
        command = [sys.executable, "-c", code, verb, hub]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.stderr == "False False\n", verb
