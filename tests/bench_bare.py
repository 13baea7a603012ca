"""The least that a Tk program can do with three pictures; bench.py measures it beside ours.

    python tests/bench_bare.py FILE GIF GIF GIF WIDTH,HEIGHT,LEFT,TOP,SIDE,STEP ...

It holds two sets of pictures ready for each size of its window. At a key it appends one line to
FILE, syncs it, and pastes the other set; so it does at each motion of a drag. A click lets the
first two pictures change places, and a new size of the window brings pictures of that size.
"""

import os
import sys
import tkinter as tk

import numpy as np
from PIL import Image


def enlarge(path, side):
    """Return a picture as a PPM of `side` by `side` pixels."""
    with Image.open(path) as picture:
        gray = np.asarray(picture.convert("L"))
    index = np.arange(side) * len(gray) // side
    colours = np.repeat(gray[:, :, None], 3, axis=2)
    return b"P6 %d %d 255 " % (side, side) + colours[:, index][index].tobytes()


def main():
    """Show them until killed."""
    name, *files = sys.argv[1:5]
    fits = [tuple(map(int, words.split(","))) for words in sys.argv[5:]]
    root = tk.Tk()
    root.title("ArtifactSpy")
    root.geometry("{}x{}".format(*fits[0]))
    root.configure(background="#1d1f23")
    photos = [tk.PhotoImage(master=root) for _ in files]
    shown = [tk.Label(root, image=photo, borderwidth=0) for photo in photos]
    ready, size, log = {}, None, os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for width, height, _, _, side, _ in fits:
        pictures = [enlarge(path, side) for path in files]
        ready[width, height] = [pictures, pictures[::-1]]

    def show():
        for photo, picture in zip(photos, ready[size][0]):
            photo.configure(data=picture, format="ppm")

    def paste(_=None):
        ready[size].reverse()
        show()

    def label(_):
        os.write(log, b"284239958,Good,,2026-11-22T13:08:00.123Z,2026-11-20_09-00-00,3.41\n")
        os.fsync(log)
        paste()

    def swap(first, second):
        shown[0].configure(image=photos[first])
        shown[1].configure(image=photos[second])

    def resized(event):
        nonlocal size
        if event.widget is root and (event.width, event.height) in ready:
            size = event.width, event.height
            _, _, left, top, side, step = next(fit for fit in fits if fit[:2] == size)
            for i, cell in enumerate(shown):
                cell.place(x=left + i * step, y=top, width=side, height=side)
            show()

    root.bind("<Key>", label)
    root.bind("<B3-Motion>", paste)
    root.bind("<ButtonPress-1>", lambda _: swap(1, 0))
    root.bind("<ButtonRelease-1>", lambda _: swap(0, 1))
    root.bind("<Configure>", resized)
    root.mainloop()


if __name__ == "__main__":
    main()
