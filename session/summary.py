"""What a sitting came to, as lines for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import labels

BAR = 30  # characters


def lines(given: Mapping[str, str], shown: float, elapsed: float) -> list[str]:
    """Describe a sitting.

    Parameters
    ----------
    given : mapping
        Object ID -> ACTION.
    shown : float
        Seconds that these detections were on screen, in all.
    elapsed : float
        Seconds since the window opened.
    """
    if not given:
        return ["No labels this time."]
    count = len(given)
    minutes = f"{elapsed // 60:.0f} min " if elapsed >= 60 else ""
    told = [
        f"{count} label{'s' * (count > 1)} in {minutes}{elapsed % 60:.0f} s, "
        f"{shown / count:.1f} s on screen each:"
    ]
    counts = Counter(given.values())
    for label in labels.LABELS:
        if counts[label.name]:
            bar = "#" * max(1, round(BAR * counts[label.name] / max(counts.values())))
            told.append(f"  {label.name:<26}{counts[label.name]:>5}  {bar}")
    return told
