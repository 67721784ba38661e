"""Finding providers: a file or an entry point adds one, two of one name raise, a missing library says what to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import streamgauge_providers
from streamgauge.chat import ChatRequest
from streamgauge.errors import DuplicateNameError, StreamgaugeError, UnavailableError, UnknownNameError
from streamgauge.message import assemble
from streamgauge.provider import Connection, ProviderSpec, all_providers, get_provider
from streamgauge.recordings import get_recording
from streamgauge.script import script_of
from streamgauge.server import ReplayServer

MODULE = """
    from streamgauge.http_provider import HTTPProvider
    from streamgauge.provider import ProviderSpec
    from streamgauge.registry import get_dialect

    class Loud(HTTPProvider):
        \"\"\"The ten-line provider of somebody else.\"\"\"

        def __init__(self, connection):
            super().__init__(get_dialect("openai-chat"), connection)

    PROVIDERS = (
        ProviderSpec(
            name="{name}",
            title="dropped in",
            dialect="openai-chat",
            capabilities=frozenset(("sync", "async", "usage")),
            connect=Loud,
        ),
    )
    ONE = PROVIDERS[0]
"""


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    """What a test drops in is looked for, and forgotten behind it."""
    all_providers.cache_clear()
    yield
    all_providers.cache_clear()


@pytest.fixture
def drop_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Drops a module that defines a provider into a folder of `streamgauge_providers`; gives the module's name."""
    folder = tmp_path / "streamgauge_providers"
    folder.mkdir()
    monkeypatch.setattr(streamgauge_providers, "__path__", [*streamgauge_providers.__path__, str(folder)])
    dropped: list[str] = []

    def drop(name: str) -> str:
        module = f"dropped_{len(dropped)}"
        (folder / f"{module}.py").write_text(dedent(MODULE).format(name=name), encoding="utf-8")
        dropped.append(f"streamgauge_providers.{module}")
        return dropped[-1]

    yield drop
    for module in dropped:
        sys.modules.pop(module, None)
        vars(streamgauge_providers).pop(module.rpartition(".")[2], None)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Lays an installed package with an entry point beside the others, as pip would."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def lay(name: str, value: str) -> None:
        (site / "somebodys_provider.py").write_text(dedent(MODULE).format(name=name), encoding="utf-8")
        info = site / "somebodys_provider-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-provider\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[streamgauge.providers]\nsomebody = {value}\n")

    yield lay
    sys.modules.pop("somebodys_provider", None)


def stream_through(name: str) -> None:
    """Stream the plain recording through a provider."""
    recording = get_recording("plain-text")
    with ReplayServer() as server:
        provider = get_provider(name).open(Connection(base_url=server.mount(script_of(recording)).base_url))
        message = assemble("openai-chat", provider.stream(ChatRequest.of("hello")))
        provider.close()
    assert message == recording.message


def test_a_file_adds_a_provider(drop_in: Callable[[str], str]) -> None:
    """One module in the package is all that a provider takes."""
    drop_in("dropped-in")
    stream_through("dropped-in")


@pytest.mark.parametrize("value", ["somebodys_provider", "somebodys_provider:PROVIDERS", "somebodys_provider:ONE"])
def test_an_entry_point_adds_a_provider(package: Callable[[str, str], None], value: str) -> None:
    """Other people's packages add one by the group `streamgauge.providers`: a module, a tuple of specs, or one spec."""
    package("of-a-package", value)
    stream_through("of-a-package")


@pytest.mark.parametrize("value", ["somebodys_provider:__name__", "json"])
def test_an_entry_point_to_something_else(package: Callable[[str, str], None], value: str) -> None:
    """What an entry point leads to by mistake is told by its name, and what should be there."""
    package("of-a-package", value)
    with pytest.raises(StreamgaugeError, match=r"entry point 'somebody' .* should lead to a ProviderSpec, or to a mod"):
        all_providers()


def test_the_provider_of_contributing() -> None:
    """The provider in CONTRIBUTING.md streams as it stands there."""
    pytest.importorskip("openai")
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    space: dict[str, Any] = {}
    exec(text.partition("```python\n")[2].partition("```")[0], space)
    (spec,) = space["PROVIDERS"]
    recording = get_recording("plain-text")
    with ReplayServer() as server:
        mount = server.mount(script_of(recording))
        provider = spec.open(Connection(base_url=mount.base_url, api_key="k"))
        message = assemble("openai-chat", provider.stream(ChatRequest.of("hello")))
        provider.close()
    assert (message.ended, message.choices[0].text) == ("complete", recording.message.choices[0].text)


def test_two_of_one_name_name_both_places(drop_in: Callable[[str], str]) -> None:
    """A second provider of the same name raises, and says where both are."""
    first, second = drop_in("twice"), drop_in("twice")
    with pytest.raises(DuplicateNameError, match="provider 'twice' is defined twice") as caught:
        all_providers()
    assert first in str(caught.value)
    assert second in str(caught.value)


def test_entry_point_against_a_module(drop_in: Callable[[str], str], package: Callable[[str, str], None]) -> None:
    """A package's provider can't hide one of ours: both places are named."""
    package("openai-chat", "somebodys_provider:PROVIDERS")
    with pytest.raises(DuplicateNameError, match=r"streamgauge_providers\.http.*entry point 'somebody'"):
        all_providers()


def test_unknown_provider() -> None:
    """A misspelt name gets the nearest one."""
    with pytest.raises(UnknownNameError, match="did you mean 'openai-chat'"):
        get_provider("openai-chta")


def spec(**changes: object) -> ProviderSpec:
    facts: dict[str, object] = {
        "name": "p",
        "title": "",
        "dialect": "openai-chat",
        "capabilities": frozenset(("sync",)),
        "connect": lambda connection: connection,
        "env": "P_API_KEY",
    }
    return ProviderSpec(**(facts | changes))  # type: ignore[arg-type]


def test_missing_library_gives_the_command() -> None:
    """A provider whose library is not installed says which is missing and how to install it."""
    absent = spec(requires=("no-such-distribution",), extra="p")
    assert absent.missing == ("no-such-distribution",)
    assert absent.version == ""
    with pytest.raises(UnavailableError, match=r"no-such-distribution, not installed: pip install 'streamgauge\[p\]'"):
        absent.open(Connection(base_url="http://127.0.0.1:1/v1"))


def test_key_of_option_then_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that is given wins over the environment's; without either the message names both places."""
    monkeypatch.setenv("P_API_KEY", "from-environment")
    assert spec().key("given") == "given"
    assert spec().key(None) == "from-environment"
    monkeypatch.delenv("P_API_KEY")
    with pytest.raises(StreamgaugeError, match="give --api-key or set P_API_KEY"):
        spec().key(None)


def test_installed_beside_streamgauge(tmp_path: Path, package: Callable[[str, str], None]) -> None:
    """A process of its own that has the package on its path finds the provider too."""
    package("of-a-package", "somebodys_provider:PROVIDERS")
    code = "from streamgauge.provider import all_providers; print('of-a-package' in all_providers())"
    path = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); "
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "True"
