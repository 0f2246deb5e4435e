"""What the claims of this family point to and share: source, theory, tests, trials and units."""

from loralab.claims import Within

ACCURACY = 1e-12  # relative error at which a run counts as converged
PAPER = "2410.18965"
THEORY = "theory.nystrom"
TESTS = "tests/theory/nystrom"
TRIAL_TESTS = "tests/proxies/nystrom"
TRIALS = "proxies.families.nystrom.trials"
ROUNDING = Within(high=30)  # worst deviation of any law over 3600 unseen problems: 5.5 units
UNIT = "in units of eps cond(X_0)"
# Of theory.nystrom, to which a test holds them: sympy keeps a --help waiting.
SIX = 6  # asymmetric.scalar_steps(0.5, ACCURACY)
EXTRA = 3.858842150229474  # symmetric.extra_steps(ACCURACY)
