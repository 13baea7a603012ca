"""What is on disk, and in which order: no power cut leaves a name without its content.

The system calls of a whole sitting and of the hub's verbs are followed (strace), in Python and in
sync.sh alike. What is wrong is said with the call at which it is.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, cluster, tarball, triplets
from hubs import row, upload

CALLS = "openat,write,writev,pwrite64,fsync,fdatasync,sync,rename,renameat,renameat2,link,linkat"
CALLS += ",unlink,unlinkat,exit_group,sendfile,copy_file_range"
_LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<words>.*)\) += (?P<result>-?\d+)")
_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
_FOLDER = re.compile(r"AT_FDCWD<([^>]*)>|\d+<([^>]*)>")
SITTING = """
import sys
from pathlib import Path
from conftest import Desk
desk = Desk(Path(sys.argv[1]), sys.argv[2]).open()
for name in ("Good", "Marginal", "Unsure"):
    desk.label(name)
assert desk.close()[0] == 0
"""


class Order:
    """Follows what of some folders is on the disk.

    Attributes
    ----------
    faults
        Sentences.
    renamed
        How many files were given their names so far.
    """

    def __init__(self, *folders):
        self._folders = tuple(f"{folder}/" for folder in folders)
        self._dirty, self._unnamed = set(), {}  # files; folders -> the last name that is new there
        self.faults, self.renamed = [], 0

    def follow(self, call, words, result):
        names = [self._path(words, number) for number in range(len(_NAME.findall(words)))]
        if call in ("write", "writev", "pwrite64", "sendfile", "copy_file_range"):
            files = [file for _, file in _FOLDER.findall(words)]
            self._write(files[call == "copy_file_range"])  # which names its source first
        elif call in ("fsync", "fdatasync"):
            path = _FOLDER.search(words).group(2)
            self._dirty.discard(path)
            self._unnamed.pop(path, None)
        elif call == "sync":
            self._dirty.clear()
            self._unnamed.clear()
        elif call == "openat" and "O_EXCL" in words and not self._passing(names[0]):
            self._name(names[0])
        elif call.startswith(("rename", "link")):
            old, new = names
            if self._is_kept(new):
                self.renamed += 1
                unsafe = [path for path in self._dirty if path == old or path.startswith(f"{old}/")]
                self.faults += [f"{new} gets its name before {path} is on disk" for path in unsafe]
                self._dirty.difference_update(unsafe)
                self._name(new)
        elif call.startswith("unlink") and self._is_kept(names[0]):
            if names[0].endswith(".csv"):  # its rows must be elsewhere for good
                self.faults += [f"{names[0]} goes before {new}" for new in self._unnamed.values()]
            self._dirty.discard(names[0])

    def end(self):
        """Return all faults, with what is not on disk at the end."""
        rows = [path for path in self._dirty if path.endswith(".csv")]
        self.faults += [f"the name {new} is not on disk" for new in self._unnamed.values()]
        return self.faults + [f"the rows of {path} are not on disk" for path in rows]

    def _path(self, words, number):
        folders = [first or second for first, second in _FOLDER.findall(words)]
        folder = folders[min(number, len(folders) - 1)] if folders else ""
        return str(Path(folder, _NAME.findall(words)[number]))

    def _is_kept(self, path):
        return path.startswith(self._folders)

    def _passing(self, path):
        return not self._is_kept(path) or Path(path).name.startswith(".")

    def _write(self, path):
        if self._is_kept(path) and not path.endswith(".log"):
            if path in self._dirty and "/labels/open/" in path:
                self.faults.append(f"another row of {path} follows before one is on disk")
            self._dirty.add(path)

    def _name(self, path):
        self._unnamed[str(Path(path).parent)] = path


def order(trace, *folders):
    """Return the `Order` that a trace of strace shows."""
    seen, begun = Order(*folders), {}
    for line in trace.read_text(errors="replace").splitlines():
        process = line.partition(" ")[0]
        if line.endswith("<unfinished ...>"):
            begun[process] = line.removesuffix("<unfinished ...>")
        elif match := re.match(r"(\d+) +<\.\.\. \w+ resumed>(.*)", line):
            line = begun.pop(process) + match[2]
        if (match := _LINE.match(line)) and int(match["result"]) >= 0:
            seen.follow(match["call"], match["words"], match["result"])
    return seen


def traced(trace, *words):
    command = ["strace", "-f", "-y", "-s", "4096", "-e", f"trace={CALLS}", "-o", trace, *words]
    environment_path = f"{ROOT}:{ROOT / 'tests'}"
    done = subprocess.run(
        ["env", f"PYTHONPATH={environment_path}", *map(str, command)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def filled(tmp_path):
    """A hub with a chunk."""
    hub = tmp_path / "hub"
    cluster("init", hub)
    cluster("add", hub, tarball(tmp_path / "drop.tar.gz", triplets(range(101, 107))))
    return hub


def test_a_sitting_names_no_file_before_its_content_is_on_disk(filled, tmp_path):
    """Fetch, labels, settling, upload and receive: everything from the hub and back to it."""
    data = tmp_path / "data"
    for _ in range(2):  # the second finds all that the first left
        traced(tmp_path / "trace", sys.executable, "-B", "-c", SITTING, data, filled)
        seen = order(tmp_path / "trace", data, filled)
        assert seen.end() == [] and seen.renamed >= 4
    assert len(list(filled.glob("verified/*.csv"))) == 2


@pytest.mark.parametrize("verb", ["add", "next", "receive", "collect", "consensus", "export"])
def test_a_verb_names_no_file_before_its_content_is_on_disk(filled, tmp_path, verb):
    words = [verb, filled]
    if verb == "add":
        words.append(tarball(tmp_path / "more.tar.gz", triplets(range(201, 207))))
    else:
        (chunk,) = filled.glob("chunks/*.tar.gz")
        stamp = chunk.name.removesuffix(".tar.gz").split("--")[-1]
        cluster("next", filled, "--as", "ann")
        rows = [row(str(objid), stamp=stamp) for objid in range(101, 107)]
        file, sha256 = upload(filled, rows, "ann")
        if verb == "next":
            words += ["--as", "bob"]
        elif verb == "receive":
            words += [file, sha256, "--as", "ann"]
        else:
            cluster("receive", filled, file, sha256, "--as", "ann")
    traced(tmp_path / "trace", sys.executable, "-B", "-m", "cluster", *words)
    seen = order(tmp_path / "trace", filled)
    assert seen.end() == [] and (seen.renamed or verb == "next")
