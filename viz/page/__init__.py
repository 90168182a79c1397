"""Pages: one HTML file each, that works offline and can load, send or run nothing from elsewhere.

Read next: `viz/page/viewer.py`.
"""

from viz.page.shell import asset, page

__all__ = ["asset", "page"]
