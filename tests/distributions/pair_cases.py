"""KL divergences, transforms and constraints, measured in the same way under either library."""

from __future__ import annotations

import numpy as np

# -- divergences: every pair of these is tried, by the batch ------------------------------------

SCALAR = [
    ("Bernoulli", [0.2, 0.7]),
    ("Beta", [0.5, 3.0], [1.5, 2.0]),
    ("Binomial", 4, [0.3, 0.6]),
    ("Cauchy", [0.0, -1.0], [0.5, 2.0]),
    ("ContinuousBernoulli", [0.2, 0.7]),
    ("Exponential", [0.5, 3.0]),
    ("Gamma", [0.7, 4.0], [1.5, 0.5]),
    ("Geometric", [0.3, 0.8]),
    ("Gumbel", [0.0, 2.0], [0.5, 1.5]),
    ("HalfNormal", [0.5, 2.0]),
    ("Laplace", [0.0, -1.0], [0.5, 2.0]),
    ("LogNormal", [0.0, -1.0], [0.5, 2.0]),
    ("Normal", [0.0, -1.0], [0.5, 2.0]),
    ("Pareto", [0.5, 1.0], [0.8, 2.5]),
    ("Poisson", [0.5, 6.0]),
    ("Uniform", [0.2, -1.0], [0.8, 2.0]),
    ("Uniform", [0.0, 0.6], [1.0, 0.9]),
]
SQUARE = [[2.0, 0.5], [0.5, 1.0]]
VECTOR = [
    ("Categorical", [0.2, 0.8]),
    ("Dirichlet", [0.7, 3.0]),
    ("LowRankMultivariateNormal", [0.0, 1.0], [[0.5], [2.0]], [0.3, 1.0]),
    ("MultivariateNormal", [0.5, -1.0], SQUARE),
    ("OneHotCategorical", [[0.2, 0.8], [0.5, 0.5]]),
    ("Categorical", [0.0, 1.0]),
    ("Dirichlet", [4.0, 1.5]),
    ("LowRankMultivariateNormal", [[0.0, 1.0], [2.0, 0.0]], [[1.5], [0.1]], [0.6, 2.0]),
    ("MultivariateNormal", [[0.5, -1.0], [0.0, 0.0]], [[1.0, -0.3], [-0.3, 1.0]]),
    ("OneHotCategorical", [[1.0, 0.0], [0.3, 0.7]]),
]


def _moved(args):
    """Other parameters of the same kind, so that q is not p."""
    return [a if isinstance(a, int) else [v * 1.1 + 0.05 for v in a][::-1] for a in args]


def divergences(lib):
    """ "p || q" to KL(p || q) in float64, or the reason why there is none."""
    D, found = lib.distributions, {}

    def made(name, args):
        tensors = [lib.tensor(a, dtype=lib.float64) if isinstance(a, list) else a for a in args]
        return getattr(D, name)(*tensors)

    def add(label, p, q):
        try:
            found[label] = D.kl_divergence(p, q).detach().double().numpy()
        except NotImplementedError as error:
            found[label] = np.array([np.nan, len(" ".join(str(error).split()))])

    for i, (p_name, *p) in enumerate(SCALAR):
        for j, (q_name, *q) in enumerate(SCALAR):
            inside = q_name in ("Beta", "Uniform", "Bernoulli", "ContinuousBernoulli", "Binomial")
            q = q if inside or p_name == "Pareto" else _moved(q)
            add(f"{i} {p_name} || {j} {q_name}", made(p_name, p), made(q_name, q))
    for i, (p_name, *p) in enumerate(VECTOR):
        for j, (q_name, *q) in enumerate(VECTOR):
            if (p_name[-6:], p_name[:1]) == (
                q_name[-6:],
                q_name[:1],
            ) or "Normal" in p_name + q_name:
                add(f"v{i} {p_name} || v{j} {q_name}", made(p_name, p), made(q_name, q))
    normal = made("Normal", ([0.0, 1.0], [1.0, 2.0])), made("Normal", ([1.0, 1.0], [3.0, 0.5]))
    add("Independent", *(D.Independent(d, 1) for d in normal))
    add("Independent, unlike", D.Independent(normal[0], 1), D.Independent(normal[1], 0))
    add("Wishart", *(D.Wishart(df, lib.tensor(SQUARE, dtype=lib.float64)) for df in (3.0, 4.5)))
    return found


# -- transforms ------------------------------------------------

X = [-2.5, -0.3, 0.0, 0.7, 1.9, 3.1]


def transforms(lib):
    """(name, transform, x) over the registry and the classes, in float64."""
    T, C = lib.distributions, lib.distributions.constraints

    def t(v):
        return lib.tensor(v, dtype=lib.float64)

    x = t(X)
    square = x[:4].reshape(2, 2)
    parts = [T.ExpTransform(), T.AffineTransform(t(1.0), t(-2.0))]
    return [
        ("exp", T.ExpTransform(), x),
        ("exp inv", T.ExpTransform().inv, x.exp()),
        ("power", T.PowerTransform(t([2.0, -0.5, 3.0, 1.0, 0.3, -2.0])), x.exp()),
        ("sigmoid", T.SigmoidTransform(), x),
        ("sigmoid far", T.SigmoidTransform(), x * 30),
        ("softplus", T.SoftplusTransform(), x),
        ("tanh", T.TanhTransform(), x),
        ("affine", T.AffineTransform(0.5, -2.0), x),
        ("affine event", T.AffineTransform(t([1.0, 2.0]), t([0.5, -3.0]), 1), x.reshape(3, 2)),
        ("affine wide event", T.AffineTransform(0.5, 2.0, 2), x.reshape(3, 2)),
        ("chain", T.ComposeTransform(parts), x),
        ("chain inv", T.ComposeTransform(parts).inv, 1 - 2 * x.exp()),
        ("chain of events", T.ComposeTransform([*parts, T.StickBreakingTransform()]), x),
        ("independent", T.IndependentTransform(T.TanhTransform(), 1), x.reshape(2, 3)),
        ("reshape", T.ReshapeTransform((2, 3), (6,)), x.reshape(2, 3).expand(4, 2, 3)),
        ("stick", T.StickBreakingTransform(), x.reshape(2, 3)),
        ("correlation", T.CorrCholeskyTransform(), lib.stack([x, -x])),
        ("cat", T.CatTransform(parts, 0, [2, 4]), x),
        ("cat last", T.CatTransform(parts, -1, [1, 2]), x.reshape(2, 3)),
        ("stack", T.StackTransform(parts, 1), x.reshape(3, 2)),
        ("cdf", T.CumulativeDistributionTransform(T.Normal(t(0.5), t(2.0))), x),
        ("abs", T.AbsTransform(), x),
        ("softmax", T.SoftmaxTransform(), x.reshape(2, 3)),
        ("lower", T.LowerCholeskyTransform(), square),
        ("definite", T.PositiveDefiniteTransform(), square),
        ("to interval", T.biject_to(C.interval(t(-1.0), t(4.0))), x),
        ("to half open", T.transform_to(C.half_open_interval(-1.0, 4.0)), x),
        ("to less", T.biject_to(C.less_than(t(3.0))), x),
        ("to greater", T.biject_to(C.greater_than_eq(3.0)), x),
        ("to simplex", T.biject_to(C.simplex), x.reshape(2, 3)),
        ("to correlation", T.biject_to(C.corr_cholesky), x),
        ("to vectors", T.biject_to(C.independent(C.positive, 1)), x.reshape(2, 3)),
        ("to cat", T.biject_to(C.cat([C.positive, C.real], 0, [2, 4])), x),
        ("to stack", T.biject_to(C.stack([C.positive, C.unit_interval], 1)), x.reshape(3, 2)),
    ]


def transformed(lib):
    """Name to y, x again, the log determinant and the shapes."""
    found = {}
    for name, transform, x in transforms(lib):
        y = transform(x)
        found[f"{name} y"] = y.double().numpy()
        found[f"{name} x"] = transform.inv(y).double().numpy()
        if transform.bijective:
            found[f"{name} log det"] = transform.log_abs_det_jacobian(x, y).double().numpy()
        shapes = [*transform.forward_shape(x.shape), -1, *transform.inverse_shape(y.shape)]
        dims = [transform.domain.event_dim, transform.codomain.event_dim]
        found[f"{name} shapes"] = np.array(shapes + dims, np.float64)
    return found


# -- constraints ------------------------------------------------

NUMBERS = [-1.5, -1.0, 0.0, 0.3, 1.0, 2.0, 2.5, 3.0, float("inf"), float("nan")]
MATRICES = [
    [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.5], [0.5, 1.0]],
    [[1.0, 2.0], [2.0, 1.0]], [[-1.0, 0.0], [0.3, 2.0]], [[0.0, 0.0], [0.0, 0.0]],
    [[0.2, 0.8], [0.5, 0.5]], [[1.0, 1.0], [0.0, 1.0]], [[3.0, 0.0], [1.0, 2.0]],
]  # fmt: skip


def checked(lib):
    """Name to what `check` says about numbers, or about the rows of matrices, or matrices."""
    C = lib.distributions.constraints
    numbers = lib.tensor(NUMBERS, dtype=lib.float64)
    matrices = lib.tensor(MATRICES, dtype=lib.float64)
    of_numbers = [
        C.real, C.boolean, C.positive, C.nonnegative, C.nonnegative_integer, C.positive_integer,
        C.unit_interval, C.greater_than(0.3), C.greater_than_eq(0.3), C.less_than(2.0),
        C.interval(-1, 2), C.half_open_interval(-1, 2), C.integer_interval(0, 2),
    ]  # fmt: skip
    others = [
        C.simplex, C.one_hot, C.real_vector, C.multinomial(2), C.lower_triangular,
        C.lower_cholesky, C.corr_cholesky, C.square, C.symmetric, C.positive_semidefinite,
        C.positive_definite, C.independent(C.positive, 1), C.independent(C.real, 2),
    ]  # fmt: skip
    found = {repr(c): c.check(numbers).double().numpy() for c in of_numbers}
    # One by one, since some look at a whole batch first.
    found |= {
        repr(c): lib.stack([c.check(m) for m in matrices]).double().numpy() for c in others
    }  # fmt: skip
    cat = C.cat([C.positive, C.unit_interval], 0, [4, 6])
    found["cat"] = cat.check(numbers).double().numpy()
    stack = C.stack([C.positive, C.boolean], 1)
    found["stack"] = stack.check(numbers.reshape(5, 2)).double().numpy()
    mixture = C.MixtureSameFamilyConstraint(C.positive)
    found["mixture"] = mixture.check(numbers).double().numpy()
    return found
