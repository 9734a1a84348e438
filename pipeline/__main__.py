"""``python -m pipeline build | serve | slides | notebooks | check | execute | colab``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from guided_attention.errors import GuidedAttentionError
from pipeline.layout import Book, BookError

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command in the checkout that is the working directory; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="data, chapters, pages, checks")
    build.add_argument("--jobs", type=int, help="chapters to run side by side (default 2)")
    serve = commands.add_parser("serve", help="show the pages of the last build on this machine")
    serve.add_argument("--port", type=int, default=8000)
    slides = commands.add_parser("slides", help="execute the decks of slides/ and write them to _build/html/slides")
    notebooks = commands.add_parser("notebooks", help="write notebooks/ from chapters/")
    notebooks.add_argument("--check", action="store_true", help="only say which are stale")
    commands.add_parser("check", help="check the pages of the last build")
    execute = commands.add_parser("execute", help="execute one chapter or deck (build does this for each)")
    execute.add_argument("name", help="01_data, or slides/attention")
    colab = commands.add_parser("colab", help="run the notebooks with Colab's versions and their own first cells")
    colab.add_argument("names", nargs="*", help="01_data ... (default: all)")
    colab.add_argument(
        "--short",
        action="store_true",
        help="without those that train, on the last build's phantom",
    )
    colab.add_argument("--python", help="interpreter as Colab's, such as python3.13 (default: this one)")
    colab.add_argument("--jobs", type=int, default=1, help="notebooks to run side by side (default 1)")
    for command in (build, slides, execute):
        command.add_argument("--preset", default="quick", help="quick (default) or paper")
    options = parser.parse_args(arguments)
    try:
        _run(options, Book(Path.cwd()))
    except GuidedAttentionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace, book: Book) -> None:
    from pipeline import build, notebooks, pages, serve, slides
    from pipeline.execute import execute_chapter

    if options.command == "build":
        build.build_book(book, options.preset, options.jobs)
    elif options.command == "execute":
        print(execute_chapter(book, options.name, book.executed(options.name), options.preset))
    elif options.command == "slides":
        for path in slides.make_slides(book, options.preset):
            print(path.relative_to(book.root))
    elif options.command == "colab":
        _rehearse(options, book)
    elif options.command == "serve":
        serve.serve(book.html, options.port)
    elif options.command == "check":
        _refuse("the pages are not as they should be", pages.check_pages(book))
    elif options.check:
        stale = [str(path.relative_to(book.root)) for path in notebooks.stale_notebooks(book)]
        _refuse("stale notebooks; run `make notebooks` and commit", stale)
    else:
        for path in notebooks.write_notebooks(book):
            print(path.relative_to(book.root))


def _rehearse(options: argparse.Namespace, book: Book) -> None:
    from pipeline import rehearsal

    left_out = rehearsal.TRAINING if options.short else ()
    chapters = options.names or [stem for stem in book.chapters if stem not in left_out]
    data = book.build / "data" if options.short else None
    results = rehearsal.rehearse(book, chapters, python=options.python, jobs=options.jobs, data=data)
    print(rehearsal.table(results))
    rehearsal.refuse_problems(results)


def _refuse(what: str, problems: list[str]) -> None:
    if problems:
        raise BookError("\n  ".join([f"{what}:", *problems]))


if __name__ == "__main__":
    sys.exit(main())
