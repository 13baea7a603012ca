"""Chunks and their triplets: what is read, and what hostile ones do."""

import gzip
import io
import subprocess
import sys
import tarfile

import pytest
from conftest import ROOT, tarball, triplets

import archive
import stamps


def test_a_chunk_lists_its_triplets_in_the_order_of_the_archive(tmp_path):
    chunk = stamps.Chunk(tarball(tmp_path / "chunk--00001--first.tar.gz", triplets([9, 10, 2])))
    assert chunk.objids == ["9", "10", "2"]
    assert (chunk.name, chunk.metadata_stamp) == ("chunk--00001--first", "first")
    assert not chunk.incomplete and chunk.damage is None


def test_a_chunk_sorted_by_kind_is_complete_too(tmp_path):
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", dict(sorted(triplets([1, 2]).items()))))
    assert chunk.objids == ["1", "2"] and chunk.metadata_stamp == "a"


def test_a_19_digit_id_stays_text(tmp_path):
    objid = "2381234567890123457"
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", triplets([objid])))
    assert chunk.objids == [objid]


def test_an_object_id_has_up_to_32_digits_of_ascii():
    assert stamps.parse_name(f"srch{'1' * 32}.gif") == ("srch", "1" * 32, ".gif")
    assert stamps.parse_name(f"srch{'1' * 33}.gif") is stamps.parse_name("srch٣.gif") is None


def test_of_stamps_of_one_name_the_first_counts(tmp_path):
    names = ["srch1.gif", "srch1.gif", "temp1.gif", "diff1.gif", "srch1.gif", "diff1.gif"]
    names += ["temp1.gif", "srch2.gif", "temp2.gif", "diff2.gif"]
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        for number, name in enumerate(names):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            packed.addfile(entry, io.BytesIO(b"%d" % number))
    chunk = stamps.Chunk(path)
    assert chunk.objids == ["1", "2"] and not chunk.incomplete
    assert {kind: part.data for kind, part in chunk.encoded("1").items()} == {
        "srch": b"0",
        "temp": b"2",
        "diff": b"3",
    }


def test_a_triplet_is_of_one_suffix_where_there_are_three_of_it(tmp_path):
    mixed = dict.fromkeys(("srch2.png", "temp2.gif", "diff2.gif"), b"x")
    members = {"srch1.png": b"x", **triplets([1]), **mixed}
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", members))
    suffixes = [[part.suffix for part in chunk.encoded(objid).values()] for objid in "12"]
    assert suffixes == [[".gif"] * 3, [".png", ".gif", ".gif"]]


def test_a_stamp_that_is_too_large_costs_its_detection_alone(tmp_path, monkeypatch):
    members = {**triplets([1, 2]), "batch/temp1.gif": bytes(10_000)}
    monkeypatch.setattr(archive, "MEMBER_LIMIT", 9_999)
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", members))
    assert chunk.objids == ["2"] and list(chunk.incomplete) == ["1"]
    assert chunk.incomplete["1"].startswith("temp larger than ")


def test_what_is_no_longer_in_a_chunk_that_is_read_again_is_gone(tmp_path):
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", triplets([1, 2])))
    chunk.forget()
    assert len(chunk.encoded("1")) == 3
    chunk.forget()
    tarball(chunk.path, triplets([2]))
    with pytest.raises(stamps.GoneError, match="it has changed"):
        chunk.encoded("1")
    chunk.path.write_bytes(chunk.path.read_bytes()[:100])
    with pytest.raises(stamps.GoneError, match="it ends too early"):
        chunk.encoded("1")


def test_nothing_is_unpacked_to_disk(tmp_path):
    stamps.Chunk(tarball(tmp_path / "a.tar.gz", triplets([1]))).encoded("1")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_a_missing_third_stamp_is_told(tmp_path):
    members = triplets([1, 2])
    del members["batch/diff2.gif"]
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", members))
    assert chunk.objids == ["1"] and chunk.incomplete == {"2": "diff missing"}


@pytest.mark.parametrize(
    "spoil, damage",
    [
        (lambda data: data[: len(data) * 2 // 3], "it ends too early"),
        (lambda data: data[:-4], "it ends too early"),
        (lambda data: b"", "it is no tar.gz, or a damaged one"),
        (lambda data: b"<html>not found</html>", "it is no tar.gz, or a damaged one"),
        (lambda data: gzip.compress(b"no tar at all" * 100), "it is damaged"),
    ],
    ids=["truncated", "truncated-checksum", "empty", "html", "no-tar"],
)
def test_a_damaged_archive_gives_what_is_whole_and_says_so(tmp_path, spoil, damage):
    path = tarball(tmp_path / "a.tar.gz", triplets(range(1, 7)))
    path.write_bytes(spoil(path.read_bytes()))
    chunk = stamps.Chunk(path)
    assert chunk.damage == damage
    for objid in chunk.objids:
        assert len(chunk.encoded(objid)) == 3


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tarball(tmp_path / "a.tar.gz", triplets([1, 2, 3]))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)
    assert stamps.Chunk(path).damage


def test_an_archive_without_stamps_is_no_error(tmp_path):
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", {"README": b"hello"}))
    assert chunk.objids == [] and chunk.damage is None


def test_what_is_no_regular_stamp_is_passed_over(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        for kind, number in (("srch", tarfile.SYMTYPE), ("temp", tarfile.LNKTYPE)):
            link = tarfile.TarInfo(f"{kind}1.gif")
            link.type, link.linkname = number, "/etc/passwd"
            packed.addfile(link)
        for name in ("diff1.gif", "../../srch2.gif", "srch٣.gif", "srch4.exe", "diff1.gif"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            packed.addfile(entry, io.BytesIO(b"data"))
    chunk = stamps.Chunk(path)
    assert chunk.objids == [] and set(chunk.incomplete) == {"1", "2"}


@pytest.mark.parametrize("suffix", [".FITS", ".fits.gz", ".Fits.fz", ".GIF", ".JPEG", ".fit"])
def test_a_suffix_may_be_in_capitals_and_have_a_second_part(suffix):
    assert stamps.parse_name(f"a/srch17{suffix}") == ("srch", "17", suffix.lower())
    for name in (f"srch17{suffix}.gz.gz", f"srch{suffix}", f"srch17{suffix}x", "srch17.gif.gz"):
        assert stamps.parse_name(name) is None


def test_importing_stamps_needs_neither_numpy_nor_pillow():
    script = "import sys, stamps; print({'numpy', 'PIL', 'astropy', 'tkinter'} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"


def test_a_chunk_that_keeps_nothing_holds_nothing_while_it_is_read(tmp_path, monkeypatch):
    """In an archive sorted by kind two thirds of all stamps waited for the third of their kind."""
    members = dict(sorted(triplets(range(1, 9)).items()))
    assert [name[6:10] for name in members][::8] == ["diff", "srch", "temp"]
    made, real = [], stamps.Triplets
    monkeypatch.setattr(stamps, "Triplets", lambda *words: made.append(real(*words)) or made[-1])
    path = tarball(tmp_path / "a--x.tar.gz", members)
    chunk = stamps.Chunk(path, at_once=False, keeps=False)
    chunk.read(1)
    waiting = [part for parts in made[0].left.values() for part in parts.values()]
    assert len(waiting) == 14 and not any(part.data for part in waiting)
    chunk.read()
    assert len(chunk.objids) == 8 and not chunk.incomplete
    assert len(chunk.encoded("3")["diff"].data) > 100
