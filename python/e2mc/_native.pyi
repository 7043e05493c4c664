"""The extension; arrays are float32 and int64 in C order."""

from typing import final

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float32]
_Doubles = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]
_Figures = tuple[float, float, float, _Floats]

__version__: str

def score(
    z: _Floats, transform: str, beta: float, gamma: float, epsilon: float | None
) -> tuple[_Figures, tuple[float, float]]: ...
def value(
    z: _Floats, transform: str, beta: float, gamma: float, epsilon: float | None
) -> _Figures: ...
def value_and_grad(
    z: _Floats, transform: str, beta: float, gamma: float, epsilon: float | None
) -> tuple[_Figures, _Floats]: ...
def default_epsilon(transform: str) -> float: ...
def vcreg(
    z: _Floats, space: str, variance: float, covariance: float, gradient: bool
) -> tuple[tuple[float, float, float], _Floats | None]: ...
def uniformity(z: _Floats, t: float, gradient: bool) -> tuple[float, _Floats | None]: ...
def mmcr(views: list[_Floats], gradient: bool) -> tuple[float, list[_Floats]]: ...
def sigreg(
    z: _Floats, slices: int, knots: int, t_max: float, seed: int, step: int, gradient: bool
) -> tuple[float, _Floats | None]: ...
def sigreg_directions(d: int, slices: int, seed: int, step: int) -> _Floats: ...
def knn(
    train: _Floats,
    train_labels: _Integers,
    test: _Floats,
    test_labels: _Integers,
    ks: list[int],
    vote: str,
    temperature: float,
    memory: int | None,
    folder: str,
    overwrite: bool,
    model: str,
) -> str: ...
def logistic(
    train: _Floats,
    train_labels: _Integers,
    test: _Floats,
    test_labels: _Integers,
    fractions: list[float],
    seeds: list[int],
    k: int,
    folder: str,
    overwrite: bool,
    model: str,
) -> str: ...
def svm(
    train: _Floats,
    train_labels: _Integers,
    test: _Floats,
    test_labels: _Integers,
    costs: list[float],
    folds: int,
    positive_weight: float,
    scale: str,
    average_precision: str,
    tolerance: float,
    max_epochs: int,
    seed: int,
    folder: str,
    overwrite: bool,
    model: str,
) -> str: ...
def compare_results(
    first: str, second: str, common: bool, level: float, bootstraps: int, seed: int
) -> str: ...
def compare_predictions(
    first: _Integers, second: _Integers, labels: _Integers, level: float, bootstraps: int, seed: int
) -> str: ...

@final
class Map:
    def apply(self, rows: _Floats) -> _Floats: ...
    def save(self, path: str) -> None: ...
    @staticmethod
    def load(path: str) -> Map: ...
    def to_bytes(self) -> bytes: ...
    @staticmethod
    def from_bytes(bytes: bytes) -> Map: ...
    @property
    def weight(self) -> _Floats: ...
    @property
    def bias(self) -> _Doubles: ...
    @property
    def input_dims(self) -> int: ...
    @property
    def output_dims(self) -> int: ...
    @property
    def method(self) -> str: ...
    @property
    def strength(self) -> float | None: ...
    @property
    def unit_length(self) -> bool: ...
    @property
    def is_identity(self) -> bool: ...

def check_adapter(method: str, use_for: str) -> None: ...
def fit_map(rows: _Floats, method: str, strength: float, unit_length: bool, seed: int) -> Map: ...
def auto_map(
    rows: _Floats,
    labels: _Integers | None,
    second_view: _Floats | None,
    use_for: str,
    seed: int,
    looks: str | None,
) -> tuple[Map, str]: ...

@final
class Measured:
    def json(self) -> str: ...
    def html(self) -> str: ...
    def save_figures(self, folder: str) -> list[str]: ...

def measure(
    embeddings: list[tuple[str, _Floats]],
    views: list[_Floats],
    transform: str,
    queries: int,
    seed: int,
) -> Measured: ...
def read_run(folder: str) -> str: ...
