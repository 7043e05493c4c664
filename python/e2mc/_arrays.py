"""What users pass, as the arrays that the extension takes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

#: What the extension reads in place: C order, at addresses that are multiples of the values' size.
_NATIVE: Final = ("C", "A")


def matrix(values: npt.ArrayLike, name: str) -> Floats:
    """`values` as float32 ``(n, d)`` in C order; the same memory where it is that already.

    Raises
    ------
    ValueError
        Another number of dimensions, values that are no real numbers, or float64 values beyond the range of
        float32.
    """
    array = dense(values, name)
    if array.ndim != 2:
        raise ValueError(
            f"{name} has the shape {array.shape}, expected (n, d): one row an image, one column a dimension"
        )
    if array.dtype.kind not in "fiub" and not _is_small_float(array.dtype):
        raise ValueError(f"{name} has the dtype {array.dtype}, expected real numbers such as float32")
    if array.dtype.itemsize <= 4 and array.dtype.kind == "f" or _is_small_float(array.dtype):
        return np.require(array, np.float32, _NATIVE)
    with np.errstate(over="ignore"):
        converted = np.require(array, np.float32, _NATIVE)
    lost = np.isinf(converted)
    if lost.any():
        lost &= np.isfinite(array)
        if lost.any():
            row, column = (int(index) for index in np.argwhere(lost)[0])
            raise ValueError(
                f"{name} holds {array[row, column]!s} at row {row}, column {column}, "
                "beyond the range of float32\nhint: rescale the embeddings"
            )
    return converted


def classes(labels: npt.ArrayLike, name: str) -> Integers:
    """`labels` as class numbers ``(n,)``.

    Raises
    ------
    ValueError
        Another number of dimensions, or a value that is no whole number of at least 0; names its row.
    """
    array = dense(labels, name)
    if array.ndim != 1:
        raise ValueError(f"{name} has the shape {array.shape}, expected (n,): one class number a row")
    whole = integers(array, name)
    if whole.size and whole.min() < 0:
        row = int(np.argmax(whole < 0))
        raise ValueError(f"{name} holds {whole[row]} at row {row}, expected a class number from 0")
    return whole


def targets(labels: npt.ArrayLike, name: str) -> Integers:
    """`labels` as class numbers ``(n,)``, or as columns of 1, 0 and -1 ``(n, labels)``."""
    array = dense(labels, name)
    if array.ndim == 2:
        return integers(array, name)
    return classes(array, name)


def integers(array: npt.NDArray[Any], name: str) -> Integers:
    """Whole numbers as int64 in C order."""
    if array.dtype.kind in "iub":
        return np.require(array, np.int64, _NATIVE)
    if array.dtype.kind != "f":
        raise ValueError(f"{name} has the dtype {array.dtype}, expected whole numbers from 0, 1, 2, ...")
    with np.errstate(invalid="ignore"):
        whole = np.require(array, np.int64, _NATIVE)
    wrong = whole != array
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        words = " and ".join(f"{what} {at}" for what, at in zip(("row", "column"), place))
        raise ValueError(f"{name} holds {array[place]!s} at {words}, expected a whole number")
    return whole


def dense(values: Any, name: str) -> npt.NDArray[Any]:
    """`values` as an array, where that loses nothing."""
    if hasattr(values, "toarray") and not isinstance(values, np.ndarray):
        raise TypeError(f"{name} is a sparse matrix, expected a dense array; call its toarray()")
    if type(values).__module__.partition(".")[0] == "torch":
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":
            values = values.float()
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        place = np.argwhere(np.ma.getmaskarray(values))[0]
        raise ValueError(f"{name} is masked at {tuple(map(int, place))}, expected all values")
    return np.asarray(values)


def _is_small_float(dtype: np.dtype[Any]) -> bool:
    """Whether it is a float type of ml_dtypes, which NumPy itself does not know as one."""
    return dtype.name == "bfloat16" or dtype.name.startswith("float8")
