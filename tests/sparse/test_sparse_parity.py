"""The same expressions under PyTorch: the same text, or an error of the same class."""

from __future__ import annotations

import warnings

import pytest

import rushlight

torch = pytest.importorskip("torch")

EXPRESSIONS = """
s; c; h; b; s.coalesce(); s.t(); c.t(); b.t(); s.T; s.H; s.to_dense(); c.to_sparse()
s.to_sparse_csr(); s.to_sparse_csc(); b.to_dense(); h.to_dense(); h.coalesce(); s.stride()
s.is_contiguous(); s.data_ptr(); s.storage(); s.untyped_storage(); s.storage_offset(); s.numpy()
s.item(); s.tolist(); s[0]; s[0, 1]; c[0]; c[0, 1]; s[0:1]; s[[0]]; s[torch.tensor([0])]; bool(s)
float(s); s.view(3, 2); s.reshape(3, 2); s.relu(); s.exp(); s.cos(); s.sin(); s.log1p(); s + 1
s * 2; s / 2; s // 2; s + d; d + s; s * d; d * s; s / d; d / s; s - d; d - s; s * s; s - s; s + s
s ** 2; s ** 0; s ** -1; -s; abs(s); s == s; s > 0; s.sum(); s.sum(0); s.norm(); s @ s.t()
s @ d.t(); d @ s.t(); s @ v; d.t() @ s; c @ d.t(); c @ v; c + c; c * 2; c * c; c * d; c + d; -c
c.sin(); c.sum(); c.sum(0); c.sum(1, keepdim=True); b * 2; b + b; b @ torch.ones(4, 2); c.clone()
c.detach(); c.double(); c.int(); s.to(torch.int32); s.half(); c.indices(); s.crow_indices()
c.coalesce(); s.indices(); s.values(); s._values(); c.values(); c._nnz(); d._nnz(); d.coalesce()
d.indices(); d.values(); d.crow_indices(); d.sparse_dim(); d.dense_dim(); h.sparse_dim()
h.dense_dim(); s.to_sparse(1); s.zero_(); c.zero_(); s.copy_(s); s.copy_(d); d.copy_(s); d.add_(s)
s.add_(s); s.add_(d); s.mul_(2); s.mul_(s); s.div_(2); s.select(0, 1)
s.index_select(0, torch.tensor([1])); s.unsqueeze(0); s.permute(1, 0); torch.cat([s, s])
torch.stack([s, s]); torch.cat([s, d]); s.any(); s.isnan(); torch.sparse.mm(s, d.t())
torch.sparse.mm(c, d.t(), reduce="mean"); torch.sparse.mm(s, s.t()); torch.mm(s, d.t())
torch.addmm(torch.ones(2, 2), s, d.t()); torch.smm(s, d.t()); torch.hspmm(s, d.t())
torch.spmm(s, d.t()); torch.dsmm(d.t(), s); torch.hsmm(s, d.t())
torch.sspaddmm(torch.ones(2, 2).to_sparse(), s, d.t()); torch.sparse.sum(s)
torch.sparse.sum(s, 0); torch.sparse.sum(h, 1); torch.sparse.sum(c, 1); torch.sparse.softmax(s, 1)
torch.sparse.log_softmax(s, 0); torch.softmax(s, 1)
torch.sparse.spdiags(torch.ones(2, 3), torch.tensor([0, 1]), (3, 3))
torch.sparse.sampled_addmm(c, torch.ones(2, 2), torch.ones(2, 3)); torch.zeros_like(s)
torch.zeros_like(c); torch.zeros(2, 3, layout=torch.sparse_coo)
torch.zeros(2, 3, layout=torch.sparse_csr); torch.tensor(s); d.sparse_mask(s); d.sparse_mask(c)
s.sparse_resize_((4, 4), 2, 0); s.sparse_resize_((1, 1), 2, 0); c.sparse_resize_((4, 4), 2, 0)
s.sparse_resize_and_clear_((4, 4), 1, 1); s.resize_as_sparse_(h); s.type(); c.type(); s.nbytes
len(s); list(s); torch.equal(s, s); s.fill_(1); torch.nn.functional.linear(d, c)
torch.bmm(torch.ones(2, 2, 3).to_sparse(), torch.ones(2, 3, 2)); s.sqrt_(); s.share_memory_()
s.new_zeros(3); torch.crow_indices_copy(c); torch.sparse.to_sparse_semi_structured(d)
s.requires_grad_() * 2; torch.nn.Parameter(s); d.requires_grad_().to_sparse()
d.requires_grad_().to_sparse_csr(); torch.sparse.sum(d.requires_grad_().to_sparse(), 0)
torch.sparse.mm(d.requires_grad_().to_sparse(), d.t())
torch.sparse_coo_tensor([[0, 1]], v[:2], (3,))
torch.sparse_coo_tensor([[0, 1]], [1., 2., 3.], (3,))
torch.sparse_coo_tensor([[0, 1]], [1., 2.], (3, 3)); torch.sparse_coo_tensor([[0, -1]], [1., 2.])
torch.sparse_csr_tensor([0, 1, 3], [0, 1, 5], [1., 2, 3], (2, 3), check_invariants=True)
torch.sparse_csr_tensor([0, 2, 1], [0], [1.], (2, 3), check_invariants=True)
torch.sparse_compressed_tensor([0, 1, 3], [0, 1, 2], [1., 2, 3], layout=torch.sparse_csc)
torch.sparse_compressed_tensor([0, 1, 3], [0, 1, 2], [1., 2, 3])
torch.ones(3, 3).to_sparse_bsr(2); torch.ones(2, 2, 3).to_sparse_csr(dense_dim=1)
torch.ones(2, 2, 3).to_sparse_csr(); torch.ones(2, 2, 2).to_sparse(1)
torch.ones(20, 20).to_sparse(); torch.arange(600.).reshape(60, 10).to_sparse_csr()
torch.tensor(5.).to_sparse()
""".replace("\n", ";").split(";")


def outcome(module, expression):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        v = module.tensor([3.0, 4.0, 5.0])
        s = module.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], v, (2, 3))
        names = {
            "torch": module,
            "v": v,
            "s": s,
            "c": s.to_sparse_csr(),
            "d": module.ones(2, 3),
            "b": module.ones(4, 4).to_sparse_bsr((2, 2)),
            "h": module.sparse_coo_tensor([[0, 1]], module.ones(2, 3), (4, 3)),
        }
        try:
            return repr(eval(expression, names))
        except Exception as error:
            return error


@pytest.mark.parametrize("expression", [e.strip() for e in EXPRESSIONS if e.strip()])
def test_the_same_as_in_pytorch(expression):
    expected, got = outcome(torch, expression), outcome(rushlight, expression)
    if isinstance(expected, Exception):
        assert isinstance(got, type(expected)), got
    else:
        assert got == expected
