"""What the claims of this family point to and share: source, theory, tests, trials and units."""

from loralab.claims import Within
from proxies.families.nystrom.trials.problem import ACCURACY
from theory.nystrom import asymmetric, symmetric

PAPER = "2410.18965"
THEORY = "theory.nystrom"
TESTS = "tests/theory/nystrom"
TRIAL_TESTS = "tests/proxies/nystrom"
TRIALS = "proxies.families.nystrom.trials"
ROUNDING = Within(high=30)  # worst deviation of any law over 3600 unseen problems: 5.5 units
UNIT = "in units of eps cond(X_0)"
SIX = asymmetric.scalar_steps(0.5, ACCURACY)
EXTRA = symmetric.extra_steps(ACCURACY)
