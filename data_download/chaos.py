"""Fetch CHAOS's training sets: 890 MB to download, 2 GB or so unpacked, licence CC BY-NC-SA 4.0.

    python data_download/chaos.py                      # into data/chaos
    python data_download/chaos.py --out /data/chaos --keep-archive

Cut off? Run it again: it goes on where it stopped. Done already? It says so and does nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from guided_attention.data.fetch.chaos import fetch_chaos
from guided_attention.errors import GuidedAttentionError


def main(arguments: list[str] | None = None) -> int:
    """Fetch the set unless it is already there; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=None, help="folder to put it in (default: data/chaos)")
    parser.add_argument("--keep-archive", action="store_true", help="keep the zip file after unpacking")
    options = parser.parse_args(arguments)
    try:
        fetch_chaos(options.out, keep_archive=options.keep_archive)
    except GuidedAttentionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
