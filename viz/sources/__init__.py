"""Whose backward pass is watched: one file for each kind of loss, and what they share.

A source runs one backward pass of its engine and tells a `Watcher` of every contribution. Then it says what it knows of
every value as a `Value`, and `assembled` makes the plain data of a flow from both. What is particular to one engine is
in its own file, which `viz.trace` imports when a loss of that kind arrives: `import viz` needs none of them.

Read next: `viz/sources/records.py`, what a source says of a value.
"""
