"""Write the synthetic abdomen: CHAOS's layout, no download, the same subjects for the same seed.

    python data_download/phantom.py                       # 20 subjects into data/phantom
    python data_download/phantom.py --preset small --out small

The images are made up; `guided_attention.data.phantom` says how, and what they are not.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from guided_attention.data.phantom import (
    PRESETS,
    is_written,
    phantom_folder,
    phantom_record,
    phantom_settings,
    write_phantom,
)
from guided_attention.errors import GuidedAttentionError


def main(arguments: list[str] | None = None) -> int:
    """Write the set unless it is already there; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=None, help="folder to write (default: data/phantom)")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="full", help="size and resolution")
    parser.add_argument("--subjects", type=int, default=None, help="another number of subjects than the preset's")
    parser.add_argument("--seed", type=int, default=0, help="of everything")
    parser.add_argument("--workers", type=int, default=None, help="processes (default: one per processor)")
    options = parser.parse_args(arguments)
    root = options.out or phantom_folder()
    try:
        settings = phantom_settings(options.preset)
        if options.subjects is not None:
            settings = replace(settings, subjects=options.subjects)
        if options.seed >= 0 and is_written(root, phantom_record(settings, options.seed, options.preset)):
            print(f"{root}: this synthetic set is already there, nothing to do")
            return 0
        write_phantom(root, options.subjects, options.seed, options.preset, options.workers)
    except GuidedAttentionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{root}: wrote {settings.subjects} synthetic subjects (preset {options.preset}, seed {options.seed})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
