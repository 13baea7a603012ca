"""Archives: read as tarfile reads them, and what hostile ones cost."""

import gzip
import io
import itertools
import os
import random
import subprocess
import sys
import tarfile

import pytest
from conftest import ROOT, gif, tarball

import archive

# Opens a chunk and tells what is wrong with it, how many processor seconds and how many MiB it took
COST = """
import sys, time, stamps
chunk = stamps.Chunk(sys.argv[1])
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(chunk.damage, time.process_time(), int(line.split()[1]) // 1024, sep="\\n")
"""


def contents(path, **bounds):
    return list(archive.files(path, lambda name: name.endswith(".gif"), **bounds))


def cost(path):
    """Open a chunk in a process of its own; return what is wrong with it, seconds and MiB."""
    run = subprocess.run(
        [sys.executable, "-c", COST, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    damage, seconds, megabytes = run.stdout.splitlines()
    return damage, float(seconds), int(megabytes)


def header(name, size, kind=tarfile.REGTYPE):
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    return entry.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_are_those_that_tarfile_finds(tmp_path, form):
    path = tmp_path / "a.tar.gz"
    names = ["srch1.gif", "a/" * 60 + "temp1.gif", "bätch/diff1.gif", "README", "empty.gif"]
    if form != tarfile.USTAR_FORMAT:
        names.append("b" * 300 + "/srch2.gif")
    with tarfile.open(path, "w:gz", format=form) as packed:
        for number, name in enumerate(names):
            entry = tarfile.TarInfo(name)
            entry.size = 700 * number if name != "empty.gif" else 0
            entry.mtime = 1.5  # which takes an extended header
            packed.addfile(entry, io.BytesIO(bytes([number]) * entry.size))
    with tarfile.open(path) as packed:
        found = [
            (entry.name, packed.extractfile(entry).read())
            for entry in packed
            if entry.name.endswith(".gif")
        ]
    assert contents(path) == found and len(found) > 3


def test_a_size_that_is_no_octal_number_is_read(tmp_path):
    block = bytearray(header("srch1.gif", 3))
    block[124:136] = b"\x80" + (3).to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(block) + b"GIF".ljust(512, b"\0") + bytes(1024)))
    assert contents(path) == [("srch1.gif", b"GIF")]


def test_a_header_whose_sum_is_wrong_is_damage(tmp_path):
    block = bytearray(header("srch1.gif", 0))
    block[4] ^= 1  # of the name, which would be another detection's
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(block) + bytes(1024)))
    with pytest.raises(archive.StampError, match="it is damaged"):
        contents(path)


def test_no_header_is_taken_for_another_files(tmp_path):
    """One of all files has no file's name, and behind a link there is nothing, whatever it says."""
    path = tmp_path / "a.tar.gz"
    path.write_bytes(
        gzip.compress(
            header("temp1.gif", 5000, tarfile.SYMTYPE)
            + tarfile.TarInfo.create_pax_global_header({"path": "temp9.gif"})
            + header("srch1.gif", 3)
            + b"GIF".ljust(512, b"\0")
            + bytes(1024)
        )
    )
    assert contents(path) == [("srch1.gif", b"GIF")]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_links_and_whatever_else_is_there_are_told_of(tmp_path, form):
    path, long = tmp_path / "a.tar.gz", "c" * (90 if form == tarfile.USTAR_FORMAT else 290)
    told = []
    with tarfile.open(path, "w:gz", format=form) as packed:
        for name, kind, target in (
            ("a", tarfile.DIRTYPE, ""),
            ("a/srch1.gif", tarfile.SYMTYPE, "../b/srch2.gif"),
            ("a/temp1.gif", tarfile.LNKTYPE, "b/temp2.gif"),
            ("a/diff1.gif", tarfile.SYMTYPE, "/etc/passwd"),
            ("a/srch3.gif", tarfile.SYMTYPE, long),
            ("pipe.gif", tarfile.FIFOTYPE, ""),
            ("README", tarfile.REGTYPE, ""),
            ("srch4.gif", tarfile.REGTYPE, ""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            packed.addfile(entry)
    assert contents(path, other=lambda *what: told.append(what)) == [("srch4.gif", b"")]
    assert told == [
        ("a/srch1.gif", "b/srch2.gif"),
        ("a/temp1.gif", "b/temp2.gif"),
        ("a/diff1.gif", "/etc/passwd"),
        ("a/srch3.gif", f"a/{long}"),
        ("pipe.gif", None),
        ("README", None),
    ]


def test_parts_of_gzip_and_zeros_between_and_behind_them_are_read(tmp_path):
    path = tarball(tmp_path / "a.tar.gz", {"srch1.gif": gif(1), "temp1.gif": gif(2)})
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(
        gzip.compress(data[:1000]) + bytes(99_999) + gzip.compress(data[1000:]) + bytes(70_000)
    )
    assert contents(path) == [("srch1.gif", gif(1)), ("temp1.gif", gif(2))]


def test_parts_of_gzip_that_are_larger_than_what_is_read_at_once_are_read_once(tmp_path):
    """What follows such a part came twice, and after the next one four times."""
    large = random.Random(1).randbytes(9) * 20_000
    path = tarball(tmp_path / "a.tar.gz", {f"srch{n}.gif": large for n in range(9)})
    data = gzip.decompress(path.read_bytes())
    parts = [gzip.compress(data[at : at + 100_000]) for at in range(0, len(data), 100_000)]
    path.write_bytes(b"".join(parts))
    assert len(parts) > 10 and contents(path) == [(f"srch{n}.gif", large) for n in range(9)]


def test_a_pipe_does_not_keep_anybody_waiting(tmp_path):
    path = tmp_path / "a.tar.gz"
    os.mkfifo(path)
    with pytest.raises(archive.StampError, match="it is no file"):
        contents(path)


def unpacked(path, blocks):
    """Pack blocks one behind the other; those of a MiB are parts of their own, packed once each."""
    with path.open("wb") as file:
        for large, some in itertools.groupby(blocks, lambda block: len(block) >= 1 << 20):
            if large:
                some = list(some)
                parts = {block: gzip.compress(block, 1) for block in set(some)}
                file.writelines(map(parts.get, some))
            else:
                file.write(gzip.compress(b"".join(some), 1))


def pax(record):
    return tarfile.TarInfo("x")._create_pax_generic_header(record, tarfile.XHDTYPE, "utf-8")


BOMBS = {
    "a large member": lambda: [header("a", 3 << 30), *[bytes(1 << 20)] * 300],
    "a size without an end": lambda: [header("srch1.gif", 1 << 62), *[bytes(1 << 20)] * 300],
    "empty members": lambda: [header("a", 0)] * 200_000,
    "empty stamps": lambda: [header(f"srch{n}.gif", 0) for n in range(25_000)],
    "a long name": lambda: [header("a", 250 << 20, b"L"), *[b"a" * (1 << 20)] * 250],
    "an extended header": lambda: [header("a", 250 << 20, b"x"), *[b"a" * (1 << 20)] * 250],
    "many extended headers": lambda: [pax({f"a{n}": "b" for n in range(500)})] * 14_000,
    "digits in an extended header": lambda: [pax({"size": "9" * 7000}), header("srch1.gif", 1)],
    "a sparse file": lambda: [header("srch1.gif", 0, b"S")] * 300,
    "a sparse file of another kind": lambda: [
        pax({"GNU.sparse.major": "1", "GNU.sparse.realsize": "33554432"}),
        header("srch1.gif", 0),
    ],
    "stamps of 32 MiB": lambda: [header("srch1.gif", 32 << 20), *[bytes(1 << 20)] * 32],
    "zeros behind it": lambda: [*[bytes(1 << 20)] * 1000],
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_neither_time_nor_memory(tmp_path, bomb):
    path = tmp_path / "a.tar.gz"
    unpacked(path, BOMBS[bomb]())
    damage, seconds, megabytes = cost(path)
    assert damage != "None" or bomb == "stamps of 32 MiB"
    assert seconds < 2 and megabytes < 60, "12 as a rule, 300 at most"


NOTHING = {
    "None": lambda: gzip.compress(bytes(1024)) + bytes(60 << 20),
    "it has more parts than it may": lambda: gzip.compress(bytes(1024)) * 300_000,
    "it is larger than it may be": lambda: gzip.compress(bytes(1024)) + bytes(80 << 20),
    "it ends too early": lambda: gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * (12 << 20),
}


@pytest.mark.parametrize("told", NOTHING)
def test_gzip_that_unpacks_to_nothing_costs_no_time(tmp_path, told):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(NOTHING[told]())
    damage, seconds, megabytes = cost(path)
    assert damage == told
    assert seconds < 2 and megabytes < 60, "12 as a rule, 300 at most"


def test_a_mutated_archive_is_read_or_refused_with_a_word(tmp_path, long):
    """Bytes are changed before it is packed, so that checksums do not hide what is behind them."""
    path = tarball(tmp_path / "a.tar.gz", {"srch1.gif": gif(1), "b" * 200 + "/temp1.gif": gif(2)})
    data = gzip.decompress(path.read_bytes())
    for seed in range(20_000 if long else 300):
        chance = random.Random(seed)
        mutated = bytearray(data)
        at = chance.choice([0, 512 * chance.randrange(len(data) // 512)])  # a block's beginning
        for _ in range(chance.randint(1, 6)):
            mutated[min(at + chance.randrange(512), len(data) - 1)] = chance.randrange(256)
        if chance.random() < 0.7:  # a checksum that is right
            mutated[at + 148 : at + 156] = b" " * 8
            mutated[at + 148 : at + 156] = b"%06o\0 " % sum(mutated[at : at + 512])
        packed = bytearray(gzip.compress(bytes(mutated), 1))
        if chance.random() < 0.2:
            packed[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
        path.write_bytes(packed[: chance.choice([len(packed), chance.randrange(len(packed))])])
        try:
            for name, content in contents(path):
                assert name.endswith(".gif") and (content is None or len(content) < 1 << 20)
        except archive.StampError as error:
            assert len(str(error)) < 60
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar.gz"]
