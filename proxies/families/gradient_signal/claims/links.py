"""What the claims of this family point to, and the settings that several share."""

from proxies.families.gradient_signal.claims.setting import EXAMPLES, PACKAGES, SPLIT_SIZES, TOKENS

EVA = "2410.07170"
THEORY = "theory.gradient_signal"
TESTS = "tests/theory/gradient_signal"
TRIAL_TESTS = "tests/proxies/gradient_signal"
TRIALS = "proxies.families.gradient_signal.trials"

DIGITS_NETWORK = (
    "ReLU network of linear layers 64-64-64-10 (He initialization, bias 0), trained on 717 upright "
    "8 x 8 digits of scikit-learn, pixels from 0 to 1, by Adam at 3e-3 on all of them, 150 steps"
)
DIGITS_LAYERS = (
    f"the three layers of a {DIGITS_NETWORK}, at the cross-entropy of {SPLIT_SIZES['digits'][0]} "
    "other digits turned by 90 degrees"
)
PROBED = (
    f"texts of up to {TOKENS} tokens, which of {len(PACKAGES)} installed packages "
    f"({', '.join(PACKAGES)}) a docstring's first paragraph is from"
)
MINILM_LAYERS = (
    "eight of the 36 linear layers of all-MiniLM-L6-v2 (query, attention output, both dense ones; "
    "first and last block)"
)
MINILM = (
    f"{MINILM_LAYERS}, at the cross-entropy of a frozen softmax probe on the mean of the last "
    f"states: {PROBED}; {EXAMPLES * len(PACKAGES)} texts a seed for the probe (weights of standard "
    "deviation .01 and no bias at first, 200 steps of Adam at .02 on all of its texts, 1e-3 |W|^2 "
    "added to its loss) and as many others for the gradients, no text in two seeds"
)
