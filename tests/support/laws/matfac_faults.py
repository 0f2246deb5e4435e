"""Faults of theory.matfac, each in the place of the right function."""

import numpy as np

from theory.matfac import generator_network as theory


def own_hidden_state(W2, h, h_next, g, eta):
    return -eta * (1 + h @ h) * g + W2 @ (h_next - h)


def no_bias_in_step(W2, h, h_next, g, eta):
    return -eta * (h @ h_next) * g + W2 @ (h_next - h)


def weights_of_their_own_time(W2_0, b2_0, h, g, eta):
    return W2_0 @ h[-1] + b2_0 - eta * (1 + (h[:-1] ** 2).sum(1)) @ g


def no_bias_in_kernel(state):
    D = state.hidden()[1]
    return (state.z @ state.z) * np.diag(D) + D[:, None] * (state.W1 @ state.W1.T) * D


def second_order_negated(right=theory.expansion):
    def expansion(state, g):
        first, second, third = right(state, g)
        return first, -second, third

    return expansion


def no_isotropic_part(state):
    return np.eye(len(state.b2)) + state.W2 @ theory.kernel(state) @ state.W2.T


def drift_without_first_layer_bias(state, g, eta):
    h, D = state.hidden()
    delta, z2 = D * (state.W2.T @ g), state.z @ state.z
    back = state.W1.T @ delta
    return eta**2 * ((g @ g) * h**2 - delta**2 * z2), eta**2 * (delta @ delta * z2 - back @ back)


def hypergradient_negated(state, h_past, g_past, g, eta):
    return -(eta**2) * theory.kernel(state) @ ((g_past @ g) @ h_past)


def three_layers(w, g, layers, right=theory.end_to_end):
    return right(w, g, layers + 1)
