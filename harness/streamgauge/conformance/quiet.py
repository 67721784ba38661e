"""Client libraries that log and warn about the streams on which they are judged, some hundred times a run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within it, what libraries log goes to nobody but handlers that are there already, and warnings are not shown.

    What a library tells its caller by a log record or a warning alone, it does not tell: no rule asks for these.
    """
    silence = logging.NullHandler()
    root = logging.getLogger()
    root.addHandler(silence)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            root.removeHandler(silence)
