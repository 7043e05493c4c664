"""What `help` says of every public function and class: numpydoc's sections, with nothing left out."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import re
import textwrap

import pytest

import e2mc

LOSSES = ("E2MCLoss", "VCRegLoss", "UniformityLoss", "MMCRLoss", "SIGRegLoss")
PUBLIC = [name for name in e2mc.__all__ if name != "__version__"]
RESULTS = [name for name in PUBLIC if dataclasses.is_dataclass(getattr(e2mc, name))]
CALLS = [name for name in PUBLIC if name not in RESULTS]
#: Units, by the attributes that have them.
UNITS = {
    "entropy": "nats",
    "top1": "percent",
    "accuracy": "percent|fraction",
    "standard_error": "percentage points",
    "mean_average_precision": "percent",
}


def of_torch(*names: str):
    return [pytest.param(f"torch.{name}", marks=pytest.mark.torch) for name in names]


def found(name: str):
    if name.startswith("torch."):
        return getattr(importlib.import_module("e2mc.torch"), name.removeprefix("torch."))
    return getattr(e2mc, name)


def sections(documented) -> dict[str, str]:
    """The sections of a docstring by their names."""
    text = inspect.cleandoc(documented.__doc__)
    parts = re.split(r"^(\w+)\n-{3,}\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def entries(section: str) -> dict[str, str]:
    """The entries of a section of parameters or attributes, by each name of their first line."""
    found = {}
    for entry in re.split(r"^(?=\S)", section, flags=re.MULTILINE):
        if entry.strip():
            head, _, body = entry.partition("\n")
            for name in head.partition(" :")[0].split(", "):
                found[name.lstrip("*")] = head + "\n" + textwrap.dedent(body)
    return found


def test_nothing_public_is_left_out():
    assert {"score", "Adapter", "read_run"} <= set(CALLS) and {"Score", "Evaluation", "Run"} <= set(RESULTS)
    for name in PUBLIC:
        assert found(name).__module__.startswith("e2mc."), name


@pytest.mark.torch
def test_no_public_loss_is_left_out():
    assert sorted(importlib.import_module("e2mc.torch").__all__) == sorted(LOSSES)


@pytest.mark.parametrize("name", [*CALLS, *of_torch(*LOSSES)])
def test_calls_say_parameters_errors_source_and_an_example(name):
    call = found(name)
    said = sections(call)
    wanted = ["Parameters", "Raises", "Notes", "Examples"]
    if inspect.isfunction(call):
        wanted.insert(1, "Returns")
    assert set(wanted) <= set(said), f"{set(wanted) - set(said)} lacks"
    assert re.search(r"Source:\s", said["Notes"])
    parameters = entries(said["Parameters"])
    assert set(inspect.signature(call).parameters) <= set(parameters), parameters
    assert all(len(text.splitlines()) > 1 for text in parameters.values())
    errors = set(re.findall(r"^(\w+Error(?:, \w+Error)*)$", said["Raises"], flags=re.MULTILINE))
    assert "TypeError" in " ".join(errors)
    assert not inspect.isfunction(call) or "ValueError" in " ".join(errors)
    # Embeddings come with their shape.
    for parameter in {"z", "train", "test", "after", "views"} & set(parameters):
        assert "(n, d)" in parameters[parameter] or "As for :func:" in parameters[parameter], parameter


@pytest.mark.parametrize("name", RESULTS)
def test_results_say_every_attribute_and_its_unit(name):
    kind = found(name)
    attributes = entries(sections(kind)["Attributes"])
    if "..." in attributes:
        # What is taken over from the class above is said there.
        (above,) = kind.__bases__
        attributes = {**attributes, **entries(sections(above)["Attributes"])}
    public = {field.name for field in dataclasses.fields(kind) if not field.name.startswith("_")}
    text = " ".join(attributes.values())
    missing = {field for field in public - set(attributes) if f"`{field}`" not in text and f"``{field}``" not in text}
    assert not missing
    # The first line may say the unit for all.
    start = inspect.cleandoc(kind.__doc__).partition("\n")[0]
    for attribute in public & set(attributes) & set(UNITS):
        assert re.search(UNITS[attribute], start + attributes[attribute]), (attribute, attributes[attribute])


@pytest.mark.parametrize("name", ["Adapter", "Inspection", "NeighbourFit", *of_torch(*LOSSES)])
def test_methods_say_what_they_do_and_what_goes_wrong(name):
    kind = found(name)
    own = [base for base in kind.__mro__ if base.__module__.startswith("e2mc.")]
    members = {member: value for base in own for member, value in vars(base).items() if not member.startswith("_")}
    checked = 0
    for member, value in members.items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not inspect.isfunction(function) or member in {"extra_repr", "get_params", "set_params"}:
            continue
        checked += 1
        assert function.__doc__, member
        says = sections(function)
        if member not in {"get_extra_state", "set_extra_state"} and not isinstance(value, property):
            assert "Raises" in says or "see :meth:" in function.__doc__, member
    assert checked


@pytest.mark.parametrize("name", [*CALLS, *of_torch(*LOSSES)])
def test_examples_do_what_they_say(name):
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(found(name), name, globs={})
    assert len(example.examples) >= 3
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    runner.run(example, out=said.append)
    assert runner.failures == 0, "".join(said)
