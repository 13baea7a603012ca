"""`exclude`: a person's labels stay and do not vote, and back."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import csv

import pytest
from hubs import empty, everything, given, hub, listed, row, run, send, setting, tree

from cluster import collect, consensus, export, verified
from cluster.check import run as check
from cluster.exclude import run as exclude
from cluster.hub import Hub, HubError


@pytest.fixture
def labelled(hub, capsys):
    """Ann, bob and eve have labelled all; eve says Good to everything, as nobody else does."""
    for user, action in (("ann", "Marginal"), ("bob", "Marginal"), ("eve", "Good")):
        everything(hub, user)
        send(hub, [row(str(objid), action, comment=f"by {user}") for objid in range(1, 9)], user)
    capsys.readouterr()
    return hub


def votes(hub):
    return {line.votes for line in consensus.lines(consensus.of_hub(Hub(hub)))}


def test_an_excluded_persons_labels_stay_and_do_not_vote_until_they_do_again(labelled, capsys):
    assert votes(labelled) == {"Marginal:2 Good:1"}
    before = tree(labelled)
    assert exclude(labelled, ["eve"]) == 0
    assert capsys.readouterr().out == (
        "8 labels of eve stay and vote no more in what is made from now on. Excluded: eve.\n"
    )
    after = tree(labelled)
    assert {path for path in before if before[path] != after[path]} == {"hub.ini"}
    assert votes(labelled) == {"Marginal:2"}
    assert {user for user, _ in verified.gather(Hub(labelled))} == {"ann", "bob", "eve"}
    collect.run(labelled)
    assert "eve" in (labelled / "labels.csv").read_text(), "they stay"
    exclude(labelled, ["eve"], back=True)
    assert (
        votes(labelled) == {"Marginal:2 Good:1"} and tree(labelled)["hub.ini"] == before["hub.ini"]
    )


def test_another_person_takes_the_place_of_who_is_excluded(labelled, capsys):
    assert given(labelled, "fay") is None
    exclude(labelled, ["eve"])
    capsys.readouterr()
    assert run(labelled, "status").stdout.startswith("chunks   4: 0 complete, 4 need more people")
    assert "excluded, and no votes: eve" in run(labelled, "status").stdout
    assert len(everything(labelled, "fay")) == 4 and given(labelled, "gus") is None
    send(labelled, [row(str(objid)) for objid in range(1, 9)], "fay")
    assert run(labelled, "status").stdout.startswith("chunks   4: 4 complete")
    capsys.readouterr()
    assert check(labelled) == 0, capsys.readouterr().out
    exclude(labelled, ["eve"], back=True)
    assert check(labelled) == 0, "four people are right where three were wanted meanwhile"


def test_an_export_says_who_was_excluded_and_what_only_they_labelled(hub, capsys):
    everything(hub, "ann")
    everything(hub, "eve")
    send(hub, [row("1")], "ann")
    send(hub, [row("1", "Marginal"), row("2"), row("3", "Skipped")], "eve")
    exclude(hub, ["eve"])
    export.run(hub)
    (folder,) = (hub / "training").iterdir()
    assert "nor Skipped is a vote, nor is what eve said (excluded)." in (
        (folder / "README.md").read_text()
    )
    with (folder / "labels.csv").open(newline="") as file:
        assert [(r["OBJID"], r["VOTES"]) for r in csv.DictReader(file)] == [("1", "Good:1")]
    assert sorted((folder / "left_out.csv").read_text().splitlines()[1:]) == [
        "2,only people who are excluded",
        "3,only people who are excluded",
    ]


def test_who_is_unknown_is_not_excluded_and_a_hub_of_before_is_changed_too(labelled, capsys):
    text = (labelled / "hub.ini").read_text()
    with pytest.raises(HubError, match="Nobody called mallory has labelled") as caught:
        exclude(labelled, ["eve", "mallory"])
    assert caught.value.status == 2 and (labelled / "hub.ini").read_text() == text
    before = "".join(line for line in text.splitlines(True) if "excluded" not in line)
    (labelled / "hub.ini").write_text(before)
    exclude(labelled, ["eve", "bob"])
    assert Hub(labelled).excluded == {"bob", "eve"} and "Excluded: bob, eve." in (
        capsys.readouterr().out
    )
    setting(labelled, "excluded", "bob\n  ann")
    assert run(labelled, "exclude", "bob", "--back").returncode == 0
    assert Hub(labelled).excluded == {"ann"}
    setting(labelled, "excluded", "a/b")
    assert "excluded = a/b is nobody's name" in run(labelled, "status").stderr
