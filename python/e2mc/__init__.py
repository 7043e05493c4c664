"""Effective entropy maximisation for self-supervised embeddings.

The criterion of Chakraborty, LeCun, Rudner and Learned-Miller, *Improving Pre-trained Self-Supervised
Embeddings Through Effective Entropy Maximization* (AISTATS 2025), and what belongs to it:

- :func:`score`, :func:`value_and_grad`: the criterion on an array of embeddings;
- :func:`knn`, :func:`logistic`, :func:`svm`, :func:`compare`: what frozen embeddings are worth;
- :class:`Adapter`: a map fitted on frozen embeddings, verified on held-out rows;
- :func:`inspect`: what embeddings look like, in numbers and as a page;
- :func:`read_run`: what a training run wrote down;
- :mod:`e2mc.torch`: losses for PyTorch.

Arrays have one row an image and one column a dimension, ``(n, d)``. Values are computed in float32;
float16, bfloat16 and float64 arrays are converted. Work is done on all cores, or on as many threads as the
environment variable ``RAYON_NUM_THREADS`` says, without the interpreter's lock.
"""

from typing import TYPE_CHECKING

from e2mc._compare import ComparedLine, Comparison, compare
from e2mc._criterion import Score, score, value_and_grad
from e2mc._evaluate import knn, logistic, svm
from e2mc._inspect import EmbeddingFigures, Finding, Inspection, inspect
from e2mc._native import __version__
from e2mc._results import (
    Evaluation,
    Figures,
    NeighbourFit,
    Precisions,
    ProbeFit,
    ProbeRow,
    Row,
    SvmResult,
    SvmUnit,
)
from e2mc._runs import Run, read_run

if TYPE_CHECKING:
    from e2mc._adapter import Adapter, Candidate, Outcome, Verified

__all__ = [
    "Adapter",
    "Candidate",
    "ComparedLine",
    "Comparison",
    "EmbeddingFigures",
    "Evaluation",
    "Figures",
    "Finding",
    "Inspection",
    "NeighbourFit",
    "Outcome",
    "Precisions",
    "ProbeFit",
    "ProbeRow",
    "Row",
    "Run",
    "Score",
    "SvmResult",
    "SvmUnit",
    "Verified",
    "__version__",
    "compare",
    "inspect",
    "knn",
    "logistic",
    "read_run",
    "score",
    "svm",
    "value_and_grad",
]


def __getattr__(name: str) -> object:
    # scikit-learn takes a second to import; only who adapts waits for it.
    if name in {"Adapter", "Candidate", "Outcome", "Verified"}:
        from e2mc import _adapter

        return getattr(_adapter, name)
    raise AttributeError(f"module 'e2mc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
