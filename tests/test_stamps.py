"""Chunks and their triplets: what is read, and what hostile ones do."""

import gzip
import io
import subprocess
import sys
import tarfile

import pytest
from conftest import ROOT, tarball, triplets

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
    with tarfile.open(path, "w:gz") as archive:
        for kind, number in (("srch", tarfile.SYMTYPE), ("temp", tarfile.LNKTYPE)):
            link = tarfile.TarInfo(f"{kind}1.gif")
            link.type, link.linkname = number, "/etc/passwd"
            archive.addfile(link)
        for name in ("diff1.gif", "../../srch2.gif", "srch٣.gif", "srch4.exe", "diff1.gif"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"data"))
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
