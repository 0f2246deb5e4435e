"""What the claims of this family point to: where it is proved, tested and measured, and on which
tasks."""

EVA = "2410.07170"
THEORY = "theory.gradient_signal"
TESTS = "tests/theory/gradient_signal"
TRIAL_TESTS = "tests/proxies/gradient_signal"
TRIALS = "proxies.families.gradient_signal.trials"
DIGITS, TEXT = "digits turned by 90 degrees", "MiniLM on docstrings"
BUDGETS = (10, 40, 160)  # steps of training, each with a learning rate of its own
DIGITS_ADAM, DIGITS_SGD = ("digits", "adam"), ("digits", "sgd")  # a task and its optimizer
DOCSTRINGS = ("docstrings", "adam")
