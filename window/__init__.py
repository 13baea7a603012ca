"""The labelling window: all that imports tkinter, one concern a file; `window.py` ties them."""
