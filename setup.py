"""What pyproject.toml cannot say: files of the repository that a wheel carries along.

They are in git once, where the book and `make` use them; in a wheel they lie in ``guided_attention/carried`` under the
same paths, where `guided_attention.paths.carried` finds them.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

#: The versions that the tests passed with (for ``guided-attention doctor``); what a browser runs networks with.
CARRIED = ("constraints.txt", "book/_vendor/onnxruntime-web/*")


class BuildWithCarried(build_py):
    """Build the package, and put what it carries beside it; source distributions get it too."""

    def _carried(self) -> list[str]:
        found = {pattern: sorted(Path().glob(pattern)) for pattern in CARRIED}
        if missing := [pattern for pattern, paths in found.items() if not paths]:
            raise FileNotFoundError(f"{', '.join(missing)}: not found; the wheel carries it. Build in the repository.")
        return [path.as_posix() for paths in found.values() for path in paths]

    def get_source_files(self) -> list[str]:
        """Return what a source distribution needs."""
        return [*super().get_source_files(), *self._carried()]

    def run(self) -> None:
        """Copy everything into the build folder; an editable installation finds it in the repository."""
        super().run()
        if self.editable_mode:
            return
        for path in self._carried():
            target = Path(self.build_lib, "guided_attention", "carried", path)
            self.mkpath(str(target.parent))
            self.copy_file(path, str(target))


setup(cmdclass={"build_py": BuildWithCarried})
