"""Settings that users pass, as Python's own types: a wrong one is told in a sentence that names it."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

#: The largest seed, and the largest number of bytes or passes.
MOST = 2**64 - 1


def is_whole(value: Any) -> bool:
    """Whether `value` is a single whole number of Python or NumPy."""
    try:
        operator.index(value)
    except TypeError:
        return False
    return bool(getattr(value, "ndim", 0) == 0)


def whole(value: Any, name: str, *, least: int = 0, most: int = MOST) -> int:
    """`value` as an int: a whole number of Python or NumPy.

    Raises
    ------
    TypeError
        Something else, also a float.
    ValueError
        A number out of the range.
    """
    if not is_whole(value):
        raise wrong_kind(value, name, "a whole number")
    found = operator.index(value)
    if found < least:
        raise ValueError(f"{name} is {found}, expected a whole number of at least {least}")
    if found > most:
        raise ValueError(f"{name} is {found}, expected a whole number of at most {most}")
    return found


def real(value: Any, name: str) -> float:
    """`value` as a float: a number of Python or NumPy, or an array or tensor of no dimensions.

    Raises
    ------
    TypeError
        Something else, also a text that reads as a number.
    ValueError
        A whole number beyond the range of floats.
    """
    expected = "a number"
    if isinstance(value, (str, bytes, bytearray)) or getattr(value, "ndim", 0) != 0:
        raise wrong_kind(value, name, expected)
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is beyond the range of floats, expected {expected}") from None
    except (TypeError, ValueError, RuntimeError):
        raise wrong_kind(value, name, expected) from None


def text(value: Any, name: str) -> str:
    """`value` as a str.

    Raises
    ------
    TypeError
        Something else.
    """
    if not isinstance(value, str):
        raise wrong_kind(value, name, "a text")
    return str(value)


def flag(value: Any, name: str) -> bool:
    """`value` as a bool of Python or NumPy.

    Raises
    ------
    TypeError
        Something else.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise wrong_kind(value, name, "True or False")
    return bool(value)


def place(value: Any, name: str) -> str:
    """`value` as the text of a path.

    Raises
    ------
    TypeError
        Something else.
    """
    if isinstance(value, (str, os.PathLike)):
        found = os.fspath(value)
        if isinstance(found, str):
            return found
    raise wrong_kind(value, name, "a path")


def several(value: Any, name: str, one: Callable[[Any, str], T]) -> list[T]:
    """`value` as a list: a single setting, or as many as it gives."""
    if isinstance(value, (str, bytes, bytearray)):
        return [one(value, name)]
    try:
        values = list(value)
    except TypeError:
        return [one(value, name)]
    return [one(item, name) for item in values]


def listed(value: Any, name: str, expected: str) -> list[Any]:
    """`value` as a list of what it gives.

    Raises
    ------
    TypeError
        It gives nothing.
    """
    try:
        return list(value)
    except TypeError:
        raise wrong_kind(value, name, expected) from None


def wrong_kind(value: Any, name: str, expected: str) -> TypeError:
    """The error of a value that is of another kind than expected."""
    if value is None:
        return TypeError(f"{name} is None, expected {expected}")
    kind = type(value).__name__
    return TypeError(f"{name} is {'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}, expected {expected}")
