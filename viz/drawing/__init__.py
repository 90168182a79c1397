"""Pictures by Graphviz: from the plain data of a flow to DOT, SVG and PNG.

    picture.py    what has to be known of a whole flow before any part of it can be drawn
    graph.py      that, as a graphviz.Digraph; with labels.py, legend.py, strokes.py, titles.py
    frames.py, spine.py, size.py    where things stand, and how many may
    layout.py     the `dot` program; image.py: its answers made fit for a file
    beside.py     two pictures in one

Read next: `viz/drawing/picture.py`.
"""
