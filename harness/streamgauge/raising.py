"""What a client raised, as evidence: pure, and without the secrets that its message may quote."""

from __future__ import annotations

import traceback

from streamgauge.observation import Raised


def raised(error: BaseException, modules: tuple[str, ...] = (), secrets: tuple[str, ...] = ()) -> Raised:
    """What is known of an exception: its class, whether that is one of these modules', its message without secrets."""
    kinds = [k for k in type(error).__mro__ if k not in (object, BaseException)]
    trace = "".join(traceback.format_exception(error))
    return Raised(
        name=_qualified(type(error)),
        message=_masked(str(error), secrets),
        bases=tuple(_qualified(k) for k in kinds[1:]),
        library=_belongs(type(error).__module__, modules),
        timeout=_is_timeout(error),
        traceback=_masked(trace, secrets),
    )


def _qualified(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _belongs(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _is_timeout(error: BaseException) -> bool:
    """By class or by cause: libraries name it ReadTimeout, APITimeoutError, SocketTimeoutError ..."""
    seen: BaseException | None = error
    for _ in range(10):  # a chain of causes may be circular
        if seen is None:
            return False
        if isinstance(seen, TimeoutError) or any("timeout" in k.__name__.lower() for k in type(seen).__mro__):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _masked(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***") if secret else text
    return text
