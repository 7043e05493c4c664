"""Losses for PyTorch: stored cases on both paths, derivatives, precisions, compilation."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from conftest import criterion_case

import e2mc

pytestmark = pytest.mark.torch

try:
    import torch

    from e2mc.torch import E2MCLoss, MMCRLoss, SIGRegLoss, UniformityLoss, VCRegLoss, _formulas
except ImportError:  # The mark skips all tests, and says so.
    torch = None


def formula(loss, *views):
    """Loss and gradients by the torch operations, in the views' own precision."""
    leaves = [view.detach().clone().requires_grad_() for view in views]
    value, _ = loss._formula(leaves)
    value.backward()
    return value.detach(), [leaf.grad for leaf in leaves]


def core(loss, *views):
    """Loss and gradients by the Rust core, as a user gets them."""
    leaves = [view.detach().clone().requires_grad_() for view in views]
    value = loss(*leaves)
    assert "Analytic" in value.grad_fn.name()
    value.backward()
    return value.detach(), [leaf.grad for leaf in leaves]


def close(found, expected, tolerance):
    scale = float(expected.abs().max())
    assert torch.isfinite(found).all()
    return float((found.double() - expected.double()).abs().max()) <= tolerance * scale


def losses():
    return [
        E2MCLoss(),
        E2MCLoss("gaussian", beta=1.0, gamma=25.0),
        VCRegLoss(),
        VCRegLoss("projector", variance=2.0, covariance=3.0),
        UniformityLoss(),
        MMCRLoss(),
        SIGRegLoss(slices=40),
    ]


def names():
    return ["e2mc", "e2mc-gaussian", "vcreg", "vcreg-projector", "uniformity", "mmcr", "sigreg"]


@pytest.fixture(params=range(7), ids=names())
def loss(request):
    return losses()[request.param]


def sample(*shape, seed=0, dtype=None):
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.normal(size=shape)).to(dtype or torch.float32)


def test_stored_cases_on_both_paths(case):
    z = torch.from_numpy(case.values["z"].copy())
    criterion = E2MCLoss(**case.settings)
    value, (gradient,) = core(criterion, z)
    assert float(value) == pytest.approx(float(case.values["loss"].ravel()[0]), rel=1e-5)
    score, slope = e2mc.value_and_grad(case.values["z"], **case.settings)
    assert float(value) == np.float32(score.loss) and (gradient.numpy() == slope).all()
    for name in ("entropy", "covariance"):
        expected = float(case.values[name].ravel()[0])
        assert float(criterion.components[name]) == pytest.approx(expected, rel=1e-5)
    value, (gradient,) = formula(criterion, z)
    # Where a column is saturated, spacings are a few units in the last place, which torch's sigmoid rounds by the
    # processor's instruction set.
    tolerance = 1e-3 if case.degenerate else 1e-5
    assert float(value) == pytest.approx(float(case.values["loss"].ravel()[0]), rel=tolerance)
    if not case.degenerate:
        assert close(gradient, torch.from_numpy(case.values["grad_loss"].copy()), 1e-4)


def test_stored_cases_of_the_others_on_both_paths():
    for name, criterion, key in (
        ("vcreg_hypersphere", VCRegLoss(), "z"),
        ("vcreg_projector", VCRegLoss("projector"), "z"),
        ("uniformity", UniformityLoss(), "z"),
        ("mmcr", MMCRLoss(), "views"),
    ):
        case = {key: torch.from_numpy(value.copy()) for key, value in criterion_case(name).items()}
        views = [case["z"]] if key == "z" else list(case["views"])
        expected = case["grad"][None] if key == "z" else case["grad"]
        for path in (core, formula):
            value, gradients = path(criterion, *views)
            assert float(value) == pytest.approx(float(case["loss"]), rel=1e-5), name
            assert close(torch.stack(gradients), expected, 1e-4), name


@pytest.mark.parametrize("size", [(40, 12), (12, 40), (9, 1), (2, 3)])
def test_both_paths_agree(loss, size):
    if size[1] == 1 and isinstance(loss, (UniformityLoss, MMCRLoss)):
        size = (9, 2)
    views = [sample(*size, seed=1), sample(*size, seed=2)]
    loss.eval()  # SIGReg's directions stay those of the first step.
    value, gradients = core(loss, *views)
    double, slopes = formula(loss, *(view.double() for view in views))
    assert float(value) == pytest.approx(float(double), rel=2e-5, abs=1e-6)
    for gradient, slope in zip(gradients, slopes):
        if float(slope.abs().max()) > 1e-7:
            assert close(gradient, slope, 2e-4)


def test_gradcheck_in_float64(loss):
    loss.eval()
    views = [sample(10, 4, seed=seed, dtype=torch.float64).requires_grad_() for seed in (3, 4)]
    assert torch.autograd.gradcheck(loss, views)
    assert torch.autograd.gradcheck(loss, views[:1])


def test_views_follow_the_authors_convention():
    a, b = sample(30, 8, seed=1), sample(30, 8, seed=2)
    one, other = (e2mc.score(view.numpy()) for view in (a, b))
    criterion = E2MCLoss()
    assert float(criterion(a)) == np.float32(one.loss)
    expected = 100.0 * (one.covariance + other.covariance) - 500.0 * (one.entropy + other.entropy)
    assert float(criterion(a, b)) == pytest.approx(expected, rel=1e-6)
    assert float(criterion((a, b))) == float(criterion(a, b))
    parts = criterion.components
    assert float(parts["entropy"]) == pytest.approx((one.entropy + other.entropy) / 2, rel=1e-6)
    assert float(parts["covariance"]) == pytest.approx(one.covariance + other.covariance, rel=1e-6)
    assert not any(part.requires_grad for part in parts.values())
    assert E2MCLoss().components == {}


def test_gradients_are_scaled_and_accumulated_as_autograd_wants():
    z = sample(20, 5).requires_grad_()
    criterion = E2MCLoss()
    (plain,) = torch.autograd.grad(criterion(z), z)
    loss = criterion(2.0 * z)
    (doubled,) = torch.autograd.grad(3.0 * loss, z, retain_graph=True)
    (again,) = torch.autograd.grad(3.0 * loss, z)
    assert torch.equal(doubled, again) and not torch.equal(doubled, plain)
    fixed, moving = sample(20, 5, seed=1), sample(20, 5, seed=2).requires_grad_()
    criterion(fixed, moving).backward()
    assert fixed.grad is None and moving.grad is not None
    with torch.no_grad():
        assert not criterion(moving).requires_grad


def test_lower_precision_is_judged_in_float32():
    z = sample(40, 6)
    for dtype in (torch.float16, torch.bfloat16):
        leaf = z.to(dtype).requires_grad_()
        value = E2MCLoss()(leaf)
        value.backward()
        assert value.dtype == torch.float32 and leaf.grad.dtype == dtype
        assert float(value.detach()) == float(E2MCLoss()(leaf.detach().float()))
    for criterion in losses():
        criterion.eval()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = criterion(z.double(), z.double()), criterion(z, z)
        assert torch.equal(inside[0], criterion(z.double(), z.double()))
        assert torch.equal(inside[1], criterion(z, z))
    assert E2MCLoss()(z.double()).dtype == torch.float64


def test_layouts_do_not_matter():
    z = sample(30, 8)
    expected, (slope,) = core(E2MCLoss(), z)
    wide = torch.zeros(30, 16)
    wide[:, ::2] = z
    for view in (z.t().contiguous().t(), wide[:, ::2]):
        leaf = view.detach().requires_grad_()
        value = E2MCLoss()(leaf)
        value.backward()
        assert torch.equal(value.detach(), expected) and torch.equal(leaf.grad, slope)


def test_a_second_derivative_is_refused_with_a_sentence(loss):
    loss.eval()
    z = sample(12, 4).requires_grad_()
    (first,) = torch.autograd.grad(loss(z), z, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivative only"):
        first.sum().backward()
    double = sample(12, 4, dtype=torch.float64).requires_grad_()
    (first,) = torch.autograd.grad(loss(double), double, create_graph=True)
    first.square().sum().backward()


def test_transforms_of_functions_are_refused_with_a_sentence():
    z = sample(12, 4)
    criterion = E2MCLoss()
    for transformed, argument in ((torch.func.grad(criterion), z), (torch.func.vmap(criterion), z[None])):
        with pytest.raises(RuntimeError, match="torch.func cannot transform this loss"):
            transformed(argument)
    # In float64 they work.
    (expected,) = core(criterion, z)[1]
    assert close(torch.func.grad(criterion)(z.double()), expected, 1e-4)
    several = torch.func.vmap(criterion)(torch.stack([z, 2.0 * z]).double())
    assert several.shape == (2,) and float(several[0]) == pytest.approx(float(criterion(z)), rel=1e-5)


def test_compilation_breaks_its_graph_at_the_loss(loss):
    loss.eval()
    layer = torch.nn.Linear(6, 6)

    def without(x):
        return 2.0 * layer(x).sum() + layer.weight.square().sum()

    def step(x):
        return 2.0 * loss(layer(x)) + layer.weight.square().sum()

    whole, broken = (torch._dynamo.explain(function)(sample(16, 6)) for function in (without, step))
    torch._dynamo.reset()
    assert (whole.graph_count, whole.graph_break_count) == (1, 0)
    # What comes before the loss is one graph, what follows another.
    assert (broken.graph_count, broken.graph_break_count) == (2, 1)
    with pytest.raises(torch._dynamo.exc.Unsupported):
        torch.compile(step, backend="eager", fullgraph=True)(sample(16, 6))
    torch._dynamo.reset()


def test_compilation_leaves_the_loss_out(loss):
    loss.eval()
    layer = torch.nn.Linear(6, 6)

    def step(x):
        return 2.0 * loss(layer(x)) + layer.weight.square().sum()

    x = sample(16, 6)
    expected = step(x)
    compiled = torch.compile(step, backend="eager")
    assert torch.equal(compiled(x), expected)
    compiled(x).backward()
    assert layer.weight.grad is not None
    torch._dynamo.reset()


def test_what_cannot_be_judged_is_named(loss):
    z = sample(12, 4)
    bad = z.clone()
    bad[3, 2] = float("nan")
    with pytest.raises(ValueError, match="NaN at row 3, column 2"):
        loss(bad)
    for dtype in (torch.float64, torch.bfloat16):
        with pytest.raises(ValueError, match="NaN at row 3, column 2, expected a finite number"):
            loss(bad.to(dtype).requires_grad_())
    for value, shown in ((float("nan"), "NaN"), (float("inf"), "inf"), (-float("inf"), "-inf")):
        bad[3, 2] = value
        with pytest.raises(ValueError, match=f"^view 1 holds {shown} at row 3, column 2, expected a finite number$"):
            loss(z.double(), bad.double())
    for views, words in (
        ((z[0],), r"view 0 has the shape \(4,\), expected \(n, d\)"),
        ((z[:1],), "1 row"),
        ((z[:, :0],), "no columns"),
        ((z, z[1:]), "view 1 has 11 x 4 embeddings, expected 12 x 4"),
        ((z, z.double()), "view 1 is torch.float64"),
        ((), "no view was given"),
        ((z.to("meta"),), "view 0 is a tensor of the device meta, expected one that holds values"),
        ((z.to_sparse(),), "view 0 is a tensor of the layout torch.sparse_coo, expected a dense one"),
    ):
        with pytest.raises(ValueError, match=words):
            loss(*views)
    for wrong in (z.numpy(), z.long(), None):
        with pytest.raises(TypeError, match="floating-point tensor"):
            loss(wrong)


def test_other_devices_are_not_waited_for():
    """Where tensors are on another device, values are left alone: looking would synchronise."""
    class Elsewhere:
        type = "cuda"

    class Moved(torch.Tensor):
        """A tensor of the CPU that says it is on a GPU."""

        device = Elsewhere()

        def _refuse(self, *_):
            raise AssertionError("the device is waited for")

        __bool__ = __float__ = item = tolist = nonzero = cpu = numpy = _refuse

    moved = sample(6, 4).as_subclass(Moved)
    with pytest.raises(AssertionError, match="waited for"):
        bool(moved.sum() > 0)
    found = E2MCLoss()(moved).as_subclass(torch.Tensor)
    assert float(found) == float(E2MCLoss()._formula([sample(6, 4)])[0])


def test_settings_out_of_range_are_named():
    for make, words in (
        (lambda: E2MCLoss("tanh"), "transform is 'tanh'"),
        (lambda: E2MCLoss(beta=float("nan")), "beta = nan"),
        (lambda: E2MCLoss(epsilon=0.0), "epsilon = 0.0, expected a number above 0"),
        (lambda: VCRegLoss("sphere"), "space is 'sphere'"),
        (lambda: VCRegLoss(variance=-1.0), "variance weight = -1.0, expected a number of at least 0"),
        (lambda: UniformityLoss(0.0), "t = 0.0"),
        (lambda: SIGRegLoss(slices=0), "slices = 0, expected a number of at least 1"),
        (lambda: SIGRegLoss(knots=1), "knots = 1, expected a number of at least 2"),
    ):
        with pytest.raises(ValueError, match=words):
            make()
    for make, words in (
        (lambda: E2MCLoss(weight=1.0), "unexpected keyword argument 'weight'"),
        (lambda: E2MCLoss(beta="x"), "beta is a str, expected a number"),
        (lambda: E2MCLoss(epsilon=[1e-7]), "epsilon is a list, expected a number"),
        (lambda: E2MCLoss(transform=None), "transform is None, expected a text"),
        (lambda: E2MCLoss(gather_distributed="no"), "gather_distributed is a str, expected True or False"),
        (lambda: VCRegLoss(space=3), "space is an int, expected a text"),
        (lambda: SIGRegLoss(slices=2.5), "slices is a float, expected a whole number"),
    ):
        with pytest.raises(TypeError, match=words):
            make()
    with pytest.raises(ValueError, match="seed is -1, expected a whole number of at least 0"):
        SIGRegLoss(seed=-1)
    mixed = E2MCLoss(beta=np.float32(2.0), gamma=np.int64(3), epsilon=torch.tensor(0.5))
    assert (mixed.beta, mixed.gamma, mixed.epsilon) == (2.0, 3.0, 0.5)
    assert SIGRegLoss(slices=np.int64(8)).slices == 8
    assert E2MCLoss().epsilon == pytest.approx(1e-7) and E2MCLoss("gaussian").epsilon == 2.0**-23


def test_sigreg_draws_anew_in_training_and_goes_on_where_it_was():
    z = sample(50, 8)
    criterion = SIGRegLoss(slices=16, seed=3)
    values = [float(criterion(z)) for _ in range(3)]
    assert len(set(values)) == 3 and criterion.step == 3
    other = SIGRegLoss(slices=16, seed=3)
    other.load_state_dict(criterion.state_dict())
    assert float(other(z)) == float(criterion(z))
    criterion.eval()
    assert float(criterion(z)) == float(criterion(z))


def test_modules_print_and_pickle(loss):
    loss.eval()
    z = sample(10, 3)
    other = pickle.loads(pickle.dumps(loss))
    assert repr(other) == repr(loss) and torch.equal(other(z), loss(z))
    assert list(loss.parameters()) == []


def test_tensors_are_arrays_too():
    z = sample(40, 5).requires_grad_()
    assert e2mc.score(z).loss == e2mc.score(z.detach().numpy()).loss
    short = z.detach().bfloat16()
    assert e2mc.score(short).loss == e2mc.score(short.float().numpy()).loss
    shorter = z.detach().to(torch.float8_e4m3fn)
    assert e2mc.score(shorter).loss == e2mc.score(shorter.float().numpy()).loss
    assert e2mc.score(torch.nn.Parameter(z.detach())).loss == e2mc.score(z).loss
    for wrong, words in (
        (z.to("meta"), "z is a tensor of the device meta"),
        (z.detach().to_sparse(), "z is a tensor of the layout torch.sparse_coo"),
    ):
        with pytest.raises(ValueError, match=words):
            e2mc.score(wrong)


def test_the_formula_takes_the_cheaper_product():
    for size in ((6, 50), (50, 6)):
        u = sample(*size, dtype=torch.float64).sigmoid()
        covariance = torch.cov(u.T)
        expected = (covariance.square().sum() - covariance.diag().square().sum()) / size[1]
        assert float(_formulas.off_diagonal_covariance(u)) == pytest.approx(float(expected), rel=1e-9)


def test_one_process_is_not_warned():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        E2MCLoss(gather_distributed=True)(sample(10, 3))
        E2MCLoss()(sample(10, 3))
