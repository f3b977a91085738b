"""Recipes of layers and losses."""

from __future__ import annotations

import math

from fuzz_catalogue import FLAG, dim_of, distinct, options, recipe
from fuzz_tensors import EVERY, FLOATS, indices, shape_of, tensor

# -- layers -----------------------------------------------------------------------------------


def image(rng, dims, channels=None, dtypes=FLOATS, mode=None):
    """A batch of images (now and then one image) with 1 to 3 spatial dims."""
    n = rng.choice((1, 2, 2, 3, 0)) if rng.random() < 0.3 else 2
    c = channels or rng.choice((1, 2, 3, 4))
    space = [rng.choice((1, 2, 4, 5, 6, 7)) for _ in range(dims)]
    lead = (c,) if rng.random() < 0.1 else (n, c)
    dtype = rng.choice(dtypes) if rng.random() < 0.3 else "float32"
    return tensor(rng, (*lead, *space), dtype, mode=mode)


def per_dim(rng, dims, choices):
    return (
        rng.choice(choices)
        if rng.random() < 0.7
        else tuple(rng.choice(choices) for _ in range(dims))
    )


for _dims in (1, 2, 3):

    def _max(rng, d=_dims):
        x = image(rng, d)
        # Where a dilated window can miss the image, PyTorch writes past its gradient.
        dilation = (1, 2) if min(x.shape[-d:]) > 3 else (1,)
        return [x, per_dim(rng, d, (1, 2, 3))], options(
            rng,
            stride=(1, 2, 3),
            padding=(0, 1, 1, 2),
            dilation=dilation,
            ceil_mode=FLAG,
            return_indices=FLAG,
        )

    def _avg(rng, d=_dims):
        return [image(rng, d), per_dim(rng, d, (1, 2, 3))], options(
            rng,
            stride=(1, 2, 3),
            padding=(0, 1, 1, 2),
            ceil_mode=FLAG,
            count_include_pad=FLAG,
            **({"divisor_override": (1, 3)} if d > 1 else {}),
        )

    def _adaptive(rng, d=_dims):
        return [image(rng, d), per_dim(rng, d, (1, 2, 3, 5))], {}

    def _lp(rng, d=_dims):
        return [image(rng, d), rng.choice((1, 2, 3, 0.5)), per_dim(rng, d, (1, 2, 3))], options(
            rng, stride=(1, 2), ceil_mode=FLAG
        )

    def _conv(rng, d=_dims):
        groups = rng.choice((1, 1, 2))
        x = image(rng, d, rng.choice((2, 4)), mode=rng.choice(("tame", "ties")))
        channels = x.shape[-d - 1]
        weight = (
            rng.choice((2, 4)),
            channels // groups,
            *(rng.choice((1, 2, 3)) for _ in range(d)),
        )
        args = [x, tensor(rng, weight, x.dtype, mode="ties")]
        if rng.random() < 0.5:
            args.append(tensor(rng, weight[:1], x.dtype, mode="tame"))
        return args, {
            "groups": groups,
            **options(rng, stride=(1, 2), padding=(0, 1, 2, "same", "valid"), dilation=(1, 2)),
        }

    def _transposed(rng, d=_dims):
        args, kwargs = _conv(rng, d)
        shape = args[1].shape
        args[1] = tensor(
            rng, (args[0].shape[-d - 1], shape[0], *shape[2:]), args[0].dtype, mode="ties"
        )
        args[2:] = []
        return args, {
            "groups": kwargs["groups"],
            **options(rng, stride=(1, 2), padding=(0, 1), output_padding=(0, 1), dilation=(1, 2)),
        }

    for _name, _draw in (
        ("max_pool", _max),
        ("avg_pool", _avg),
        ("adaptive_avg_pool", _adaptive),
        ("adaptive_max_pool", _adaptive),
        ("lp_pool", _lp),
        ("conv", _conv),
        ("conv_transpose", _transposed),
    ):
        recipe(f"nn.functional.{_name}{_dims}d")(_draw)


@recipe("nn.functional.interpolate")
def interpolate(rng):
    dims = rng.choice((1, 2, 2, 3))
    mode = rng.choice(
        (
            "nearest",
            "nearest-exact",
            "area",
            ("linear", "bilinear", "trilinear")[dims - 1],
            "bicubic",
        )
    )
    where = (
        {"size": per_dim(rng, dims, (1, 2, 5, 9))}
        if rng.random() < 0.5
        else {"scale_factor": per_dim(rng, dims, (0.5, 2.0, 1.7, 1.0, 3))}
    )
    return [image(rng, dims)], {
        **where,
        "mode": mode,
        **(
            options(rng, align_corners=FLAG)
            if "l" in mode and "n" in mode and "nearest" not in mode or mode == "bicubic"
            else {}
        ),
        **(options(rng, antialias=FLAG) if mode in ("bilinear", "bicubic") else {}),
        **(options(rng, recompute_scale_factor=FLAG) if "scale_factor" in where else {}),
    }


@recipe("nn.functional.grid_sample")
def grid_sample(rng):
    dims = rng.choice((2, 2, 3))
    x = image(rng, dims)
    grid = tensor(rng, (x.shape[0], *(rng.choice((1, 3)) for _ in range(dims)), dims), x.dtype)
    return [x, grid], options(
        rng,
        mode=("bilinear", "nearest", "bicubic"),
        align_corners=FLAG,
        padding_mode=("zeros", "border", "reflection"),
    )


@recipe("nn.functional.pad")
def pad(rng):
    x = tensor(rng, shape_of(rng, 1, 5), dtypes=EVERY)
    count = 2 * rng.randint(1, min(len(x.shape), 3))
    mode = rng.choice(("constant", "constant", "reflect", "replicate", "circular"))
    return [x, tuple(rng.choice((0, 1, 2, -1)) for _ in range(count)), mode], options(
        rng, value=(0.0, 1, -2.5)
    ) if mode == "constant" else {}


@recipe("nn.functional.batch_norm nn.functional.instance_norm")
def batch_norm(rng):
    x = image(rng, rng.choice((0, 1, 2, 2, 3)))
    c = x.shape[1] if len(x.shape) > 1 else 1
    stats = [
        tensor(rng, (c,), x.dtype, mode="tame", grad=False),
        tensor(rng, (c,), x.dtype, values=[2.0] * c, grad=False),
    ]
    return [x, *stats], {
        "weight": tensor(rng, (c,), x.dtype, mode="tame"),
        "bias": None,
        **options(rng, eps=(1e-5, 0.1), momentum=(0.1, 0.5)),
    }


recipe("nn.functional.batch_norm")(
    lambda rng: (lambda args, kwargs: (args, {**kwargs, "training": rng.random() < 0.5}))(
        *batch_norm(rng)
    )
)
recipe("nn.functional.instance_norm")(
    lambda rng: (lambda args, kwargs: (args, {**kwargs, "use_input_stats": rng.random() < 0.5}))(
        *batch_norm(rng)
    )
)


@recipe("nn.functional.group_norm")
def group_norm(rng):
    x = image(rng, rng.choice((0, 1, 2, 3)), 4)
    return [x, rng.choice((1, 2, 4, 3))], options(
        rng, weight=(tensor(rng, (4,), x.dtype),), bias=(tensor(rng, (4,), x.dtype),)
    )


@recipe("nn.functional.layer_norm nn.functional.rms_norm")
def layer_norm(rng):
    x = tensor(rng, shape_of(rng, 1), dtypes=FLOATS)
    shape = x.shape[rng.randrange(len(x.shape)) :]
    return [x, shape], options(rng, weight=(tensor(rng, shape, x.dtype),), eps=(1e-5, 0.1))


@recipe("nn.functional.normalize")
def normalize(rng):
    x = tensor(rng, shape_of(rng, 1), dtypes=FLOATS)
    return [x], options(rng, p=(1, 2, 3, math.inf), dim=(dim_of(rng, len(x.shape)),))


@recipe("nn.functional.local_response_norm")
def response(rng):
    return [image(rng, rng.choice((1, 2, 3))), rng.choice((1, 2, 3))], {}


@recipe("nn.functional.pixel_shuffle nn.functional.pixel_unshuffle nn.functional.channel_shuffle")
def shuffled(rng):
    return [image(rng, 2, 4), rng.choice((1, 2, 3))], {}


@recipe("nn.functional.unfold")
def columns(rng):
    return [image(rng, 2), rng.choice((1, 2, (2, 3)))], options(
        rng, padding=(0, 1), stride=(1, 2), dilation=(1, 2)
    )


@recipe("nn.functional.cross_entropy nn.functional.nll_loss")
def cross_entropy(rng):
    space = rng.choice(((), (), (3,), (2, 3)))
    n, c = rng.choice((0, 1, 3)), rng.choice((1, 3, 5))
    lead = () if not space and rng.random() < 0.1 else (n,)
    x = tensor(rng, (*lead, c, *space), rng.choice(FLOATS) if rng.random() < 0.3 else "float32")
    kwargs = options(
        rng,
        reduction=("mean", "sum", "none"),
        ignore_index=(0, 1, -100),
        weight=(tensor(rng, (c,), x.dtype, mode="tame", grad=False),),
    )
    return [x, indices(rng, (*lead, *space), c)], kwargs


@recipe("nn.functional.cross_entropy")
def smoothed(rng):
    args, kwargs = cross_entropy(rng)
    return args, {**kwargs, **options(rng, label_smoothing=(0.0, 0.1, 1.0))}


@recipe("""nn.functional.mse_loss nn.functional.l1_loss nn.functional.smooth_l1_loss
    nn.functional.huber_loss nn.functional.soft_margin_loss nn.functional.kl_div
    nn.functional.poisson_nll_loss nn.functional.hinge_embedding_loss
    nn.functional.binary_cross_entropy_with_logits""")
def loss(rng):
    x = tensor(rng, shape_of(rng), dtypes=FLOATS)
    shape = x.shape if rng.random() < 0.9 else x.shape[1:]
    return [x, tensor(rng, shape, x.dtype)], options(rng, reduction=("mean", "sum", "none"))


@recipe("nn.functional.multi_margin_loss nn.functional.multilabel_margin_loss")
def margins(rng):
    n, c = rng.choice((0, 1, 3)), rng.choice((1, 3))
    return [tensor(rng, (n, c), rng.choice(FLOATS[:2])), indices(rng, (n,), c)], options(
        rng, reduction=("mean", "sum", "none"), p=(1, 2), margin=(1.0, 0.5)
    )


@recipe("nn.functional.multilabel_margin_loss")
def labels(rng):
    n, c = rng.choice((1, 3)), rng.choice((1, 3, 5))
    return [tensor(rng, (n, c), "float32"), indices(rng, (n, c), c)], options(
        rng, reduction=("mean", "sum", "none")
    )


@recipe(
    """nn.functional.triplet_margin_loss nn.functional.margin_ranking_loss
    nn.functional.cosine_embedding_loss"""
)
def three(rng):
    x = tensor(rng, shape_of(rng, 1, 2), "float32")
    third = x.shape if rng.random() < 0.5 else x.shape[:-1]
    return [x, tensor(rng, x.shape, "float32"), tensor(rng, third, "float32")], options(
        rng, reduction=("mean", "sum", "none"), margin=(0.0, 1.0)
    )


@recipe("nn.functional.embedding")
def embedding(rng):
    n = rng.choice((1, 4))
    weight = tensor(rng, (n, rng.choice((0, 1, 3))), rng.choice(FLOATS))
    return [indices(rng, shape_of(rng, 0, 2), n), weight], options(
        rng, padding_idx=(0, -1), scale_grad_by_freq=FLAG
    )


@recipe("nn.functional.embedding_bag")
def embedding_bag(rng):
    n = rng.choice((1, 4))
    weight = tensor(rng, (n, 3), rng.choice(FLOATS[:2]))
    if rng.random() < 0.5:
        args, kwargs = [indices(rng, (2, rng.choice((0, 1, 3))), n), weight], {}
    else:
        args = [indices(rng, (6,), n), weight]
        kwargs = {
            "offsets": tensor(rng, (3,), "int64", values=[0, 2, rng.choice((2, 6))], layout="plain")
        }
    return args, {
        **kwargs,
        **options(rng, mode=("sum", "mean", "max"), padding_idx=(0,), scale_grad_by_freq=FLAG),
    }


@recipe("nn.functional.ctc_loss")
def ctc(rng):
    t, n, c = rng.choice((1, 4, 6)), rng.choice((1, 2)), rng.choice((2, 4))
    target = tensor(rng, (n, 3), "int64", values=[[1, 1, c - 1]] * n, layout="plain")
    probs = tensor(rng, (t, n, c), rng.choice(FLOATS[:2]), mode="tame")
    return [probs, target, (t,) * n, tuple(rng.choice((0, 1, 2, 3)) for _ in range(n))], options(
        rng, reduction=("mean", "sum", "none"), zero_infinity=FLAG
    )


@recipe("nn.functional.one_hot")
def one_hot(rng):
    return [indices(rng, shape_of(rng, 0, 2), 4)], options(rng, num_classes=(4, 5, -1, 2))


@recipe("nn.functional.glu nn.functional.dropout nn.functional.alpha_dropout")
def glu(rng):
    return [tensor(rng, shape_of(rng, 1), dtypes=FLOATS)], {}


recipe("nn.functional.dropout nn.functional.dropout2d nn.functional.alpha_dropout")(
    lambda rng: ([tensor(rng, dtypes=FLOATS), rng.choice((0.0, 1.0, 0.5)), False], {})
)


@recipe("nn.functional.prelu")
def prelu(rng):
    x = image(rng, rng.choice((0, 1, 2)))
    c = x.shape[1] if len(x.shape) > 1 else 1
    return [x, tensor(rng, (rng.choice((1, c)),), x.dtype)], {}


@recipe("nn.functional.scaled_dot_product_attention")
def attention(rng):
    n, m, k, b = (rng.choice((1, 2, 5)) for _ in range(4))
    q, key, v = (tensor(rng, (b, 2, s, k), "float32", mode="tame") for s in (n, m, m))
    return [q, key, v], options(rng, is_causal=FLAG, scale=(0.5,))


@recipe("topk kthvalue")
def ranked(rng):
    x = distinct(rng)
    return [x, rng.choice((1, 2, 3)), dim_of(rng, len(x.shape))], {}
