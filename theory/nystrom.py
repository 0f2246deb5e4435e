"""Nyström initialisation of scaled gradient descent (arXiv:2410.18965): exact laws."""


def scalar_law(eta: float, steps: int) -> list[float]:
    """d_0..d_steps of X_t Y_t^T = d_t A."""
    d = [0.0, eta]
    while len(d) <= steps:
        d.append((1 - eta) ** 2 * d[-1] + 2 * eta * (1 - eta) + eta**2 / d[-1])
    return d
