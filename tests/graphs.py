"""Frozen graphs as bytes, written without any framework."""

from __future__ import annotations


def encode_graph(*nodes: tuple[str, str]) -> bytes:
    """A GraphDef of nodes with these names and operations, and nothing else in them."""
    return b"".join(_field(1, _field(1, name) + _field(2, op)) for name, op in nodes)


def encode_model(mark: str = "any") -> bytes:
    """One with a model's input and output; another mark makes other bytes."""
    return encode_graph(
        ("input_tensor", "Placeholder"), (mark, "Const"), ("softmax_tensor", "Softmax")
    )


def _field(number: int, value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    assert len(content) < 128, "one byte of length"
    return bytes([number << 3 | 2, len(content)]) + content
