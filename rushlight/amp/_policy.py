"""Which functions `autocast` runs in the low precision, in float32, or in the widest dtype given.

By public name, for the CPU: PyTorch's choice for each, found by running it.
"""

from __future__ import annotations

import rushlight as torch

from .. import Tensor
from ..op import operators

LOWER, FLOAT32, WIDEST = "lower", "float32", "widest"

_NAMES = {
    LOWER: """
        addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d
        conv_transpose3d linear_addmm linear_mm linear_row linear_unsafe_view linear_view
        lstm_layer matmul_batched matmul_folded matmul_row mm rnn_layer
        torch.conv_tbc torch.prelu F.scaled_dot_product_attention linalg.vecdot
    """,
    FLOAT32: """
        cdist ctc_loss geqrf huber_loss kl_div mse_loss nll_loss polar prod trace view_as_complex
        torch.cholesky torch.cholesky_inverse torch.cholesky_solve torch.grid_sampler
        torch.grid_sampler_2d torch.grid_sampler_3d torch.lu_solve torch.lu_unpack
        torch.nanquantile torch.orgqr torch.ormqr torch.pinverse torch.qr torch.quantile torch.stft
        torch.svd torch.triangular_solve
        F.adaptive_avg_pool3d F.adaptive_max_pool3d F.avg_pool3d F.binary_cross_entropy
        F.binary_cross_entropy_with_logits F.cosine_embedding_loss F.cross_entropy F.ctc_loss
        F.fractional_max_pool2d F.fractional_max_pool3d F.grid_sample F.hinge_embedding_loss
        F.huber_loss F.kl_div F.l1_loss F.margin_ranking_loss F.max_pool3d F.max_unpool1d
        F.max_unpool2d F.max_unpool3d F.mse_loss F.multi_margin_loss F.multilabel_margin_loss
        F.nll_loss F.poisson_nll_loss F.smooth_l1_loss F.soft_margin_loss F.triplet_margin_loss
        linalg.cholesky linalg.cholesky_ex linalg.cond linalg.eig linalg.eigh linalg.eigvals
        linalg.eigvalsh linalg.householder_product linalg.inv linalg.inv_ex linalg.lstsq
        linalg.lu_factor linalg.matrix_rank linalg.qr linalg.solve linalg.svd linalg.svdvals
        linalg.tensorinv linalg.tensorsolve
        fft.fft fft.fft2 fft.fftn fft.hfft fft.ifft fft.ifft2 fft.ifftn fft.ihfft fft.irfft
        fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftn
    """,
    WIDEST: "cat stack index_copy",
}


def _functions(name: str) -> list:
    """The operator `name`, or the public function with its method."""
    space, _, leaf = name.rpartition(".")
    if not space:
        return [operators[leaf]] if leaf in operators else []
    home = {"torch": torch, "F": torch.nn.functional}.get(space) or getattr(torch, space)
    method = getattr(Tensor, leaf, None) if space == "torch" else None
    return [f for f in (getattr(home, leaf), method) if f is not None]


def policies() -> dict:
    """{function: its policy}."""
    return {
        function: policy
        for policy, names in _NAMES.items()
        for name in names.split()
        for function in _functions(name)
    }
