"""Distributions against what PyTorch 2.13 gave for the same tables and seeds (golden.npz)."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from functools import lru_cache

import distribution_cases as cases
import make_golden
import numpy as np
import pair_cases
import pytest
import word_cases

import rushlight

try:
    import torch
except ImportError:
    torch = None

# Variates that are sums, products and quotients of the primitive samplers' are equal bit for bit.
# Those that go through a logarithm or a power carry its rounding, those through a matrix product
# the order of its sums.
EXACT = """
    Bernoulli Beta Binomial Categorical Cauchy Chi2 Dirichlet Exponential FisherSnedecor Gamma
    Geometric HalfCauchy HalfNormal LowRankMultivariateNormal Multinomial NegativeBinomial Normal
    OneHotCategorical OneHotCategoricalStraightThrough Poisson StudentT Uniform
""".split() + ["Independent Normal", "Independent Bernoulli", "Mixture of normals",
               "Mixture of Poissons"]  # fmt: skip
IMPLICIT = "Beta Chi2 Dirichlet FisherSnedecor Gamma InverseGamma StudentT".split()
PARAMETERS = [(case, dtype) for case in cases.CASES for dtype in cases.dtypes_of(case)]


@lru_cache(None)
def golden():
    return make_golden.read()


def stored(case, dtype):
    prefix = f"{cases.name_of(case)} | {dtype} | "
    return {k[len(prefix) :]: v for k, v in golden().items() if k.startswith(prefix)}


def tolerance(case, dtype, name):
    family = case if isinstance(case, str) else case[0]
    if name == "rsample gradient" or name.startswith("rsample gradient"):
        # PyTorch's own error in these gradients is up to 1e-4 (see the test of known values).
        return 1e-3 if family in IMPLICIT else 1e-4 if dtype == "float32" else 1e-9
    if family == "VonMises":
        # PyTorch has the Bessel functions to 1e-7, of which the variance is a difference.
        return 3e-4 if name in ("variance", "stddev") else 1e-5
    return 3e-5 if dtype == "float32" else 1e-9


@pytest.mark.parametrize(("case", "dtype"), PARAMETERS, ids=lambda v: str(v)[:40])
def test_draws_values_and_gradients_are_those_of_pytorch(case, dtype):
    expected = stored(case, dtype)
    got = cases.measure(rushlight, case, dtype, expected)
    assert got.keys() == expected.keys()
    family = case if isinstance(case, str) else case[0]
    for name, value in expected.items():
        if family == "Kumaraswamy" and name == "mode":
            continue  # NaN in PyTorch whatever the parameters
        if family == "Wishart" and name == "log_prob gradient":
            value, got[name] = np.tril(value), np.tril(got[name])  # the factor's upper part is void
        if name == "state" or (family in EXACT and name in ("draw", "draws", "drawn table")):
            np.testing.assert_array_equal(got[name], value, name)
        else:
            tol = tolerance(case, dtype, name)
            np.testing.assert_allclose(got[name], value, tol, tol, err_msg=name)


@pytest.mark.parametrize("part", ["divergences", "transformed", "checked"])
def test_pairs_transforms_and_constraints_give_what_pytorch_gives(part):
    prefix = f"{part} | "
    expected = {k[len(prefix) :]: v for k, v in golden().items() if k.startswith(prefix)}
    got = getattr(pair_cases, part)(rushlight)
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, 1e-9, 1e-9, err_msg=name)


@pytest.mark.filterwarnings("ignore")
def test_words_are_those_of_pytorch():
    expected = json.loads(make_golden.WORDS.read_text())
    assert list(expected) == word_cases.EXPRESSIONS
    for expression, words in expected.items():
        assert word_cases.said(rushlight, expression) == words, expression


@pytest.mark.skipif(torch is None, reason="torch is not installed")
def test_the_golden_values_are_current():
    import torch.distributions  # noqa: F401

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        live = make_golden.collect(torch)
    assert live.keys() == golden().keys()
    for name, value in golden().items():
        np.testing.assert_allclose(live[name], value, 1e-4, 1e-9, err_msg=name)


# -- what holds whatever PyTorch says ------------------------------------------------


def _families():
    seen = {}
    for case in cases.CASES:
        seen[case if isinstance(case, str) else case[0]] = case
    return list(seen.values())


@pytest.mark.parametrize("case", _families(), ids=lambda v: str(v)[:40])
def test_expanded_distributions_are_the_same(case):
    d, _ = cases.build(rushlight, case, cases.dtypes_of(case)[-1])
    wide = d.expand((3, *d.batch_shape))
    assert type(wide) is type(d)
    assert wide.batch_shape == (3, *d.batch_shape)
    assert wide.event_shape == d.event_shape
    x = d.sample()
    expected = d.log_prob(x)
    for row in wide.log_prob(x):
        np.testing.assert_allclose(row.detach().numpy(), expected.detach().numpy(), 1e-5, 1e-5)
    assert wide.sample((2,)).shape == (2, 3, *d.batch_shape, *d.event_shape)
    with pytest.raises(RuntimeError):
        wide.expand((2, *d.batch_shape))


@pytest.mark.parametrize("case", _families(), ids=lambda v: str(v)[:40])
def test_moments_are_those_of_the_draws(case):
    d, _ = cases.build(rushlight, case, cases.dtypes_of(case)[-1])
    try:
        mean, variance = d.mean.detach(), d.variance.detach()
    except NotImplementedError:
        pytest.skip("no moments in closed form")
    if case[0] == "VonMises":
        pytest.skip("its variance is that of the circle")
    rushlight.manual_seed(5)
    draws = d.sample((20000,)).to(mean.dtype)
    known = (variance.isfinite() & mean.isfinite()).expand(mean.shape)
    error = (draws.mean(0) - mean).abs() / (variance / 20000).sqrt()
    assert (error[known] < 5).all()
    if case[0] not in ("InverseGamma", "FisherSnedecor", "StudentT", "Pareto", "LogNormal"):
        spread = (draws - mean).square().mean(0) / variance
        assert ((spread[known] - 1).abs() < 0.2).all()


@pytest.mark.parametrize("case", _families(), ids=lambda v: str(v)[:40])
def test_quantiles_invert_the_distribution_function(case):
    d, _ = cases.build(rushlight, case, cases.dtypes_of(case)[-1])
    share = rushlight.linspace(0.05, 0.95, 19).to(d.sample().dtype)
    share = share.reshape((-1,) + (1,) * len(d.batch_shape)).expand((19, *d.batch_shape))
    try:
        back = d.cdf(d.icdf(share))
    except NotImplementedError:
        pytest.skip("no quantiles in closed form")
    assert (back - share).abs().max() < (1e-5 if share.dtype == rushlight.float32 else 1e-9)


@pytest.mark.parametrize(
    "case", [c for c in _families() if c[0] in IMPLICIT + ["Wishart", "Normal", "Laplace"]],
    ids=lambda v: str(v)[:40],
)  # fmt: skip
def test_gradients_of_the_mean_of_draws_are_those_of_the_mean(case):
    d, leaves = cases.build(rushlight, case, "float64")
    rushlight.manual_seed(6)
    draws = d.rsample((40000,))
    known = d.variance.isfinite() & d.mean.isfinite()
    by_draws = rushlight.autograd.grad(draws.mean(0)[known].sum(), leaves, retain_graph=True)
    d, leaves = cases.build(rushlight, case, "float64")
    by_mean = rushlight.autograd.grad(d.mean[known].sum(), leaves, allow_unused=True)
    for a, b in zip(by_draws, by_mean, strict=True):
        b = rushlight.zeros_like(a) if b is None else b
        if case[0] == "Wishart":
            b = (b + b.mT) / 2
            a = (a + a.mT) / 2 if a.ndim > 1 else a
        assert (a - b).abs().max() < 0.15 * (1 + b.abs().max())


# Computed with mpmath at 50 digits.
GAMMA_GRADIENTS = [
    (0.0001, 0.001, 63.38037882649237),
    (0.01, 1e-05, 0.010952158246714486),
    (0.3, 0.02, 0.254194302084589),
    (0.5, 2.5, 2.7304872835114304),
    (1.0, 1.0, 1.1735630272247268),
    (2.5, 0.1, 0.1405497929736699),
    (2.5, 9.0, 1.891711800090848),
    (8.0, 8.0, 1.021074394151715),
    (30.0, 18.0, 0.7704685028749128),
    (1000.0, 1010.0, 1.0051509296765344),
    (1000000.0, 999000.0, 0.9994999998332667),
]
BETA_GRADIENTS = [
    (0.3, 0.5, 1.3, 0.9236452443678295),
    (1e-06, 0.05, 2.0, 0.00025726311252762413),
    (0.999, 1.5, 0.1, 0.8950726320319139),
    (0.5, 2.0, 3.0, 0.2603849155132832),
    (0.9, 30.0, 2.0, 0.0311072963836747),
    (0.2, 100.0, 390.0, 0.0020250113913927266),
    (0.6, 1000.0, 650.0, 0.0006032422208144483),
    (0.01, 1.0, 50.0, 0.016085885569938844),
]


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-6), ("float64", 1e-9)])
def test_implicit_gradients_are_as_accurate_as_stated(dtype, limit):
    def columns(rows):
        return [rushlight.tensor(c, dtype=rushlight.float64) for c in zip(*rows, strict=True)]

    kind = getattr(rushlight, dtype)
    a, x, expected = columns([r for r in GAMMA_GRADIENTS if dtype == "float64" or r[0] < 1e3])
    got = rushlight._standard_gamma_grad(a.to(kind), x.to(kind)).double()
    assert ((got / expected - 1).abs() < limit).all()
    rows = [r for r in BETA_GRADIENTS if dtype == "float64" or 1e-3 < r[0] < 0.99]
    x, a, b, expected = columns(rows)
    got = rushlight._dirichlet_grad(x.to(kind), a.to(kind), (a + b).to(kind)).double()
    assert ((got / expected - 1).abs() < limit).all()


# -- how the pieces behave ------------------------------------------------

D = rushlight.distributions


def test_lazy_attributes_are_computed_once_and_keep_their_gradient():
    probs = rushlight.tensor([0.2, 0.7], requires_grad=True)
    d = D.Bernoulli(probs)
    assert "logits" not in vars(d)
    with rushlight.no_grad():
        logits = d.logits
    assert vars(d)["logits"] is logits is d.logits
    assert logits.requires_grad
    assert isinstance(D.Bernoulli.logits, property)


def test_a_cache_makes_inverses_exact():
    x = rushlight.tensor([-12.0, 0.3, 15.0])
    t = D.SigmoidTransform(cache_size=1)
    y = t(x)
    assert t.inv(y) is x
    assert t(x) is y
    assert t.inv is t.inv
    assert t.with_cache(1) is t
    assert t.with_cache(0)._cached_x_y == (None, None)
    chain = D.ComposeTransform([D.TanhTransform(), D.AffineTransform(1.0, 2.0)], cache_size=1)
    assert chain.inv(chain(x)) is x


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_distributions_and_transforms_are_copied_whole(clone):
    d = D.TransformedDistribution(
        D.Normal(rushlight.zeros(2), 1.0), [D.AffineTransform(1.0, 2.0), D.TanhTransform()]
    )
    assert d.transforms[0].inv.inv is d.transforms[0]
    other = clone(d)
    x = rushlight.tensor([0.1, -0.5])
    assert other.log_prob(x).tolist() == d.log_prob(x).tolist()
    assert other.transforms == d.transforms


def test_subclasses_expand_like_their_base_or_say_what_they_lack():
    class Plain(D.Normal):
        pass

    class Own(D.LogNormal):
        def __init__(self, loc):
            super().__init__(loc, 1.0)

    assert type(Plain(0.0, 1.0).expand((3,))) is Plain
    with pytest.raises(NotImplementedError, match="Subclass Own of LogNormal that defines a cus"):
        Own(0.0).expand((3,))

    class Bare(D.Distribution):
        arg_constraints = {}

    with pytest.raises(NotImplementedError):
        Bare().expand((2,))


def test_validation_is_chosen_for_one_or_for_all():
    with pytest.raises(ValueError, match="to satisfy the constraint GreaterThan"):
        D.Normal(0.0, -1.0)
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    D.Distribution.set_default_validate_args(False)
    try:
        assert D.Normal(0.0, -1.0).scale.item() == -1
    finally:
        D.Distribution.set_default_validate_args(True)
    assert D.Normal(0.0, 1.0, validate_args=False).expand((2,))._validate_args is False


def test_undeclared_constraints_and_supports_warn():
    class Bare(D.Distribution):
        pass

    with pytest.warns(UserWarning, match="does not define `arg_constraints`"):
        Bare()
    with pytest.warns(UserWarning, match="does not define `support`"):
        Bare(validate_args=False)._validate_sample(rushlight.tensor(1.0))
    with pytest.warns(FutureWarning, match="will be deprecated"):
        D.Normal(0.0, 1.0).sample_n(3)
    with pytest.warns(UserWarning, match="Low df values detected"):
        D.Wishart(rushlight.tensor(1.5), rushlight.eye(2))


def test_divergences_go_to_the_nearest_classes():
    class A(D.Normal):
        pass

    class B(D.Normal):
        pass

    p, q = A(0.0, 1.0), B(1.0, 2.0)
    expected = D.kl_divergence(D.Normal(0.0, 1.0), D.Normal(1.0, 2.0))
    assert D.kl_divergence(p, q) == expected
    registry = D.kl._KL_REGISTRY
    try:
        D.register_kl(A, D.Normal)(lambda p, q: "left")
        assert D.kl_divergence(p, q) == "left"
        D.register_kl(D.Normal, B)(lambda p, q: "right")
        with pytest.warns(RuntimeWarning, match="Ambiguous kl_divergence"):
            assert D.kl_divergence(p, q) == "left"
    finally:
        registry.pop((A, D.Normal), None)
        registry.pop((D.Normal, B), None)
        D.kl._KL_MEMOIZE.clear()
    with pytest.raises(TypeError, match="must be a class"):
        D.register_kl(3, D.Normal)


def test_constraints_of_ones_own_can_be_registered():
    class Even(D.constraints.Constraint):
        def check(self, value):
            return value % 2 == 0

    with pytest.raises(NotImplementedError, match="Cannot transform Even constraints"):
        D.biject_to(Even())
    D.biject_to.register(Even, lambda constraint: D.AffineTransform(0, 2))
    assert D.biject_to(Even())(rushlight.tensor(3.0)) == 6
    del D.biject_to._registry[Even]


def test_mahalanobis_distances_broadcast():
    rushlight.manual_seed(0)
    factor = rushlight.linalg.cholesky(rushlight.eye(3) + 0.2).expand(2, 1, 3, 3)
    x = rushlight.randn(5, 2, 4, 3)
    got = D.multivariate_normal._batch_mahalanobis(factor, x)
    inverse = rushlight.linalg.inv(factor[0, 0] @ factor[0, 0].mT)
    expected = (x.unsqueeze(-2) @ inverse @ x.unsqueeze(-1))[..., 0, 0]
    assert got.shape == (5, 2, 4)
    assert rushlight.allclose(got, expected, atol=1e-4)


def test_triangles_become_vectors_and_back():
    for n in (2, 3, 5):
        matrix = rushlight.arange(1.0, n * n + 1).reshape(n, n)
        for diagonal in range(-n, n):
            vector = D.utils.tril_matrix_to_vec(matrix, diagonal)
            assert vector.tolist() == matrix.tril(diagonal)[matrix.tril(diagonal) != 0].tolist()
            if diagonal > -n:
                back = D.utils.vec_to_tril_matrix(vector, diagonal)
                assert back.tolist() == matrix.tril(diagonal).tolist()


def test_tensors_can_be_told_apart_as_libraries_of_models_do():
    a, b = rushlight.ones(2), rushlight.ones(2)
    assert a._cdata == a._cdata != b._cdata
