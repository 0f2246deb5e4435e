"""OP17: conditioning at a minimum of the factorisation."""

from loralab.claims import Check, Claim, Kind, Scope, Within
from proxies.families.matfac.claims.laws import THEORY

# The bars are at most ten times the worst of 200 exploratory draws: 7.5 and 5.3.
MINIMA = (
    Claim(
        "OP17",
        "At the balanced minimiser of a matrix factorisation |B A - M|_F^2 / 2 with singular "
        "values s_1 >= .. >= s_r > 0 of M, the Hessian of LoRA has the eigenvalues s_i + s_j, s_j "
        "and 0 and so the condition number 2 s_1 / s_r, where that of full fine-tuning is 1.",
        "derived",
        (
            Check(
                "spectrum",
                Within(high=70),
                "largest error of the Hessian's nonzero eigenvalues, by automatic differentiation, "
                "over the largest one and eps = 2.2e-16",
            ),
        ),
        "M of exact rank r and not square of full rank: 6 x 5 and 12 x 3 (r = 2), 8 x 8 (r = 1), "
        "5 x 9 (r = 3) in turn, singular vectors of Gaussian matrices, singular values log-uniform "
        "from 0.05 to 1; B = U S^(1/2), A = S^(1/2) V^T",
        equation=f"{THEORY}.convergence (4)",
        test="tests/theory/matfac/test_convergence.py::test_spectrum_of_the_factorisation",
        trial="proxies.families.matfac.trials.conditioning.conditioning",
        kind=Kind.IDENTITY,
        scope=Scope.EXACT,
        universal=True,
    ),
    Claim(
        "OP17b",
        "A generator network narrower than rows + columns - 2 r does not improve the condition "
        "number of a matrix factorisation of exact rank r at its balanced minimiser: with the best "
        "learning rate for each, gradient descent on OP-LoRA converges there no faster than on "
        "LoRA.",
        "derived",
        (
            Check(
                "condition number",
                Within(low=1 - 1e-13),
                "condition number of the Hessian in the generator network's parameters, without "
                "its zeros, over that of LoRA (1e-13 below 1 is rounding)",
                predicted=Within(low=1),
            ),
            Check(
                "least eigenvalue",
                Within(high=50),
                "error of the network's least nonzero eigenvalue, (1 + |h|^2) s_r, over its "
                "largest one and eps = 2.2e-16",
            ),
        ),
        "targets as 6 x 5 and 12 x 3 (r = 2), 8 x 8 (r = 1), 5 x 9 (r = 3) in turn, singular "
        "values log-uniform from 0.05 to 1; ReLU networks of width 4, 8, 6 and 5 with an embedding "
        "of 3, default initialization, after 50 steps of gradient descent at 0.05, with b2 then "
        "set to make B = U S^(1/2), A = S^(1/2) V^T; Hessians by automatic differentiation",
        equation=f"{THEORY}.convergence (6)",
        test="tests/theory/matfac/test_convergence.py::test_a_narrow_generator_conditions_no_better",
        trial="proxies.families.matfac.trials.conditioning.conditioning",
        kind=Kind.LAW,
        scope=Scope.EXACT,
        universal=True,
    ),
)
