"""Finds the commands, runs one, and turns whatever happens into an exit code and at most one line."""

from __future__ import annotations

import ast
import contextlib
import difflib
import errno
import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import click

import streamgauge
from streamgauge.cli import INTERRUPTED
from streamgauge.cli._output import line_of
from streamgauge.cli._secrets import mask
from streamgauge.errors import StreamgaugeError

HARNESS = 2
"""The call or the harness was wrong."""

PIPE_CLOSED = 141
"""The reader of our output went away (`| head`): 128 and SIGPIPE, as shells count."""

TRACEBACK = "STREAMGAUGE_TRACEBACK"


class _Closed(Exception):  # noqa: N818 - an outcome, handled below
    """Our reader went away; click would make exit code 1 of it, which says that a subject fell short."""


class Commands(click.Group):
    """The commands in `streamgauge.cli`; only the one that is invoked is imported."""

    @cached_property
    def modules(self) -> dict[str, str]:
        """Module by command: public modules whose source defines `command` at module level."""
        package = importlib.import_module("streamgauge.cli")
        names = (info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_"))
        # A trailing underscore is for commands whose name is a Python keyword, like `import`.
        return {n.rstrip("_").replace("_", "-"): f"{package.__name__}.{n}" for n in names}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for name, module in self.modules.items() if _defines_command(_tree(module))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.modules:
            return None
        found = getattr(importlib.import_module(self.modules[cmd_name]), "command", None)
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, _summary(_tree(self.modules[name]))) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise _Closed from error
            raise
        except SystemExit as stop:
            # rich ends the process with 1 when its reader goes away.
            if isinstance(stop.__context__, BrokenPipeError):
                raise _Closed from stop
            raise


def _tree(module: str) -> ast.Module:
    # Parsing is cheap; importing every command would pull in HTTP clients, servers and report writers.
    spec = find_spec(module)
    source = spec.loader.get_source(module) if spec and spec.loader and hasattr(spec.loader, "get_source") else ""
    return ast.parse(source or "")


def _defines_command(tree: ast.Module) -> bool:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "command":
            return True
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        if any(isinstance(t, ast.Name) and t.id == "command" for t in targets):
            return True
    return False


def _summary(tree: ast.Module) -> str:
    first = (ast.get_docstring(tree) or "").partition("\n")[0].strip()
    _, dash, rest = first.partition(": ")
    # "`streamgauge decode`: bytes in, events out." reads better in a list without the name before it.
    return (rest if dash and first.startswith("`") else first).rstrip(".")


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 good, 1 the subject fell short, 2 the call or the harness was wrong.",
)
@click.version_option(streamgauge.__version__, prog_name="streamgauge")
def _root() -> None:
    """Check that streaming LLM providers stream correctly, and measure how fast they do."""


def run(argv: Sequence[str] | None) -> int:
    """The exit code of a call; what went wrong is one line on standard error."""
    words = list(sys.argv[1:] if argv is None else argv)
    _complete_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a stream's text may hold what a terminal can't show
    try:
        return _code(_root.main(args=words, prog_name="streamgauge", standalone_mode=False))
    except SystemExit as stop:
        return _code(stop.code)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except _Closed:
        _abandon_stdout()
        return PIPE_CLOSED
    except click.exceptions.NoArgsIsHelpError as bare:
        bare.show()
        return HARNESS
    except Exception as error:
        _complain(error, words)
        return HARNESS


def _complete_streams() -> None:
    """Put nothing where a standard stream is closed (`>&-`): Python has None there, which has no methods."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for the process's life


def _code(result: Any) -> int:
    if isinstance(result, str):
        click.echo(f"Error: {mask(result)}", err=True)
        return HARNESS
    return result if isinstance(result, int) else 0


def _complain(error: Exception, argv: Sequence[str]) -> None:
    wanted = os.environ.get(TRACEBACK, "") not in ("", "0")
    if wanted:
        click.echo(mask("".join(traceback.format_exception(error)), argv), err=True, nl=False)
    with contextlib.suppress(OSError):
        click.echo(mask(f"Error: {line_of(_explain(error))}", argv), err=True)


def _explain(error: Exception) -> str:
    match error:
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "streamgauge"
            return f"{error.format_message().rstrip('.')} (see '{path} --help')"
        case click.ClickException():
            return error.format_message()
        case StreamgaugeError():
            return str(error)
        case OSError(filename=str() as name, strerror=str() as reason):
            return f"{name}: {reason}"
        case OSError(errno=errno.ENOSPC, strerror=str() as reason):
            return f"can't write the output: {reason}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return (
        f"streamgauge itself failed, which is a bug: {type(error).__name__}: {error}{place}"
        f" (set {TRACEBACK}=1 for the traceback)"
    )


def _abandon_stdout() -> None:
    # The interpreter flushes standard output once more at its end, and would complain about it.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
