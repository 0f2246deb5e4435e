"""What the claims of this family share: the network, the problem, the optimizers and the learning
rates."""

from proxies.families.matfac.trials.plan import COMPARED_PER_DECADE

NETWORK = (
    "one generator network theta = W2 relu(W1 z + b1) + b2 makes the entries theta of A and B, "
    "with m = 32 hidden units and an embedding z of k = 32 numbers, all five arrays trained: z "
    "standard normal, W1 and b1 uniform within 1/sqrt(k), W2 = 0, b2 = LoRA's own initialization, "
    "which is A uniform within 1/sqrt(d_in) and B = 0, so that both methods begin alike"
)
TARGETS = (
    "the loss is |B A - M|_F^2 / 2; 'gauss' is M of independent standard normal entries divided by "
    "its spectral norm; 'ill' has the singular vectors of such an M and, for B A of rank r, r "
    "singular values from 1 to 1/100 in equal ratios, the others 0"
)
EXCESS = (
    "the relative excess of a loss f is (f - f*) / (f_0 - f*), f* the least loss of rank r "
    "(Eckart-Young) and f_0 the first one; below 1e-13 it counts as 1e-13"
)
OPTIMIZERS = (
    "full-batch steps in float64 at a constant learning rate without weight decay; momentum is "
    "v = 0.9 v + g, step -eta v; Adam has betas 0.9 and 0.999 and epsilon 1e-8"
)
GRID = (
    f"learning rates are 10^(i/{COMPARED_PER_DECADE}), at first from 1e-3 to 10 for SGD and from "
    "1e-4 to 1 for momentum and Adam; a decade is added on a side, six times at most, while the "
    "outermost learning rate has the least median final excess or still takes some problem to 1e-4"
)
PROBLEM = f"M is 24 x 16 and B A of rank 3; {TARGETS}; {EXCESS}; {OPTIMIZERS}; {NETWORK}"
