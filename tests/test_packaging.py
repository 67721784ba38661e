"""The wheel: it holds what is tracked, works by itself, and names nothing of the machine that it was built on."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import streamgauge

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "harness/streamgauge": "streamgauge",
    "providers/streamgauge_providers": "streamgauge_providers",
    "fixtures/streamgauge_fixtures": "streamgauge_fixtures",
}
OFFLINE = ("dns error", "failed to fetch", "connection", "could not find a version", "network", "error sending request")


def builder(out: Path) -> list[str]:
    """The command that builds the wheel, with what is installed."""
    if importlib.util.find_spec("hatchling"):
        return [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    if importlib.util.find_spec("build"):
        return [sys.executable, "-m", "build", "--wheel", "--outdir", str(out)]
    if uv := shutil.which("uv"):
        return [uv, "build", "--quiet", "--wheel", "--out-dir", str(out)]
    pytest.skip("no tool here builds wheels: pip install hatchling")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built once."""
    out = tmp_path_factory.mktemp("wheel")
    run = subprocess.run(builder(out), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    if run.returncode and any(word in (run.stdout + run.stderr).lower() for word in OFFLINE):
        pytest.skip("the build backend can't be fetched: no package index is in reach")
    assert run.returncode == 0, run.stdout + run.stderr
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files in the wheel."""
    return set(zipfile.ZipFile(wheel).namelist())


def tracked() -> list[str]:
    """Files that git tracks below the source roots, as the wheel names them."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is no git checkout: what is tracked is not known")
    run = subprocess.run(["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [file for file in run.stdout.split("\0") if file and (ROOT / file).exists()]
    return [file.partition("/")[2] for file in files]


def test_the_wheel_holds_what_is_tracked(names: set[str]) -> None:
    """Every tracked module, fixture and template is in the wheel: hatchling leaves out what .gitignore matches."""
    files = tracked()
    assert any(file.endswith(".sse") for file in files)
    assert any(file.endswith(".j2") for file in files)
    assert not set(files) - names


def test_the_wheel_is_typed(names: set[str]) -> None:
    """Type checkers read the packages' own annotations."""
    assert {"streamgauge/py.typed", "streamgauge_providers/py.typed"} <= names


def test_the_wheel_holds_nothing_else(names: set[str]) -> None:
    """Neither tests nor caches nor other top-level packages are in it."""
    tops = {name.partition("/")[0] for name in names}
    assert tops == {*PACKAGES.values(), f"streamgauge-{streamgauge.__version__}.dist-info"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".gguf"))]


def test_the_wheel_names_no_machine(wheel: Path) -> None:
    """No path of the machine that built it, nor of the team's shared folder, is in any file."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            for place in (b"/work/", b"../shared", str(ROOT).encode(), str(Path.home()).encode() + b"/"):
                assert place not in data, f"{name} names {place!r}"


def test_the_wheel_works(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere it is what is imported, finds its dialects and recordings, and runs its command."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import streamgauge\n"
        "from streamgauge.recordings import shipped\n"
        "from streamgauge.registry import all_dialects\n"
        "assert streamgauge.__file__.startswith(sys.argv[1]), streamgauge.__file__\n"
        "print(len(shipped()), *all_dialects())\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    count, *dialects = run.stdout.split()
    assert int(count) == len([*tmp_path.rglob("streamgauge_fixtures/*/*.json")])
    assert "openai-chat" in dialects
    (entry,) = tmp_path.glob("*.dist-info/entry_points.txt")
    assert "streamgauge = streamgauge.cli:main" in entry.read_text()


def test_versions_agree() -> None:
    """The package states the version that it is built with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == streamgauge.__version__


def test_folder_names_are_no_packages() -> None:
    """ruff refuses imports by the folders' names, which would make a second copy of every class; nothing does it."""
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert {folder.partition("/")[0] for folder in PACKAGES} <= set(ruff["lint"]["flake8-tidy-imports"]["banned-api"])
    assert not [folder for folder in PACKAGES if (ROOT / folder.partition("/")[0] / "__init__.py").exists()]
    wrong = re.compile(r"^(?:from|import) (?:harness|providers|fixtures)\b", re.MULTILINE)
    for folder in (*PACKAGES, "tests", "tools"):
        for file in (ROOT / folder).rglob("*.py"):
            assert not wrong.search(file.read_text(encoding="utf-8")), file
