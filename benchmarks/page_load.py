"""What a page of the built book costs a reader: bytes, plain and compressed, and seconds until its widgets answer.

Every page with a widget is opened in a fresh headless Chromium context (nothing cached) from loopback.

    make book
    python -m benchmarks.page_load --out page_load.json
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.browsing import add_browser, browser
from guided_attention.files import write_text
from pipeline.serve import serving

#: Answers with the milliseconds since the page was asked for, once all its widgets have been mounted.
MOUNTED = """() => [...document.querySelectorAll(".ga-mount")].every(it => it.dataset.state === "ready")
  && performance.now()"""


def load(running: Browser, address: str, root: Path, page: str) -> dict:
    """Open one page as a first visitor; return bytes by kind and the time until all widgets stand."""
    context = running.new_context(viewport={"width": 1440, "height": 900})
    opened, responses = context.new_page(), []
    opened.on("response", lambda response: responses.append(response))
    opened.goto(f"{address}/{page}", wait_until="commit")
    ready = opened.wait_for_function(MOUNTED, polling=20).json_value()
    opened.wait_for_load_state("networkidle")
    sizes, small = {}, {}
    for response in responses:
        name, body = response.url.removeprefix(address).split("?")[0], response.body()
        sizes[name], small[name] = len(body), int(response.headers["content-length"])
    context.close()
    own = [name for name in sizes if name.startswith("/_images/") or name == f"/{page}"]
    return {
        "milliseconds": ready,
        "own": sum(sizes[name] for name in own),
        "all": sum(sizes.values()),
        "own_compressed": sum(small[name] for name in own),
        "all_compressed": sum(small.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--html", type=Path, default=Path("_build/html"), help="the built book (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each page is opened (default: 5)")
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    add_browser(parser)
    arguments = parser.parse_args()
    root = arguments.html.resolve()
    if not (root / "index.html").is_file():
        parser.error(f"{arguments.html} has no index.html: run `make book` first, or name the pages by --html")
    pages = [
        str(path.relative_to(root)) for path in sorted(root.glob("chapters/*.html")) if "ga-mount" in path.read_text()
    ]
    result: dict = {"rounds": arguments.rounds, "machine": platform.processor() or platform.machine(), "pages": {}}
    print(f"{'':<38}{'page, MB':>10}{'gzip':>7}{'with theme':>12}{'gzip':>7}{'s to widgets':>14}")
    with browser(parser, arguments.browser) as running, serving(root) as address:
        result["browser"] = f"Chromium {running.version}"
        for page in pages:
            found = [load(running, address, root, page) for _ in range(arguments.rounds)]
            seconds = [round(each["milliseconds"] / 1000, 2) for each in found]
            row = {**found[0], "seconds": statistics.median(seconds), "seconds_all": seconds}
            del row["milliseconds"]
            result["pages"][page] = row
            bytes_ = [row[key] / 1e6 for key in ("own", "own_compressed", "all", "all_compressed")]
            print("{:<38}{:10.2f}{:7.2f}{:12.2f}{:7.2f}{:14.2f}".format(page, *bytes_, row["seconds"]))
    if arguments.out:
        write_text(arguments.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
