"""The claims of `scaling.studies.dynamics`.

OP-LoRA's network makes the factors theta of a layer as W2 h + b2, so that a first step of Adam at
the learning rate eta changes them by eta (1 + |h|_1): the effective learning rate. The source
speaks of models of billions of parameters: no claim covers its scope.
"""

from loralab.claims import Check, Within
from scaling.studies.claims.language.checks import STEPS, TEXT, TRAINING, claim

RELEVANT = 1.1  # less than any sweep here tells apart: its learning rates are a factor of 3.2 apart
AGREES = "-(theta_t - theta_(t-1)) . g_t > 0, g_t the gradient at theta_t"
DIFFERENCE = (
    "share of layers whose 1 + |h|_1 grows, of those whose gradient agrees with the change that "
    f"the step before has made ({AGREES}), minus that share of the other layers"
)
MORE = Within(low=0)

CLAIMS = (
    claim(
        "LM14",
        "OP-LoRA adapts its learning rate: the effective one of a layer grows more often in steps "
        "whose gradient agrees with the layer's last change than in the others",
        "2412.10362",
        Check(
            "second step",
            MORE,
            f"{DIFFERENCE}; in the second step; mean over seeds",
            claimed="> 0",
            predicted=Within(low=0.98),  # 1 to leading order; one layer in fifty may round
        ),
        Check(
            "later steps",
            MORE,
            f"{DIFFERENCE}; mean over the later steps in which there are layers of both kinds, and "
            "over seeds",
            claimed="> 0",
        ),
        Check(
            "by how much",
            Within(low=RELEVANT),
            "the largest 1 + |h|_1 of a layer over its smallest in the run; geometric mean over "
            f"layers and seeds; below {RELEVANT} no sweep here would tell it from a constant",
            ours=True,
        ),
        where="abstract",
        equation="theory.matfac.adaptation (4)",
        test="tests/theory/matfac/test_adaptation.py::test_adam_adapts_by_the_sign_of_agreement",
        trial="scaling.studies.trials.dynamics.effective_rates",
        assumptions=f"{TEXT}; OP-LoRA (hidden width and z 32, W2 zero at first, b2 LoRA's factors) "
        f"at its best learning rate in exploration, 3.2e-4; {TRAINING}; {STEPS - 1} steps are "
        "compared with the step before",
        separates="the step",
    ),
)
