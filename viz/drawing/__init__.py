"""Pictures by Graphviz: from the plain data of a flow to a Digraph, SVG, PNG and PDF.

    picture.py                      all that must be known of a flow before a part of it can be drawn
    frames.py, spine.py, size.py    where nodes are placed, and how many may be drawn
    graph.py                        the graphviz.Digraph, with labels.py and legend.py
    beside.py                       two flows in one picture
    image.py, titles.py             the picture as a file, after a first layout that places the titles
    lettering.py                    the texts in an SVG, independent of the reader's font
    layout.py                       the program `dot`

Read next: `viz/drawing/picture.py`, what is computed first.
"""
