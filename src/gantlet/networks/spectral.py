r"""Spectral normalisation: every weight of a discriminator is divided by its largest singular value.

.. math::
    \bar W = W / σ(W), \qquad σ(W) \approx u^\top W v, \quad v = W^\top u / \lVert W^\top u \rVert

The singular vectors u and v are buffers that follow W: at each forward pass in train mode u becomes the best vector (that of
Rayleigh and Ritz) in the Krylov space of :math:`W W^\top` that the last u spans. The paper's one power iteration is the
first step of it; while a discriminator learns fast it leaves layers several per cent above 1, as their largest singular
values lie close together. The vectors count as constants in the gradient, which with exact ones is that of equation 12:
:math:`∂\bar W / ∂W_{ij} = (E_{ij} - \bar W u_i v_j) / σ`. In evaluation mode the stored vectors are used.

W is the weight as a matrix: one row per output (of a group, for transposed convolutions), all else flattened. For a
convolution this is the paper's choice, and not the norm of the convolution as an operator.

Unlike torch's own, these layers work under ``vmap`` with stacked parameters and buffers in train mode: they update their
buffers in place, as batch norm does, and use the new vectors, not the buffers, so that one layer may be called several
times before the gradient is taken.

Reference:
    | Spectral normalization for generative adversarial networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957

Legend: ``B`` batch, ``out`` rows of the matrix, ``in`` its columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantlet.errors import Refused

__all__ = [
    "SpectralConv2d",
    "SpectralConvTranspose2d",
    "SpectralLinear",
    "singular_vectors",
    "spectrally_normalised",
]

_KRYLOV = 8  # vectors; 5 leave a layer of 200 rows up to 5 % above 1 while it learns, 8 less than 1 %
_SQUARINGS = 24  # a shortfall of at most 1.1e-8
_TINY = 1e-12  # the direction of zeros is zero


def spectrally_normalised(module: nn.Module) -> nn.Module:
    """Normalise every ``Linear``, ``Conv2d`` and ``ConvTranspose2d`` inside a network.

    The layers are exchanged in place for ones that hold the very same parameters, under the same names; a module that is
    such a layer itself is returned as a new one. Layers of a class derived from these, and those that are normalised
    already, stay as they are. The first u is drawn from torch's global random state.

    Returns:
        The network (``module`` itself unless it is a single layer).

    Raises:
        Refused: There is no layer to normalise.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network = spectrally_normalised(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))
        >>> round(torch.linalg.matrix_norm(network[0].normalised(), 2).item(), 4)
        1.0
    """
    exchanged: dict[nn.Module, nn.Module] = {}  # a layer that is used twice stays one layer
    module = _exchange(module, exchanged)
    if not any(
        isinstance(part, SpectralLinear | SpectralConv2d | SpectralConvTranspose2d) for part in module.modules()
    ):
        raise Refused(
            f"Spectral normalisation found no Linear, Conv2d or ConvTranspose2d layer in {type(module).__name__}: "
            f"choose a network that has one, or leave the normalisation out."
        )
    return module


def singular_vectors(weight: Tensor, steps: int = 20) -> tuple[Tensor, Tensor]:  # [out, in] -> [out], [in]
    """The first left and right singular vectors of a new weight, from a random start.

    They are the best ones within the span of all iterates of the power method (Lanczos, Rayleigh and Ritz). The last
    iterate alone is several per cent short in the singular value: a random matrix has many values close to its largest.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> u, v = singular_vectors(torch.diag(torch.tensor([3.0, 2.9, 1.0])))
        >>> round((u[0] * v[0]).item(), 4)
        1.0
    """
    basis = _unit(torch.randn_like(weight[:, :1]))  # [out, steps]
    for _ in range(steps - 1):
        # Orthonormal even where the next iterate lies in the span; its own column is then any other direction.
        basis = torch.linalg.qr(torch.cat([basis, weight @ (weight.mT @ basis[:, -1:])], 1)).Q
    left, _, right = torch.linalg.svd(basis.mT @ weight, full_matrices=False)
    return basis @ left[:, 0], right[0]


class SpectralLinear(nn.Linear):
    """A linear layer with a normalised weight."""

    u: Tensor
    v: Tensor

    def normalised(self) -> Tensor:  # [out, in]
        """The weight over its largest singular value; in train mode the vectors follow the weight."""
        return _normalised(self)

    def forward(self, input: Tensor) -> Tensor:  # [B, in] -> [B, out]
        """The layer with the normalised weight."""
        return F.linear(input, self.normalised(), self.bias)


class SpectralConv2d(nn.Conv2d):
    """A convolution with a normalised weight."""

    u: Tensor
    v: Tensor

    def normalised(self) -> Tensor:  # [out, channels, k, k]
        """The weight over its largest singular value; in train mode the vectors follow the weight."""
        return _normalised(self)

    def forward(self, input: Tensor) -> Tensor:  # [B, channels, h, w] -> [B, out, h', w']
        """The layer with the normalised weight."""
        return self._conv_forward(input, self.normalised(), self.bias)


class SpectralConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution with a normalised weight."""

    u: Tensor
    v: Tensor

    def normalised(self) -> Tensor:  # [channels, out, k, k]
        """The weight over its largest singular value; in train mode the vectors follow the weight."""
        return _normalised(self)

    def forward(
        self, input: Tensor, output_size: list[int] | None = None
    ) -> Tensor:  # [B, channels, h, w] -> [B, out, h', w']
        """The layer with the normalised weight."""
        stride, padding, dilation = list(self.stride), [int(size) for size in self.padding], list(self.dilation)
        more = self._output_padding(input, output_size, stride, padding, list(self.kernel_size), 2, dilation)
        weight = self.normalised()
        return F.conv_transpose2d(input, weight, self.bias, stride, padding, more, self.groups, dilation)


_KINDS: dict[type[nn.Module], type[SpectralLinear | SpectralConv2d | SpectralConvTranspose2d]] = {
    nn.Linear: SpectralLinear,
    nn.Conv2d: SpectralConv2d,
    nn.ConvTranspose2d: SpectralConvTranspose2d,
}


def _exchange(module: nn.Module, exchanged: dict[nn.Module, nn.Module]) -> nn.Module:
    if type(module) in _KINDS:
        if module not in exchanged:
            exchanged[module] = _started(module)
        return exchanged[module]
    for name, part in _children(module):
        setattr(module, name, _exchange(part, exchanged))
    return module


def _children(module: nn.Module) -> list[tuple[str, nn.Module]]:
    # named_children() lists a child that is used twice only once.
    places = [name for name, _ in module.named_modules(remove_duplicate=False) if name and "." not in name]
    return [(name, module.get_submodule(name)) for name in places]


def _started(layer: nn.Module) -> nn.Module:
    """The layer as a normalised one with the same parameters and hooks, and vectors close to its singular ones."""
    kind = _KINDS[type(layer)]
    made = kind.__new__(kind)
    # Everything that a layer of torch knows is in its __dict__; its constructor would draw weights.
    state = dict(vars(layer))
    made.__dict__.update(state, _buffers=dict(state["_buffers"]), _parameters=dict(state["_parameters"]))
    u, v = singular_vectors(_matrix(made, made.weight).detach())
    made.register_buffer("u", u)
    made.register_buffer("v", v)
    return made


def _matrix(layer: nn.Module, weight: Tensor) -> Tensor:  # [...] -> [out, in]
    if isinstance(layer, nn.ConvTranspose2d):
        weight = weight.transpose(0, 1)
    return weight.flatten(1)


def _normalised(layer: SpectralLinear | SpectralConv2d | SpectralConvTranspose2d) -> Tensor:
    matrix = _matrix(layer, layer.weight)
    u, v = layer.u, layer.v
    with torch.autocast(matrix.device.type, enabled=False):  # a norm in bfloat16 would be 1 % off
        if layer.training:
            u = _followed(matrix.detach(), u)
            v = _unit(matrix.detach().mT @ u)
            layer.u.copy_(u)
            layer.v.copy_(v)
        sigma = u @ (matrix @ v)
    # A weight of zeros stays one; == 0, so that a nan stays one too.
    return layer.weight / torch.where(sigma == 0, 1.0, sigma)


def _followed(matrix: Tensor, u: Tensor) -> Tensor:  # [out, in], [out] -> [out]
    """The first left singular vector, from that of the matrix one update ago: the best in a small Krylov space."""
    u = _unit(u)  # exactly: what float32 rounded at the start is not a unit vector in float64
    basis, images = [u], [matrix.mT @ u]
    for _ in range(min(_KRYLOV, len(u)) - 1):
        image = matrix @ images[-1]
        fresh = image
        for _ in range(2):  # once leaves what cancels
            held = torch.stack(basis)  # [k, out]
            fresh = fresh - held.mT @ (held @ fresh)
        # What is left of a direction that the basis holds already is rounding, and no direction.
        rounding = 50 * torch.finfo(u.dtype).eps * torch.linalg.vector_norm(image)
        length = torch.linalg.vector_norm(fresh)
        basis.append(torch.where(length > rounding, fresh / length.clamp_min(_TINY), 0.0))
        images.append(matrix.mT @ basis[-1])
    projected = torch.stack(images)  # [k, in]: the basis through the matrix
    return _unit(torch.stack(basis).mT @ _first_eigenvector(projected @ projected.mT))


def _first_eigenvector(matrix: Tensor) -> Tensor:  # [k, k] -> [k]
    """That of the largest eigenvalue of a positive semidefinite matrix; on a GPU one that the host need not wait for."""
    return _by_squaring(matrix) if matrix.is_cuda else torch.linalg.eigh(matrix)[1][:, -1]  # the largest last


def _by_squaring(matrix: Tensor) -> Tensor:  # [k, k] -> [k]
    """The same from a high power of the matrix, which is a projector on the vector.

    With n squarings its Rayleigh quotient falls short of the eigenvalue by a share of at most :math:`1 / (2^{n+1} e)`.
    """
    least = torch.finfo(matrix.dtype).tiny
    for _ in range(_SQUARINGS):  # at a trace of 1 each time: equal values would else be lost to underflow
        matrix = matrix / matrix.diagonal().sum().clamp_min(least)
        matrix = matrix @ matrix
    longest = torch.arange(len(matrix), device=matrix.device) == matrix.diagonal().argmax()
    return matrix @ longest.to(matrix.dtype)


def _unit(x: Tensor) -> Tensor:  # [...] -> [...]
    return x / torch.linalg.vector_norm(x).clamp_min(_TINY)
