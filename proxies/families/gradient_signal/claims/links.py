"""What the claims of this family point to: where it is proved, tested and measured."""

EVA = "2410.07170"
THEORY = "theory.gradient_signal"
TESTS = "tests/theory/gradient_signal"
TRIAL_TESTS = "tests/proxies/gradient_signal"
TRIALS = "proxies.families.gradient_signal.trials"
