"""The Help window: what to ask oneself, what each label means, the keys, whom to tell.

The examples are ``data/guide/NAME.png``, one per label: its Search, Template and Difference stamp
side by side. The window stays open beside the labelling window, which goes on working.
"""

import tkinter as tk
from pathlib import Path
from tkinter import font as tkfont

import labels

PICTURES = Path(__file__).resolve().parent / "data" / "guide"
INK, PAPER, DIM = "#e9e9e6", "#26282d", "#a9aeb6"

QUESTIONS = (
    ("Difference: is a bright blob right beside a dark one?", "BadSubtraction"),
    ("Template: is a point source exactly in the centre?", "PsfInTemplate"),
    ("Template: do several dark pixels touch exactly in the centre?", "DarkSpotInTemplateCenter"),
    ("All three: only noise, nothing one could call a star or a galaxy?", "NoisyTemplate"),
    (
        "Transient and host in Search, the host alone in Template, the transient alone in "
        "Difference?",
        "Good",
    ),
    ("Could it be that, but noise or a nearby core stands in the way?", "Marginal"),
    ("None of these, and you can say what it is?", "Other"),
    ("No idea?", "Unsure"),
)


def close(parent):
    """Close the Help window, and tell whether it was open."""
    windows = [
        child
        for child in parent.winfo_toplevel().winfo_children()
        if isinstance(child, tk.Toplevel) and child.title() == "ArtifactSpy: help"
    ]
    for window in windows:
        window.destroy()
        parent.winfo_toplevel().focus_force()  # or the keys go nowhere
    return bool(windows)


def show(parent, contact, unit, keys):
    """Open the Help window.

    Parameters
    ----------
    parent : tkinter widget
    contact : str
        Whom to tell about something remarkable; may be empty.
    unit : int
        Height of normal text in screen pixels.
    keys : sequence of tuple of str
        Keys, and what they do.

    Returns
    -------
    tkinter.Toplevel
    """
    window = tk.Toplevel(parent, class_="ArtifactSpy", background=PAPER)
    window.title("ArtifactSpy: help")
    width = min(unit * 46, parent.winfo_screenwidth() - 40)
    height = min(unit * 50, parent.winfo_screenheight() - 80)
    # beside the labelling window if the screen has room for both
    beside = parent.winfo_rootx() + parent.winfo_width()
    left = max(0, min(beside, parent.winfo_screenwidth() - width))
    window.geometry(f"{width}x{height}+{left}+{max(0, parent.winfo_rooty())}")
    window.bind("<Escape>", lambda _: close(parent))
    bar = tk.Scrollbar(window, background="#4a4e56", activebackground=DIM, troughcolor=PAPER)
    bar.configure(borderwidth=0, highlightthickness=0)
    plain = _font(parent, unit)
    text = tk.Text(
        window,
        wrap="word",
        background=PAPER,
        foreground=INK,
        font=plain,
        borderwidth=0,
        highlightthickness=0,
        padx=unit * 1.5,
        pady=unit,
        spacing2=unit // 5,
        cursor="arrow",
        yscrollcommand=bar.set,
    )
    bar.configure(command=text.yview)
    bar.pack(side="right", fill="y")
    text.pack(side="left", fill="both", expand=True)
    text.plain = plain  # a font goes when Python forgets it
    write(text, contact, unit, keys)
    text.configure(state="disabled")
    text.focus_set()  # so that the keys scroll
    return window


def _font(parent, size, weight="normal"):
    font = tkfont.Font(parent, font="TkDefaultFont")
    font.configure(size=-size, weight=weight)
    return font


def write(text, contact, unit, keys):
    """Fill a ``tkinter.Text`` with the guide."""
    text.fonts = _font(text, int(unit * 1.35), "bold"), _font(text, unit, "bold")
    text.tag_configure("head", font=text.fonts[0], spacing3=unit // 2)
    text.tag_configure("name", font=text.fonts[1], spacing1=unit)
    text.tag_configure("answer", font=text.fonts[1], lmargin2=unit * 1.3, spacing3=unit // 3)
    text.tag_configure("dim", foreground=DIM, spacing3=unit)
    text.tag_configure("item", lmargin2=unit * 1.3, spacing3=unit // 3)
    text.tag_configure("key", tabs=(unit * 10,), lmargin2=unit * 10, spacing3=unit // 4)
    text.insert("end", "Ask yourself, in this order\n", "head")
    for question, name in QUESTIONS:
        label = labels.BY_NAME[name]
        text.insert("end", f"{question}  →  ", "item", f"{label.key} {label.title}\n", "answer")
    text.insert("end", "\nPixels for which there is no value are violet.\n", "dim")
    text.insert("end", "\nThe labels\n", "head")
    text.insert("end", "Each example: Search, Template, Difference.\n", "dim")
    text.pictures = []  # Tk forgets an image that nobody in Python holds
    for label in labels.LABELS:
        text.insert("end", f"{label.key}  {label.title}\n", "name")
        path = PICTURES / f"{label.name}.png"
        if path.exists():
            image = tk.PhotoImage(master=text, file=path).zoom(max(1, round(unit / 7)))
            text.pictures.append(image)
            text.image_create("end", image=image, pady=unit // 3)
            text.insert("end", "\n")
        text.insert("end", f"{label.meaning}\n")
    text.insert("end", "\nKeys\n", "head")
    for names, what in keys:
        text.insert("end", f"{names}\t{what}\n", "key")
    text.insert("end", "\nIf you see something, say something\n", "head")
    text.insert(
        "end",
        "Nobody has looked at these images before you. Whatever strikes you as remarkable may be "
        "just that: note the Object ID and tell "
        + (contact or "whoever runs the campaign")
        + ".\n",
    )
