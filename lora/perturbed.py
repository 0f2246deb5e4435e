"""The leading left singular vectors of W + U diag(s) V^T, in the basis of those of W.

Let W = U0 diag(S) V0^T, and c = U0^T U, g = S (V0^T V) s by rows, (p, r). In coordinates on U0, of
which further ones hold the part of U outside of its range (there S = 0), the left singular vectors
of the sum are the eigenvectors of

    K = D + Z M Z^T,   D = diag(S^2),   Z = [g, c],   M = [[0, 1], [1, diag(s^2)]],              (1)

and their entries are the cosines with the left singular vectors of W. Each solves y = (lambda -
D)^-1 Z a, so Davidson's method, which adds (lambda - D)^-1 (K y - lambda y) to its subspace, needs
few steps. How many eigenvalues are above t is known exactly, by Sylvester's law:

    #(K > t) = #(D > t) + #(M^-1 - Z^T (t - D)^-1 Z < 0) - r,                                    (2)

which shows that none was missed. Source: derived; the method is Davidson's (1975).
"""

import torch
from torch import Tensor

STEPS = 40
ACCURACY = 1e-10  # of |K y - lambda y| to the largest eigenvalue


def leading(D: Tensor, g: Tensor, c: Tensor, s: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` leading eigenvalues of (1), descending, and their eigenvectors (p, count).

    Args:
        D: (p,), squares of singular values in any order, float64.
        g, c: (p, r).
        s: (r,), positive.
        count: at most p.
    """
    r, p = len(s), len(D)
    Z, first = torch.cat([g, c], 1), min(p, count + 2 * r)
    if 2 * (first + 2 * r) < p:
        start = torch.zeros(p, first, dtype=D.dtype, device=D.device)
        start[D.topk(first).indices, torch.arange(first, device=D.device)] = 1
        found = _davidson(D, Z, s, torch.linalg.qr(torch.cat([start, Z], 1)).Q, count)
        if found is not None:
            return found
    K = torch.diag(D) + Z @ _times_m(Z.mT, s)
    values, Y = torch.linalg.eigh(K)
    return values[-count:].flip(0), Y[:, -count:].flip(1)


def _davidson(
    D: Tensor, Z: Tensor, s: Tensor, V: Tensor, count: int
) -> tuple[Tensor, Tensor] | None:
    """None where it does not converge, or not to the leading ones."""
    times = lambda X: D[:, None] * X + Z @ _times_m(Z.mT @ X, s)
    KV = times(V)
    for _ in range(STEPS):
        values, small = torch.linalg.eigh(V.mT @ KV)
        values, small = values[-count:].flip(0), small[:, -count:].flip(1)
        Y = V @ small
        rest = KV @ small - Y * values
        wrong = rest.norm(dim=0) > ACCURACY * values[0]
        if not wrong.any():
            beyond = values[-1] * (1 + 1e-6) + ACCURACY * values[0]
            return (values, Y) if above(D, Z, s, beyond) < count else None
        gap = values[wrong] - D[:, None]
        least = 1e-8 * values[0]
        more = rest[:, wrong] / torch.where(gap.abs() < least, least, gap)
        for _ in range(2):  # once leaves what rounding adds
            more = torch.linalg.qr(more - V @ (V.mT @ more)).Q
        V = torch.cat([V, more], 1)
        KV = torch.cat([KV, times(more)], 1)
        if 2 * V.shape[1] > len(D):
            break
    return None


def _times_m(X: Tensor, s: Tensor) -> Tensor:
    upper, lower = X.tensor_split(2)
    return torch.cat([lower, upper + s.square()[:, None] * lower])


def above(D: Tensor, Z: Tensor, s: Tensor, t: Tensor) -> int:
    """How many eigenvalues of (1) are larger than t, a scalar, by (2)."""
    r, eye = len(s), torch.eye(len(s), dtype=D.dtype, device=D.device)
    inverse = torch.cat(
        [torch.cat([-torch.diag(s.square()), eye], 1), torch.cat([eye, torch.zeros_like(eye)], 1)]
    )
    signs = torch.linalg.eigvalsh(inverse - Z.mT @ (Z / (t - D)[:, None])) < 0
    return int((t < D).sum()) + int(signs.sum()) - r
