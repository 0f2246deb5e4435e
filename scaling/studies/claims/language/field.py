"""The claims about other initializations and variants, and about full fine-tuning."""

from loralab.claims import Check, Within
from scaling.studies.claims.language.checks import (
    EQUAL,
    LESS,
    MORE,
    claim,
    over,
)

# by method: the source that says it is better than LoRA, and where
BETTER = {
    "PiSSA": ("2404.02948", "abstract"),
    "MiLoRA": ("2406.09044", "abstract"),
    "OLoRA": ("2406.01775", "abstract"),
    "CorDA": ("2406.05223", "abstract"),
    "LoRA-GA": ("2407.05000", "abstract"),
    "LoRA-One": ("2502.01235", "abstract"),
    "DoRA": ("2402.09353", "abstract"),
    "LoRA+": ("2402.12354", "abstract"),
}
# by method: its best learning rate over LoRA's, as arXiv:2602.04998 found it
PUBLISHED_RATES = {"PiSSA": 1 / 10, "MiLoRA": 1 / 3.2, "OLoRA": 1 / 18.2, "LoRA-GA": 1 / 18.2}
EQUALS = ("Init[B]", *BETTER, "EVA", "rsLoRA")


CLAIMS = (
    *(
        claim(
            f"LM7{letter}",
            f"{name} ends at a lower test loss than LoRA, each at its own best learning rate",
            source,
            over(name, "LoRA", "LoRA", claimed="> 1"),
            *(
                [over(name, "the control, its factors in a random basis", "control", ours=True)]
                if name == "PiSSA"
                else []
            ),
            where=where,
        )
        for letter, (name, (source, where)) in zip(("", *"bcdefgh"), BETTER.items(), strict=True)
    ),
    claim(
        "LM8",
        "With learning rates tuned, initializations and variants of LoRA end within 2 % of LoRA",
        "2602.04998",
        *(
            Check(
                name,
                EQUAL,
                f"test loss (bits a byte) of {name} over that of LoRA, geometric mean over seeds",
                claimed="within 1 to 2 %",
            )
            for name in EQUALS
        ),
        *(over(name, "LoRA", f"improvement, {name}", EQUAL, ours=True) for name in EQUALS),
        where="abstract",
        separates="the method",
    ),
    claim(
        "LM8b",
        "The best learning rates of PiSSA, MiLoRA, OLoRA and LoRA-GA are lower than LoRA's",
        "2602.04998",
        *(
            Check(
                name,
                LESS,
                f"best learning rate of {name} over that of LoRA, seed by seed, each the vertex of "
                "the parabola as in LM4",
                claimed=f"{rate:.2g}",
            )
            for name, rate in PUBLISHED_RATES.items()
        ),
        where="figure",
        separates="the method",
        test="tests/scaling/studies/test_quantities.py::test_rates_are_compared_seed_by_seed",
    ),
    claim(
        "LM9",
        "The best learning rate of LoRA is larger than that of full fine-tuning",
        "2405.09673",
        Check(
            "learning rate",
            MORE,
            "best learning rate of LoRA over that of full fine-tuning (every layer that LoRA "
            "adapts, in float32), seed by seed, each the vertex of the parabola as in LM4",
            claimed="about 10",
        ),
    ),
    claim(
        "LM9b",
        "LoRA learns less than full fine-tuning, and forgets less",
        "2405.09673",
        over("LoRA", "full fine-tuning", "learns", LESS, claimed="< 1"),
        Check(
            "forgets",
            Within(high=0),
            "growth of the loss (bits a byte) on English prose, two chapters of Python's language "
            "reference, of LoRA minus that of full fine-tuning",
            claimed="< 0",
        ),
        where="title",
        separates="learning and forgetting",
    ),
)
