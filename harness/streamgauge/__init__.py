"""Conformance suite and benchmark for streaming LLM providers."""

from __future__ import annotations

__version__ = "0.1.0"
