"""What is told of a detection beside its pixels: written by the hub, read as hostile."""

import pytest
from conftest import tarball, triplets
from hypothesis import given
from hypothesis import strategies as st

import facts
import stamps


def test_what_the_hub_writes_is_told_in_one_line():
    has = ["SNID", "MJD", "BAND", "PHOTPROB", "SEEING"]
    rows = [
        ["11", "7", "56949.25", "g", "0.9", "1.1"],
        ["12", "8", "", "i", "0.1", "-9"],
        ["13", "", "", "", "", ""],
    ]
    data = facts.table(facts.columns(facts.USUAL), has, rows)
    assert data.splitlines()[0] == b"OBJID,BAND,MJD,SEEING"
    told = facts.read(data)
    assert told == {"11": "g band · 2014-10-19 · seeing 1.1", "12": "i band", "13": ""}


def test_there_is_no_table_where_a_drop_has_none_of_the_columns():
    assert facts.table(["BAND"], ["SNID"], [["11", "7"]]) == b""
    assert facts.table([], ["BAND"], [["11", "g"]]) == b""


@pytest.mark.parametrize(
    "column, value, told",
    [
        ("MAG", "22.4567", "22.46 mag"),
        ("MAG", "faint", "mag faint"),
        ("SEEING_ARCSEC", "0.98765432", "seeing 0.987654″"),
        ("AIR_MASS", "1.20", "air mass 1.2"),
        ("FIELD", "X3", "field X3"),
        ("MJD", "1e300", "mjd 1e+300"),
        *(
            (name, value, "")
            for name in ("MAG", "BAND")
            for value in ("", " ", "nan", "inf", "-99")
        ),
    ],
)
def test_how_a_value_is_told(column, value, told):
    assert facts.tell(column, value) == told


@pytest.mark.parametrize(
    "listed, reason",
    [
        *((f"BAND, {name}", "lead the eye") for name in ("PHOTPROB", "drb", "RB", "ML_SCORE")),
        *((name, "lead the eye") for name in ("realbogus", "reliability", "CLASS")),
        ("OBJID", "no column"),
        ("a;b", "no column"),
        ("x" * 25, "no column"),
        (", ".join(f"C{i}" for i in range(9)), "at most 8"),
    ],
)
def test_a_score_is_never_listed_and_neither_is_nonsense(listed, reason):
    with pytest.raises(ValueError, match=reason):
        facts.columns(listed)


def test_a_score_that_is_in_a_chunk_all_the_same_is_not_told():
    assert facts.read(b"OBJID,PHOTPROB,BAND,drb\n1,0.9,g,0.8\n") == {"1": "g band"}


def test_control_characters_and_long_values_do_not_get_through():
    nasty = "g\x1b[2J\u202e\u0301\n\0r" + "y" * 1000
    cleaned = facts.read(facts.table(["BAND"], ["BAND"], [["1", nasty]]))
    as_it_is = facts.read(f'OBJID,BAND\n1,"{nasty}"\n'.encode())  # csv refuses NUL before 3.11
    assert cleaned
    for line in (*cleaned.values(), *as_it_is.values()):
        assert line.isprintable() and len(line) <= facts.LENGTH + 5 and "\u202e" not in line


@given(data=st.binary(max_size=2000))
def test_whatever_bytes_come_something_printable_is_told(data):
    for line in facts.read(b"OBJID,BAND,MJD\n" + data).values():
        assert line.isprintable() and len(line) <= facts.MOST * (2 * facts.LENGTH + 3)


def test_more_than_may_be_is_not_read():
    row = b"1,g\n"
    assert facts.read(b"OBJID,BAND\n" + row * 10) == {"1": "g band"}
    assert facts.read(b"OBJID,BAND\n" + row * (facts.LIMIT // 4)) == {}


def test_a_chunk_carries_them_or_not(tmp_path):
    members = triplets(["1", "2"])
    plain, told = tmp_path / "a--1.tar.gz", tmp_path / "a--2.tar.gz"
    tarball(plain, members)
    tarball(told, {"a/facts.csv": b"OBJID,BAND\n1,g\n", **members})
    tarball(tmp_path / "a--3.tar.gz", {"a/facts.csv": b"\xff\0", **members})
    first, second, third = (stamps.Chunk(path) for path in sorted(tmp_path.iterdir()))
    assert first.objids == second.objids == third.objids == ["1", "2"]
    assert (first.facts, second.facts, third.facts) == ({}, {"1": "g band"}, {})
    # who knows nothing of it passes over it
    assert len(list(stamps.members(told))) == len(members)
