"""The claims about the six papers of this project."""

from loralab.claims import Check, Within
from scaling.studies.claims.language.checks import (
    LAUNCH,
    LESS,
    MORE,
    NEVER,
    NOT_WORSE,
    SHARED,
    STEPS_TEST,
    TASKS,
    TESTS,
    area,
    by_task,
    claim,
    faster,
    over,
)

COMPETITORS = ("PiSSA", "MiLoRA", "OLoRA", "CorDA", "LoRA-GA", "DoRA")

CLAIMS = (
    claim(
        "LM1",
        "EVA converges faster than LoRA, each at its own best learning rate",
        "2410.07170",
        faster("EVA", "LoRA", "steps", NEVER, claimed="< 1"),
        area("EVA", "LoRA"),
        faster(
            "EVA",
            "the control, random orthogonal rows as long as EVA's",
            "control steps",
            NEVER,
            ours=True,
        ),
        where="abstract",
        test=STEPS_TEST,
    ),
    claim(
        "LM1b",
        "EVA ends better than LoRA on each of three tasks",
        "2410.07170",
        *by_task("EVA", "LoRA", claimed="> 1"),
        over("EVA", "the control, random orthogonal rows as long as EVA's", "control", ours=True),
        where="abstract",
        **TASKS,
    ),
    claim(
        "LM1c",
        "EVA ends at a lower test loss than PiSSA, MiLoRA, OLoRA, CorDA, LoRA-GA and DoRA, all of "
        "which train as many parameters or more",
        "2410.07170",
        *(over("EVA", name, name, claimed="> 1") for name in COMPETITORS),
        where="abstract",
    ),
    claim(
        "LM1d",
        "EVA with adaptive ranks (rho = 2) trains fewer parameters than LoRA and ends no worse",
        "2410.07170",
        over("EVA at rho = 2", "LoRA", "no worse", NOT_WORSE, claimed="no worse"),
        Check(
            "parameters",
            LESS,
            "trained parameters of EVA at rho = 2 over those of LoRA, geometric mean over seeds",
            claimed="< 1",
        ),
        over("EVA at rho = 2", "EVA at rho = 1", "rho", ours=True),
        where="abstract",
        equation="theory.gradient_signal.budget (2)",
        separates="loss and parameters",
    ),
    claim(
        "LM1e",
        "The directions that maximise the expected gradient signal end at a lower test loss than "
        "EVA's",
        "derived",
        over(
            "LoRA whose rows of A are the top eigenvectors of E |g|^2 x x^T",
            "EVA",
            "EVA",
            predicted=MORE,
        ),
        equation="theory.gradient_signal.optimum (2)",
    ),
    claim(
        "LM2",
        "Training B alone ends better than training A alone, with as many parameters to 3 %, on "
        "each of three tasks",
        "2402.16842",
        *by_task(
            "B alone (rank 16, A random and frozen)",
            "A alone (rank 17, B random and frozen)",
            claimed="> 1",
        ),
        where="abstract",
        equation="theory.asymmetry.frozen_factor (7)",
        **TASKS,
    ),
    claim(
        "LM2b",
        "LoRA with a random frozen A does nearly as well as with a trained one",
        "2402.16842",
        over("B alone at rank 8", "LoRA", "rank", NOT_WORSE, claimed="nearly as well"),
        over(
            "B alone at rank 16, which is LoRA's budget",
            "LoRA",
            "budget",
            NOT_WORSE,
            claimed="nearly as well",
        ),
        where="abstract",
        equation="theory.asymmetry.frozen_factor (5)",
        separates="whether A and B together train as many parameters as B alone",
    ),
    claim(
        "LM3",
        "OP-LoRA converges faster than LoRA, each at its own best learning rate",
        "2412.10362",
        faster("OP-LoRA", "LoRA", "LoRA", claimed="< 1"),
        area("OP-LoRA", "LoRA"),
        where="abstract",
        test=STEPS_TEST,
    ),
    claim(
        "LM3b",
        "OP-LoRA ends at a lower test loss than LoRA",
        "2412.10362",
        over("OP-LoRA", "LoRA", "own rates", claimed="> 1"),
        over("OP-LoRA", "LoRA", "one rate", what="both at LoRA's best learning rate", ours=True),
        where="abstract",
    ),
    claim(
        "LM3c",
        "OP-LoRA is less sensitive to the learning rate than LoRA",
        "2412.10362",
        Check(
            "decades",
            Within(low=0),
            "decades of learning rates, of those tried, whose improvement of the test loss is at "
            "least .98 of the method's best, linear in between, seed by seed: OP-LoRA's minus "
            "LoRA's",
            claimed="> 0",
        ),
        where="later version",
        test=f"{TESTS}test_the_window_is_of_improvements",
    ),
    claim(
        "LM3d",
        "OP-LoRA at half the rank ends no worse than LoRA",
        "2412.10362",
        over("OP-LoRA at rank 4, alpha 8", "LoRA", "no worse", NOT_WORSE, claimed="as good"),
        where="later version",
    ),
    claim(
        "LM4",
        "The best learning rate of LoRA is larger with Init[A], the default, than with Init[B]",
        "2406.08447",
        Check(
            "learning rate",
            MORE,
            "best learning rate with Init[A] over that with Init[B], seed by seed, each the vertex "
            "of the parabola of the validation loss in the logarithm of the learning rate through "
            "the best one tried and its neighbours",
            claimed="> 1",
            predicted=MORE,
        ),
        where="abstract",
        equation="theory.lr_stability.stability (4)",
        test="tests/theory/lr_stability/test_stability.py"
        "::test_the_closed_form_of_the_largest_single_rate",
    ),
    claim(
        "LM4b",
        "LoRA ends better with Init[A] than with Init[B] on each of three tasks",
        "2406.08447",
        *by_task("Init[A]", "Init[B]", claimed="> 1"),
        where="abstract",
        **TASKS,
    ),
    claim(
        "LM5",
        f"LoRA-Dash, launched after step {LAUNCH}, ends at a lower test loss than LoRA",
        "2409.01035",
        over("LoRA-Dash at rank 8", "LoRA at rank 8", "equal rank", claimed="> 1"),
        over(
            "LoRA-Dash at rank r = 8 with s = 8 directions",
            "the control, LoRA at rank r + s = 16, alpha 32",
            "rank r + s",
            ours=True,
        ),
        where="abstract",
        equation="theory.task_directions.learning (6)",
        assumptions=f"{SHARED}; the source launches after 100 of some 32,000 steps",
    ),
    claim(
        "LM5b",
        "LoRA-Init ends at a lower test loss than LoRA",
        "2409.01035",
        over("LoRA-Init (directions of one gradient)", "LoRA", "LoRA", claimed="> 1"),
        where="abstract",
        equation="theory.task_directions.learning (7)",
    ),
    claim(
        "LM5c",
        f"LoRA-TSD, launched after step {LAUNCH}, ends at a lower test loss than LoRA",
        "2409.01035",
        over("LoRA-TSD (LoRA-Init and LoRA-Dash together)", "LoRA", "LoRA", claimed="> 1"),
        where="abstract",
        equation="theory.task_directions.learning (7)",
    ),
    claim(
        "LM6",
        "LoRA ends at a lower test loss with the Nyström initialization of NoRA than with the "
        "default one",
        "2410.18965",
        over("NoRA (a sketch of the weight)", "LoRA", "LoRA", claimed="> 1"),
        where="abstract",
        equation="theory.nystrom.sketch (1)",
    ),
    claim(
        "LM6b",
        "NoRA+, NoRA with preconditioned gradients, ends at a lower test loss than LoRA",
        "2410.18965",
        over("NoRA+", "LoRA", "LoRA", claimed="> 1"),
        over("NoRA+", "NoRA", "NoRA", ours=True),
        where="abstract",
        equation="theory.nystrom.sketch (1)",
    ),
    claim(
        "LM6c",
        "A Nyström sketch of the gradient, which the theory asks for, is a better initialization "
        "than a Nyström sketch of the weight",
        "derived",
        over("a sketch of the gradient", "a sketch of the weight", "weight", predicted=MORE),
        over("a sketch of the gradient", "LoRA's default", "LoRA", ours=True),
        equation="theory.nystrom.asymmetric (3)",
    ),
)
