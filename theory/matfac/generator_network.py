"""Over-parameterised LoRA: exact laws of a network that makes the factors (arXiv:2412.10362).

Setting. A layer's p = r (d_in + d_out) adapter entries theta = (A, B) come from a two-layer
generator network,

    h = f(W1 z + b1),   theta = W2 h + b2,          z (k), W1 (m, k), b1 (m), W2 (p, m), b2 (p),

f is a ReLU or the identity, g = dL/dtheta, D = diag(f'), and (z, W1, b1, W2, b2) follow gradient
descent at the learning rate eta. With u = W2^T g, delta = D u, K = (|z|^2 + 1) D + D W1 W1^T D and
h+ for the next step's h:

    theta+ - theta = -eta (1 + h.h+) g + W2 (h+ - h)             any f, any eta, any loss        (1)
    theta_t = W2_0 h_t + b2_0 - eta sum_{s<t} (1 + h_s.h_t) g_s             (1), telescoped      (2)

    theta+ - theta = -eta P g + eta^2 Q - eta^3 C        exact while no unit switches on or off  (3)
        P = (1 + |h|^2) I + W2 K W2^T,   Q = (h.K u) g + (z.W1^T delta) W2 D u,
        C = (z.W1^T delta)(h.D u) g
    P >= (1 + |h|^2) I, and at most m of its p eigenvalues are larger                            (4)

From W2 = 0, first step of Adam, up to Adam's epsilon:

    theta+ - theta = -eta (1 + |h|_1) sign(g)                                                    (5)

From W2 = 0, gradient descent:

    h_{t+1} - h_t = eta^2 K sum_{s<t} h_s (g_s.g_t) + higher order, so that                      (6)
        |h_2|^2 - |h_1|^2 = 2 eta^2 (h.K h)(g_0.g_1) + higher order

With every unit off, h = 0, it is plain LoRA:

    z, W1, b1, W2 stand still and theta+ - theta = -eta g                                        (7)

Gradient flow conserves one number for each unit, and one for the first layer:

    |W2[:,j]|^2 - |W1[j,:]|^2 - b1_j^2,   |W1|_F^2 - |z|^2                                       (8)
        one step of size eta changes them by exactly eta^2 (|g|^2 h_j^2 - delta_j^2 (|z|^2 + 1)) and
        eta^2 (|delta|^2 |z|^2 - |W1^T delta|^2)

Linear, without biases, h trained itself, at W2^T W2 = h h^T:

    P = |theta| (I + theta theta^T / |theta|^2),                                                 (9)
        the two-layer case of Arora, Cohen and Hazan, |w|^(2-2/N) (g + (N-1) Proj_w g)

PyTorch's default initialization of the network, against that of plain LoRA:

    std(A) is sqrt(d_in ((1 + 1/k)/6 + 1/m)) times as large                                     (10)

Looseness of the borrowed names. "Momentum" in (2): the weights of past gradients depend on the
data, change sign and do not decay, so it is not heavy ball. "Acceleration" by (9): near theta = 0
its learning rate |theta| vanishes while (1) keeps at least eta, thanks to b2. By (4) the isotropic
part of P cannot change a condition number.

Source: the parameterisation and the reading of (1) and (2) as adaptive learning rate and momentum
are of arXiv:2412.10362; (9) is of arXiv:1802.06509; the exact forms are derived here, in
`theory.matfac.derivations`.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Generator:
    """z (k), W1 (m, k), b1 (m), W2 (p, m), b2 (p): one state of the network, in float64."""

    z: Array
    W1: Array
    b1: Array
    W2: Array
    b2: Array
    activation: Literal["relu", "linear"] = "relu"

    def hidden(self) -> tuple[Array, Array]:
        """h (m) and the diagonal of D (m)."""
        before = self.W1 @ self.z + self.b1
        if self.activation == "linear":
            return before, np.ones_like(before)
        return np.maximum(before, 0), (before > 0).astype(before.dtype)

    def theta(self) -> Array:
        return self.W2 @ self.hidden()[0] + self.b2

    def step(self, g: Array, eta: float) -> "Generator":
        """Gradient descent on all five parameters, the gradient with respect to theta being g
        (p)."""
        h, D = self.hidden()
        delta = D * (self.W2.T @ g)
        return Generator(
            self.z - eta * self.W1.T @ delta,
            self.W1 - eta * np.outer(delta, self.z),
            self.b1 - eta * delta,
            self.W2 - eta * np.outer(g, h),
            self.b2 - eta * g,
            self.activation,
        )


def one_step(W2: Array, h: Array, h_next: Array, g: Array, eta: float) -> Array:
    """(1): theta+ - theta.

    Args:
        W2: of this step, (p, m).
        h: the hidden state of this step, (m).
        h_next: that of the next step, (m).
        g: dL/dtheta, (p).
        eta: the learning rate.

    Returns: the change of theta, (p).
    """
    return -eta * (1 + h @ h_next) * g + W2 @ (h_next - h)


def telescoped(W2_0: Array, b2_0: Array, h: Array, g: Array, eta: float) -> Array:
    """(2): theta_t from all that came before.

    Args:
        W2_0: the first W2, (p, m).
        b2_0: the first b2, (p).
        h: the hidden states h_0..h_t, (t + 1, m).
        g: the gradients g_0..g_{t-1}, (t, p).
        eta: the learning rate.

    Returns: theta_t, (p).
    """
    return W2_0 @ h[-1] + b2_0 - eta * (1 + h[:-1] @ h[-1]) @ g


def kernel(state: Generator) -> Array:
    """K (m, m) of (3): how a push on the hidden units moves them."""
    D = state.hidden()[1]
    return (state.z @ state.z + 1) * np.diag(D) + D[:, None] * (state.W1 @ state.W1.T) * D


def preconditioner(state: Generator) -> Array:
    """P (p, p) of (3): the small-step learning rate as a matrix."""
    h = state.hidden()[0]
    return (1 + h @ h) * np.eye(len(state.b2)) + state.W2 @ kernel(state) @ state.W2.T


def expansion(state: Generator, g: Array) -> tuple[Array, Array, Array]:
    """(3): the coefficients -P g, Q and -C of eta, eta^2 and eta^3 in theta+ - theta, each (p)."""
    h, D = state.hidden()
    u = state.W2.T @ g
    drift = state.z @ state.W1.T @ (D * u)
    second = (h @ kernel(state) @ u) * g + drift * state.W2 @ (D * u)
    return -preconditioner(state) @ g, second, -drift * (h @ (D * u)) * g


def adam_first_step(h: Array, g: Array, eta: float, eps: float = 1e-8) -> Array:
    """(5) with Adam's epsilon kept: each entry x of a gradient moves its parameter by
    -eta x / (|x| + eps).

    Args:
        h: the hidden state, (m).
        g: dL/dtheta, (p).
        eta: the learning rate.
        eps: Adam's epsilon.

    Returns: the change of theta, (p).
    """
    unit = lambda x: x / (np.abs(x) + eps)
    return -eta * (unit(g) + unit(np.outer(g, h)) @ h)


def adam_multiplier(h: Array) -> float:
    """(5): how many times the nominal learning rate the first step of Adam takes from W2 = 0."""
    return 1 + float(np.abs(h).sum())


def typical_l1(m: int, k: int) -> float:
    """E|h|_1 at the default initialization, the sum over k of W1 z taken as Gaussian:
    m sqrt((1 + 1/k) / 3 / (2 pi))."""
    return m * math.sqrt((1 + 1 / k) / (6 * math.pi))


def hidden_change(state: Generator, h_past: Array, g_past: Array, g: Array, eta: float) -> Array:
    """(6): h_{t+1} - h_t to leading order.

    Args:
        state: the network at step t.
        h_past: h_s of all s < t, (t, m).
        g_past: g_s of all s < t, (t, p).
        g: g_t, (p).
        eta: the learning rate.

    Returns: the change of h, (m).
    """
    return eta**2 * kernel(state) @ ((g_past @ g) @ h_past)


def invariants(state: Generator) -> tuple[Array, Any]:
    """(8): one number a hidden unit (m), and one for the first layer."""
    units = (state.W2**2).sum(0) - (state.W1**2).sum(1) - state.b1**2
    return units, (state.W1**2).sum() - state.z @ state.z


def drift(state: Generator, g: Array, eta: float) -> tuple[Array, Any]:
    """(8): the exact change of `invariants` in one step.

    Args:
        state: the network before the step.
        g: dL/dtheta, (p).
        eta: the learning rate.

    Returns: one number a hidden unit (m), and one for the first layer.
    """
    h, D = state.hidden()
    delta, z2 = D * (state.W2.T @ g), state.z @ state.z
    back = state.W1.T @ delta
    return eta**2 * ((g @ g) * h**2 - delta**2 * (z2 + 1)), eta**2 * (
        delta @ delta * z2 - back @ back
    )


def end_to_end(w: Array, g: Array, layers: int) -> Array:
    """(9): -dw/dt of a balanced deep linear network with one output.

    Args:
        w: the end-to-end weights, (p), not zero.
        g: dL/dw, (p).
        layers: N of (9).

    Source: arXiv:1802.06509.
    """
    size = np.linalg.norm(w)
    return size ** (2 - 2 / layers) * (g + (layers - 1) * w * (w @ g) / size**2)


def lora_variance(columns: int) -> float:
    """Var(A_ij) of plain LoRA's initialization, uniform on +-1/sqrt(d_in)."""
    return 1 / (3 * columns)


def scale_ratio(columns: int, m: int, k: int) -> float:
    """(10): std(A) at the network's default initialization over that of plain LoRA;
    E|h|^2 = (m/6)(1 + 1/k) for a ReLU."""
    mean_square = m / 6 * (1 + 1 / k)
    return math.sqrt((1 + mean_square) / (3 * m) / lora_variance(columns))


def parameters(p: int, m: int, k: int) -> int:
    """Trained numbers of one generator network with p outputs, width m and embedding k; plain
    LoRA has p."""
    return p * (m + 1) + m * (k + 1) + k


def floor(M: Array, rank: int) -> float:
    """Eckart-Young: min |B A - M|_F^2 / 2 over B A of rank at most `rank`, half the sum of the
    other sigma^2."""
    return float((np.linalg.svd(M, compute_uv=False)[rank:] ** 2).sum() / 2)
