"""Install the packages that some tests compare with, where that takes no gigabytes; else say why these tests skip.

    python -m tests.engines

On Linux, `pip install torch` gets a build for graphics cards, with gigabytes of libraries. So pip is asked first what
it would install: only a build without them is taken. `pip install 'blameflow[compare]'` installs whatever pip finds.
"""

from __future__ import annotations

import json
import subprocess
import sys

PACKAGES = (
    "torch==2.13.0",
    "jax==0.10.2",
    "tokenizers==0.23.3",
    "regex==2026.11.19",
    "tensorboardX==2.6.5",
)  # the versions that the tests were last run with
FOR_GRAPHICS_CARDS = ("nvidia", "cuda", "triton")
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]


def main() -> None:
    """Install each package, or print in one line why not."""
    for package in PACKAGES:
        plan = subprocess.run([*PIP, "--dry-run", "--report", "-", package], capture_output=True, text=True)
        if plan.returncode:
            print(f"{package}: cannot be had here, so its tests skip")
            continue
        names = [str(one["metadata"]["name"]) for one in json.loads(plan.stdout)["install"]]
        if any(name.startswith(FOR_GRAPHICS_CARDS) for name in names):
            print(f"{package}: only as a build for graphics cards, of gigabytes, so its tests skip")
        elif names and subprocess.run([*PIP, package], stdout=subprocess.DEVNULL).returncode:
            print(f"{package}: the installation failed, so its tests skip")


if __name__ == "__main__":
    main()
