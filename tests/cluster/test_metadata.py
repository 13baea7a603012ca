"""`metadata`: a table comes to what the hub has."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import pytest
from hubs import empty, hub, listed, run, tarball, tree

from cluster.add import run as add
from cluster.hub import Hub, HubError
from cluster.metadata import run as bring

LONG = [str(739260766315010000 + 37 * number) for number in range(8)]


def described(hub):
    """Return what the chunks' tables say, by Object ID."""
    tables = [Hub(hub).metadata(chunk.name) for chunk in listed(hub)]
    return {row[0]: dict(zip(columns, row)) for columns, rows in tables for row in rows}


def test_a_table_comes_to_all_that_the_hub_has(hub, tmp_path, capsys):
    archives = tree(hub / "chunks")
    table = tmp_path / "x.csv"
    table.write_text("OBJID,SNID\n" + "".join(f"{objid},5\n" for objid in range(3, 12)))
    done = run(hub, "metadata", table.name, cwd=tmp_path)
    told = f"6 detections of the hub got what {table} says; 3 rows are of no detection here.\n"
    assert (done.returncode, done.stdout) == (0, told)
    snids = {objid: row.get("SNID", "") for objid, row in described(hub).items()}
    assert snids == {str(objid): "5" * (objid > 2) for objid in range(1, 9)}
    assert tree(hub / "chunks") == archives
    table.write_text("OBJID,SNID,MJD\n3,6,1\n")
    bring(hub, str(table))
    assert described(hub)["3"] == {"OBJID": "3", "SNID": "5", "MJD": "1"}, "what it says stays"


def test_a_table_of_no_use_changes_nothing(hub, tmp_path):
    add(hub, [str(tarball(tmp_path / "y.tar.gz", LONG))])
    before, table = tree(hub), tmp_path / "x.csv"
    for text, told in {
        "OBJID,SNID\n99,5\n": "None of the 1 row of .* belongs to this hub",
        "OBJID,SNID\n" + "".join(f"{int(i):.6E},5\n" for i in LONG): "has lost digits",
        "ID\n1\n": "has no column OBJID",
    }.items():
        table.write_text(text)
        with pytest.raises(HubError, match=told):
            bring(hub, str(table))
        assert tree(hub) == before
