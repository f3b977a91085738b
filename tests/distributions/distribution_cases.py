"""Every distribution over a table of parameters, measured in the same way under either library.

`measure(lib, case, dtype)` gives what PyTorch's stored values are compared with. In the table a
list is a tensor that requires a gradient, a number stays a number, a dict holds keyword arguments.
"""

from __future__ import annotations

import zlib

import numpy as np

EYE = [[1.0, 0.0], [0.0, 1.0]]
COVARIANCE = [[2.0, 0.5], [0.5, 1.0]]
FACTOR = [[1.5, 0.0], [-0.4, 0.7]]

TABLE = [
    ("Bernoulli", 0.3),
    ("Bernoulli", [0.2, 0.5, 0.9]),
    ("Bernoulli", {"logits": [[-1.5, 0.3], [0.0, 4.0]]}),
    ("Beta", 2.0, 0.5),
    ("Beta", [0.5, 2.0, 30.0], [[1.5], [0.3]]),
    ("Binomial", 5, [0.2, 0.6]),
    ("Binomial", 100, {"logits": [[-1.0], [2.0]]}),
    ("Categorical", [0.1, 0.6, 0.3]),
    ("Categorical", {"logits": [[0.5, -1.0, 2.0, 0.1], [0.0, 0.0, 3.0, -9.0]]}),
    ("Cauchy", 0.0, 1.0),
    ("Cauchy", [-1.0, 0.5], [[0.3], [4.0]]),
    ("Chi2", [0.5, 3.0, 20.0]),
    ("ContinuousBernoulli", [0.1, 0.4995, 0.8]),
    ("ContinuousBernoulli", {"logits": [-2.0, 0.001, 3.0]}),
    ("Dirichlet", [0.5, 1.5, 4.0]),
    ("Dirichlet", [[0.2, 0.3], [5.0, 40.0]]),
    ("Exponential", 2.0),
    ("Exponential", [[0.5, 3.0], [1.0, 10.0]]),
    ("FisherSnedecor", [1.0, 5.0, 9.0], [3.0, 7.0, 20.0]),
    ("Gamma", 0.4, 2.0),
    ("Gamma", [0.1, 1.0, 2.5, 50.0], [[0.5], [3.0]]),
    ("GeneralizedPareto", [0.0, 1.0, 2.0], [1.0, 2.0, 0.5], [-0.3, 0.0, 0.2]),
    ("Geometric", [0.2, 0.7]),
    ("Geometric", {"logits": [-1.0, 0.5]}),
    ("Gumbel", 0.5, 2.0),
    ("Gumbel", [-1.0, 3.0], [[0.5], [2.0]]),
    ("HalfCauchy", [0.5, 2.0]),
    ("HalfNormal", [0.5, 2.0]),
    ("InverseGamma", [0.8, 2.5, 6.0], 1.5),
    ("Kumaraswamy", [0.5, 2.0, 3.0], [1.5, 3.0, 0.7]),
    ("LKJCholesky", 2, 0.7),
    ("LKJCholesky", 4, [0.5, 3.0]),
    ("Laplace", 0.0, 1.0),
    ("Laplace", [-1.0, 2.0], [[0.5], [3.0]]),
    ("LogNormal", [-0.5, 1.0], [0.3, 1.2]),
    ("LogisticNormal", [0.3, -1.0, 2.0], [0.5, 1.0, 0.1]),
    ("LowRankMultivariateNormal", [0.5, -1.0], [[0.5], [2.0]], [0.3, 1.0]),
    ("LowRankMultivariateNormal", [[0.5, -1.0], [1.0, 3.0]], [[0.5], [2.0]], [0.3, 1.0]),
    ("Multinomial", 6, [0.2, 0.5, 0.3]),
    ("Multinomial", 3, {"logits": [[0.5, -1.0], [2.0, 0.0]]}),
    ("MultivariateNormal", [0.5, -1.0], COVARIANCE),
    ("MultivariateNormal", [[0.5, -1.0], [3.0, 0.0]], {"scale_tril": FACTOR}),
    ("MultivariateNormal", [0.5, -1.0], {"precision_matrix": [COVARIANCE, EYE]}),
    ("NegativeBinomial", 3, [0.2, 0.7]),
    ("NegativeBinomial", [2.5, 10.0], {"logits": [-1.0, 0.5]}),
    ("Normal", 0.0, 1.0),
    ("Normal", [-1.0, 2.0, 0.1], [[0.5], [3.0]]),
    ("OneHotCategorical", [[0.1, 0.6, 0.3], [0.5, 0.2, 0.3]]),
    ("OneHotCategoricalStraightThrough", {"logits": [0.5, -1.0, 2.0]}),
    ("Pareto", [1.0, 2.0], [0.8, 3.0]),
    ("Poisson", [0.5, 4.0, 60.0]),
    ("StudentT", 3.0),
    ("StudentT", [0.7, 1.5, 8.0], [0.0, 1.0, -2.0], [1.0, 0.3, 2.0]),
    ("Uniform", -1.0, 2.0),
    ("Uniform", [0.0, -3.0], [[1.0], [4.0]]),
    ("VonMises", [0.0, 3.0, -2.0], [0.3, 2.0, 40.0]),
    ("Weibull", [1.0, 2.0], [0.7, 3.0]),
    ("Wishart", [3.0], {"covariance_matrix": COVARIANCE}),
    ("Wishart", 4.5, {"scale_tril": FACTOR}),
]
TEMPERED = [
    ("RelaxedBernoulli", [0.5], {"probs": [0.2, 0.9]}),
    ("RelaxedOneHotCategorical", [0.7], {"logits": [[0.5, -1.0, 2.0], [1.0, 0.0, 0.0]]}),
]


def _made(D, p):
    """Those that are made from others."""
    chain = [D.ExpTransform(), D.AffineTransform(p([1.0]), p([[-2.0], [0.5]]))]
    return {
        "Independent Normal": D.Independent(D.Normal(p([0.0, 1.0]), p([[1.0], [2.0]])), 1),
        "Independent Bernoulli": D.Independent(D.Bernoulli(p([0.3, 0.6])), 1),
        "Mixture of normals": D.MixtureSameFamily(
            D.Categorical(p([0.3, 0.7])), D.Normal(p([-1.0, 2.0]), p([0.5, 1.0]))
        ),
        "Mixture of vectors": D.MixtureSameFamily(
            D.Categorical(p([[0.3, 0.7], [0.5, 0.5]])),
            D.MultivariateNormal(p([[[0.0, 1.0], [3.0, 2.0]]] * 2), p(COVARIANCE)),
        ),
        "Mixture of Poissons": D.MixtureSameFamily(
            D.Categorical(logits=p([0.1, 1.0])), D.Poisson(p([2.0, 9.0]))
        ),
        "Transformed normal": D.TransformedDistribution(D.Normal(p([0.2]), p([0.7])), chain),
        "Transformed to the simplex": D.TransformedDistribution(
            D.Normal(p([0.2, 0.5]), p([0.7, 1.0])), D.StickBreakingTransform()
        ),
    }


MADE = ["Independent Normal", "Independent Bernoulli", "Mixture of normals", "Mixture of vectors",
        "Mixture of Poissons", "Transformed normal", "Transformed to the simplex"]  # fmt: skip
CASES = TABLE + TEMPERED + MADE


def name_of(case):
    return case if isinstance(case, str) else str(case).replace("'", "").strip("()")


def build(lib, case, dtype):
    """(distribution, the parameters that require a gradient)."""
    leaves = []

    def p(value):
        if not isinstance(value, list):
            return value
        leaves.append(lib.tensor(value, dtype=getattr(lib, dtype)).requires_grad_())
        return leaves[-1]

    if isinstance(case, str):
        return _made(lib.distributions, p)[case], leaves
    name, *args = case
    named = args.pop() if isinstance(args[-1], dict) else {}
    args, named = [p(a) for a in args], {k: p(v) for k, v in named.items()}
    return getattr(lib.distributions, name)(*args, **named), leaves


def seed_of(case):
    return zlib.crc32(name_of(case).encode()) % 1000


def dtypes_of(case):
    """Numbers alone make float32; PyTorch 2.13 cannot do a GeneralizedPareto in float64."""
    tensors = isinstance(case, str) or any(not isinstance(a, (int, float)) for a in case[1:])
    return ["float32", "float64"] if tensors and case[0] != "GeneralizedPareto" else ["float32"]


def _gradients(lib, case, dtype, function):
    """Of a sum of function(distribution) with weights that are all different."""
    d, leaves = build(lib, case, dtype)
    if not leaves:
        return []
    out = function(d)
    weights = lib.arange(1, out.numel() + 1).reshape(out.shape).to(out.dtype) / out.numel()
    found = lib.autograd.grad((out * weights).sum(), leaves, allow_unused=True)
    return [f for f in found if f is not None]


def _tried(measured, name, function):
    """Add what a function gives, or nothing where it is not implemented."""
    try:
        value = function()
    except NotImplementedError:
        return
    for i, part in enumerate(value if isinstance(value, list) else [value]):
        measured[f"{name}{i or ''}"] = part.detach().double().numpy()


def measure(lib, case, dtype, stored=None):
    """Name to array: draws, then moments, values at the draws (or at stored ones), gradients."""
    d, _ = build(lib, case, dtype)
    measured = {}

    def gradients(function):
        return _gradients(lib, case, dtype, function)

    lib.manual_seed(seed_of(case))
    shapes = {"draw": (), "draws": (5,), "drawn table": (2, 9)}
    for name, shape in shapes.items():
        _tried(measured, name, lambda shape=shape: d.sample(shape))
    if d.has_rsample:
        _tried(measured, "rsample", lambda: d.rsample((3,)))
    if d.has_rsample and case[0] != "Wishart":  # PyTorch 2.13 fails to differentiate it
        _tried(measured, "rsample gradient", lambda: gradients(lambda d: d.rsample((4,))))
    measured["state"] = np.array([zlib.crc32(lib.get_rng_state().numpy().tobytes())], np.float64)
    for name in ("mean", "mode", "variance", "stddev"):
        _tried(measured, name, lambda name=name: getattr(d, name))
    _tried(measured, "entropy", d.entropy)
    if d.has_enumerate_support:
        _tried(measured, "enumerate_support", lambda: d.enumerate_support(expand=False))
    at = (stored or measured)["draws"]
    at = lib.tensor(at, dtype=getattr(lib, dtype))
    _tried(measured, "log_prob", lambda: d.log_prob(at))
    _tried(measured, "log_prob gradient", lambda: gradients(lambda d: d.log_prob(at)))
    _tried(measured, "cdf", lambda: d.cdf(at))
    share = lib.linspace(0.05, 0.95, 7, dtype=getattr(lib, dtype))
    share = share.reshape((7,) + (1,) * len(d.batch_shape))
    _tried(measured, "icdf", lambda: d.icdf(share))
    return measured
