"""What users pass, as the arrays that the extension takes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from e2mc._settings import wrong_kind

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

#: What the extension reads in place: C order, at addresses that are multiples of the values' size.
_NATIVE: Final = ("C", "A")
_LARGEST: Final = 2**63 - 1


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
            raise ValueError(
                f"{name} holds {_at(array, lost)}, beyond the range of float32\nhint: rescale the embeddings"
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
        if array.dtype == np.uint64 and (large := array > np.uint64(_LARGEST)).any():
            raise ValueError(f"{name} holds {_at(array, large)}, expected at most {_LARGEST}")
        return np.require(array, np.int64, _NATIVE)
    if array.dtype.kind != "f":
        raise ValueError(f"{name} has the dtype {array.dtype}, expected whole numbers from 0, 1, 2, ...")
    with np.errstate(invalid="ignore"):
        whole = np.require(array, np.int64, _NATIVE)
    wrong = whole != array
    if wrong.any():
        if (large := (array.astype(np.float64) >= 2.0**63) & np.isfinite(array)).any():
            raise ValueError(f"{name} holds {_at(array, large)}, expected at most {_LARGEST}")
        raise ValueError(f"{name} holds {_at(array, wrong)}, expected a whole number")
    return whole


def _at(array: npt.NDArray[Any], wrong: npt.NDArray[np.bool_]) -> str:
    """The first wrong value of an array, and its row and column."""
    place = tuple(int(index) for index in np.argwhere(wrong)[0])
    words = ", ".join(f"{what} {at}" for what, at in zip(("row", "column"), place))
    return f"{array[place]!s} at {words}"


def dense(values: Any, name: str) -> npt.NDArray[Any]:
    """`values` as an array, where that loses nothing."""
    if hasattr(values, "toarray") and not isinstance(values, np.ndarray):
        raise TypeError(f"{name} is a sparse matrix, expected a dense array; call its toarray()")
    if hasattr(values, "layout") and hasattr(values, "detach"):
        values = _of_torch(values, name)
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        place = np.argwhere(np.ma.getmaskarray(values))[0]
        raise ValueError(f"{name} is masked at {tuple(map(int, place))}, expected all values")
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} has parts of different lengths, expected an array") from None
    except (TypeError, RuntimeError):
        raise wrong_kind(values, name, "an array") from None


def check_tensor(tensor: Any, name: str) -> None:
    """Refuses what holds no values, or only some of them.

    Raises
    ------
    ValueError
        A tensor of the device meta, or of another layout than the dense one.
    """
    if tensor.device.type == "meta":
        raise ValueError(f"{name} is a tensor of the device meta, expected one that holds values")
    if str(tensor.layout) != "torch.strided":
        raise ValueError(f"{name} is a tensor of the layout {tensor.layout}, expected a dense one")


def _of_torch(tensor: Any, name: str) -> Any:
    """A tensor on the CPU, in a type that NumPy knows."""
    check_tensor(tensor, name)
    tensor = tensor.detach().cpu()
    small = tensor.is_floating_point() and tensor.element_size() < 4
    return tensor.float() if small else tensor


def _is_small_float(dtype: np.dtype[Any]) -> bool:
    """Whether it is a float type of ml_dtypes, which NumPy itself does not know as one."""
    return dtype.name == "bfloat16" or dtype.name.startswith("float8")
