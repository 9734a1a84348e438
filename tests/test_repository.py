"""The repository as a whole: one list of dependencies, two licences, one address, lint."""

import hashlib
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pkgutil import resolve_name

import pytest
import yaml
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from guided_attention.models import MODELS
from guided_attention.paths import REPOSITORY
from guided_attention.report.names import NAMES
from pipeline.header import EXTRA
from pipeline.layout import Book
from small_book import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ("3.10.12", "3.11.2", "3.11.9", "3.12.3", "3.13.1")


def requirements():
    """Every direct dependency of the package and of its extras; what an extra takes from another is that one's."""
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    found = [Requirement(text) for entries in lists for text in entries]
    return [requirement for requirement in found if requirement.name != PROJECT["name"]]


def constraints(python):
    """Name -> exact version, for one version of Python on Linux."""
    environment = {
        **default_environment(),
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": "linux",
    }
    found = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            assert specifier.operator == "=="
            if requirement.marker is None or Marker(str(requirement.marker)).evaluate(environment):
                name = canonicalize_name(requirement.name)
                assert name not in found, f"{name} twice for Python {python}"
                found[name] = Version(specifier.version)
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_has_an_exact_version_within_its_bounds(python):
    exact = constraints(python)
    for requirement in requirements():
        assert requirement.specifier.contains(exact[canonicalize_name(requirement.name)]), requirement


def test_dependencies_have_lower_bounds_only():
    for requirement in requirements():
        operators = {specifier.operator for specifier in requirement.specifier}
        capped = (
            requirement.name == "jupyter-book"
        )  # version 2 is another program: it reads neither _config.yml nor _toc.yml
        assert operators == ({">=", "<"} if capped else {">="}), requirement


def test_extras_build_on_the_widgets_and_repeat_nothing_of_them():
    extras = PROJECT["optional-dependencies"]
    brought = {Requirement(text).name for text in extras[EXTRA]}
    for extra, taken in (("book", {EXTRA}), ("test", {EXTRA, "formats"})):
        own = [Requirement(text) for text in extras[extra]]
        assert [r.extras for r in own if r.name == PROJECT["name"]] == [taken]
        assert brought & {r.name for r in own} == set()


def test_make_lowest_takes_every_bound():
    """It reads them line by line (Makefile)."""
    lines = re.findall(r'^ *"([a-z0-9-]+)>=([0-9.]+)', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    bounds = {(r.name, s.version) for r in requirements() for s in r.specifier if s.operator == ">="}
    assert set(lines) == bounds


def test_constraints_name_no_build_and_no_place():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if re.search(r"==\S*\+|@|file:|^-", line)] == []
    assert constraints("3.11.9")["torch"] == Version("2.13.0")


def test_conda_takes_its_packages_from_pyproject_and_repeats_none():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert plain == [f"python{PROJECT['requires-python']}", "pip"]
    assert pip == ["-c constraints.txt", "-e .[book,test]"]
    assert {"book", "test"} <= set(PROJECT["optional-dependencies"])


def test_code_and_text_have_their_licences():
    code, text = (ROOT / "LICENSE").read_text(), (ROOT / "LICENSE-text").read_text()
    assert "Apache License" in code
    assert "END OF TERMS AND CONDITIONS" in code
    assert "Attribution 4.0 International Public License" in text
    assert "Section 8 – Interpretation." in text
    assert PROJECT["license"] == "Apache-2.0"


def test_one_address_and_one_version_everywhere():
    book, citation = Book(ROOT), yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["repository-code"] == book.repository == REPOSITORY
    assert citation["version"] == PROJECT["version"] == version("guided-attention")
    assert citation["license"] == PROJECT["license"]
    pages = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]
    addresses = {a for page in pages for a in re.findall(r"github\.com/[\w.-]+/guided-attention\b", page.read_text())}
    assert addresses == {book.repository.removeprefix("https://")}


def test_the_pages_are_published_where_notebooks_link_to():
    book = Book(ROOT)
    owner, name = book.repository.removeprefix("https://github.com/").split("/")
    assert book.page("book/index") == f"https://{owner}.github.io/{name}/book/index.html"
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text())
    steps = workflow["jobs"]["publish"]["steps"]
    assert "make book" in [step.get("run") for step in steps]
    (upload,) = (step for step in steps if step.get("uses", "").startswith("actions/upload-pages-artifact@"))
    assert ROOT / upload["with"]["path"] == book.html
    assert workflow[True]["push"]["branches"] == [book.branch]  # YAML 1.1 reads the key "on" as true


def test_readme_links_to_every_chapter_on_colab():
    book, text = Book(ROOT), (ROOT / "README.md").read_text()
    assert [stem for stem in book.chapters if book.colab(stem) not in text] == []


def test_every_target_of_the_makefile_is_explained():
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    explained = set(re.findall(r"^# make ([\w-]+)", text, re.MULTILINE))
    assert explained == set(phony.split()) - {"help", "setup"}


def test_an_old_python_gets_a_sentence_not_a_traceback(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # what the version check of an old Python ends with
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        ["make", "-C", str(tmp_path), f"PYTHON={old}", "test"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "older than Python 3.10" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_vendored_mathjax_is_as_published():
    folder = ROOT / "book" / "_vendor" / "mathjax"
    sums = dict(line.split()[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {*sums, "README.md", "SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


def test_modules_are_small():
    long = [path.name for path in (ROOT / "src").rglob("*.py") if len(path.read_text().splitlines()) > 250]
    assert long == []


JS_CODE = re.compile(r"//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|\$\{|=>|[\w$]+|\S", re.DOTALL)
JS_TEMPLATE = re.compile(r"\\.|`|\$\{", re.DOTALL)
JS_CONTROL = {"if", "for", "while", "switch", "catch"}


def javascript_functions(text: str) -> dict[int, int]:
    """Lengths in lines of the functions with a body, by the line where the body begins. Brackets are counted."""
    found, opened, before, place = {}, [], "", 0
    while match := (JS_TEMPLATE if opened and opened[-1][0] == "`" else JS_CODE).search(text, place):
        token, place, line = match[0], match.end(), text.count("\n", 0, match.start()) + 1
        if token.startswith(("//", "/*", "\\")):
            continue
        if token == "`" and opened and opened[-1][0] == "`":
            opened.pop()
        elif token in ("(", "{", "${", "`", "["):
            opened.append((token, before, line))
        elif token in (")", "}", "]"):
            bracket, ahead, first = opened.pop()
            if bracket == "{" and ahead in (")", "=>"):
                found[first] = line - first + 1
            token = "" if bracket == "(" and ahead in JS_CONTROL else token
        before = token
    assert not opened
    return found


def test_javascript_functions_are_short():
    sample = """function f() {  // {
  if (g(`a ${ {b: "}"}.b } {`)) {
    h((x) => {
    });
  }
}
"""
    assert javascript_functions(sample) == {1: 6, 3: 2}
    found = {path.name: javascript_functions(path.read_text()) for path in (ROOT / "src").rglob("*.js")}
    assert min(len(functions) for functions in found.values()) > 0
    long = [(name, line, lines) for name, functions in found.items() for line, lines in functions.items() if lines > 40]
    assert long == []


def test_no_file_names_a_place_on_somebodys_machine():
    folders = ("src", "tests", "book", "chapters", "notebooks", "slides", "data_download", ".ci")
    files = [
        path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".md", ".ipynb"}
    ]
    files += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "_config.yml", ".ci/run")]
    place = re.compile(r"(?<![\w.:])/(?:home|root|work|Users)/\w")
    assert [str(path.relative_to(ROOT)) for path in files if place.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["check", "format"])
def test_ruff_is_content(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def texts():
    """Whatever is written in words: pages, chapters, decks, and the comments of the code."""
    kinds = ("*.md", "*/*.md", "Makefile", ".ci/*", "benchmarks/*.py", "pipeline/*.py", "src/**/*.py", "src/**/*.js")
    return [path for kind in kinds for path in sorted(ROOT.glob(kind)) if not {"_build", ".venv"} & {*path.parts}]


def test_what_is_named_in_words_exists():
    """Every dotted path of the package, every import, every file; in the changelog, names of the past stand left."""
    missing = []
    for path in texts():
        text = path.read_text(encoding="utf-8")
        if path.name == "CHANGELOG.md":
            text = re.sub(r"^\|[^|]*\|", "", text, flags=re.MULTILINE)
        names = set(re.findall(r"\bguided_attention(?:\.\w+)+", text))
        for module, listed in re.findall(r"^from (guided_attention[\w.]*) import ([\w, ]+)$", text, re.MULTILINE):
            names |= {f"{module}.{name.split()[0]}" for name in listed.split(",") if name.strip()}
        for name in names:
            try:
                resolve_name(name)
            except (ImportError, AttributeError) as error:
                missing.append(f"{path.name}: {name} ({error})")
        for name in re.findall(r"(?<![\w./])\.?[a-z_]+/[\w./]*\.(?:py|md|js|yml|toml|bib)\b", text):
            known = {path.parent / name, ROOT / name, ROOT / "src" / "guided_attention" / name}
            if (
                path.suffix == ".md"
                and not re.search("NAME|NN|DATASET", name)
                and not any(file.exists() for file in known)
            ):
                missing.append(f"{path.name}: {name}")
    assert missing == []


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py")))
def test_benchmarks_import_what_there_is(name):
    import_module(f"benchmarks.{name}")


def test_every_network_has_a_name_for_tables():
    assert tuple(NAMES) == MODELS
