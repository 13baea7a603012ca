"""The comments of a sitting: each can be had again by its number."""

from __future__ import annotations

import labelfile

OFFERED = 9  # so that one digit is enough


class Comments:
    """Those given so far, each once, in their order."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def add(self, comment: str) -> None:
        """Remember a comment, unless it is empty or known."""
        if comment and comment not in self.given:
            self.given.append(comment)

    @property
    def offered(self) -> list[str]:
        """Return those that can be had again by their number, from 1."""
        return self.given[-OFFERED:]

    def understand(self, text: str) -> str:
        """Return the comment that a typed line stands for: itself, or an earlier one by its number.

        Raises
        ------
        labelfile.LabelError
            It is too long, or there is no comment of that number.
        """
        line = labelfile.clean_comment(text)
        offered = self.offered
        if not line.isdecimal():  # a number alone is a slip: who would know what it meant?
            return line
        if len(line) == 1 and 0 < int(line) <= len(offered):
            return offered[int(line) - 1]
        raise labelfile.LabelError(
            f"There is no comment {line[:9]}: nothing was labelled, please say it in words."
        )
