"""What is told of a detection once it has a label."""

import pytest
from conftest import put, triplets, wait_until

import labelfile
from session import verdict


def test_the_verdict_of_practice(desk):
    subject = desk().session
    subject._verdicts.truth = {"1": verdict.Truth("Good", "HINT", (1, 25, 25))}
    for action, agrees, said in (
        ("Good", True, "✓ 1 was Good. HINT."),
        ("PsfInTemplate", False, "✗ You said Point Source in Template; it was Good. HINT."),
        ("Unsure", None, "You said Unsure; it was Good. HINT."),
    ):
        subject._answers["1"] = labelfile.row("1", action)
        assert subject.verdict("1") == (agrees, said, (1, 25, 25))
    assert subject.verdict("2") == verdict.NOTHING


def test_what_gives_practice_away_is_told_after_the_label_only(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()
    subject.session._verdicts.truth = {"1": verdict.Truth("Good", "HINT", (1, 25, 30))}
    assert subject.session.verdict("1") == verdict.NOTHING
    subject.label("Good")
    assert subject.session.verdict("1").place == (1, 25, 30)
    assert subject.session.verdict("2").place is None


def test_what_others_said_is_told_after_the_label_only(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    votes = verdict.votes_of(tmp_path / "data" / "chunks" / "a--x.tar.gz")
    votes.write_text(
        'OBJID,USER,ACTION,COMMENT\n1,bob,NoisyTemplate,\n1,eve,Other,"a, b"\n'
        "1,joe,NoisyTemplate,\n"
    )
    subject = desk().open()
    assert subject.session.verdict("1") == verdict.NOTHING
    subject.label("Good")
    assert subject.session.verdict("1") == (
        None,
        "1, the others: Noisy Template 2 (bob, joe); Other 1 (eve: a, b).",
        None,
    )
    subject.label("Good")
    assert subject.session.verdict("2") == verdict.NOTHING


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\0", b"1,bob\n", b'1,"bob,Good\n', b"a,b,c,d,e\n\0"]
)
def test_a_table_of_others_labels_that_cannot_be_read_changes_nothing(desk, tmp_path, content):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    (tmp_path / "data" / "chunks" / "a--x.csv").write_bytes(content)
    subject = desk().open()
    subject.label("Good")
    assert subject.session.verdict("1") == verdict.NOTHING and not said_of_bugs(subject)


def said_of_bugs(subject):
    return [sentence for sentence in subject.said if "went wrong" in sentence]


def test_the_labels_of_others_are_deleted_with_their_chunk(desk, tmp_path):
    path = put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    votes = verdict.votes_of(path)
    votes.write_text("1,bob,Good,\n")
    sent = path.parent.parent / "labels" / "sent"
    sent.mkdir(parents=True)
    labelfile.LabelFile(sent, "ann").append(labelfile.row("1", "Good"), labelfile.row("2", "Good"))
    subject = desk()
    subject.session.start()
    subject.pump(lambda: not path.exists())
    wait_until(lambda: not votes.exists())
