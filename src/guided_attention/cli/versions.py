"""The packages that are installed, against what this one requires and what its tests passed with."""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from guided_attention.paths import carried

__all__ = ["NAME", "installed", "known_good", "not_met", "requirements"]

#: Of this package, as pip knows it.
NAME = "guided-attention"


def requirements(extra: str = "") -> list[Requirement]:
    """Return what the package requires on this machine, or what one of its extras does besides."""
    needs = [Requirement(line) for line in metadata.requires(NAME) or ()]
    always = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return [n for n in needs if n not in always and n.marker.evaluate({"extra": extra})] if extra else always


def installed(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def not_met(needs: list[Requirement]) -> list[Requirement]:
    """Return the requirements whose package is missing or has a version that is not allowed."""
    found = {need: installed(need.name) for need in needs}
    return [n for n in needs if found[n] is None or not n.specifier.contains(found[n], prereleases=True)]


def known_good() -> dict[str, Version]:
    """Return the exact versions that the tests passed with, those of ``constraints.txt`` for this Python and system."""
    lines = carried("constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in here}
