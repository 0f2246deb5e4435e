"""What unrelated changes of a weight show by chance: the claims T1..T4."""

from loralab.claims import Check, Claim, Verdict, Within

PAPER = "2409.01035"
REFUTED = Verdict.REFUTED
EDGES = tuple(
    (law, s, m) for law in ("Gaussian", "exponential") for s, m in ((32, 64), (64, 64), (128, 256))
)
PUBLISHED = Within(0.75, 0.82)  # accuracy averaged over layers, read off the paper's plot
LAWS = "tests/theory/task_directions/test_laws.py"
THEORY = "theory.task_directions.directions"
TRIALS = "proxies.families.task_directions.trials"
DRAWN = f"{TRIALS}.nulls.drawn"

CLAIMS = (
    Claim(
        "T1",
        "On a spectrum with a hard edge the change rates of unrelated changes overlap by "
        "1 + q - sqrt(1 + q^2), top s in top q s, where coordinates are Gaussian, and by "
        "q/(1 + q) where they are exponential.",
        "derived",
        tuple(
            Check(
                f"{law}, {s} in {m}",
                Within(-0.015, 0.015) if law == "Gaussian" else Within(-0.02, 0.02),
                f"measured overlap minus the formula's, {law} coordinates, top {s} in top {m} of "
                "4096",
                predicted="0",
            )
            for law, s, m in EDGES
        ),
        "sigma_k = k/n; the formula is the limit of large s",
        equation=f"{THEORY} (7)",
        test=f"{LAWS}::test_a_hard_edge_has_the_formulas_as_its_limit",
        trial=f"{TRIALS}.nulls.edge",
    ),
    Claim(
        "T2",
        "LoRA has found the task's directions, as 0.75 to 0.82 of its eight largest change rates "
        "are among the sixteen largest of full fine-tuning.",
        PAPER,
        (
            Check(
                "MiniLM",
                Within(high=0.72),
                "accuracy (8 in 16) of unrelated changes, square weights of a trained MiniLM",
                claimed="well below 0.75, implied",
                predicted="0.764",
                expected=REFUTED,
            ),
            Check(
                "Gaussian",
                Within(high=0.72),
                "accuracy (8 in 16) of unrelated changes, Gaussian weights of the paper's size, "
                "4096 x 4096",
                claimed="well below 0.75, implied",
                predicted="0.764",
                expected=REFUTED,
            ),
        ),
        "the figure would be evidence if unrelated changes overlapped less; a null was not "
        "published. Of MiniLM only the changes are newly drawn: its weights were inspected before",
        equation=f"{THEORY} (7)",
        test=f"{LAWS}::test_the_published_sizes_have_the_null_that_is_stated",
        trial=f"{TRIALS}.nulls.transformer",
    ),
    Claim(
        "T2b",
        "Two unrelated changes of a square weight show the published accuracy and recall.",
        "derived",
        (
            Check(
                "MiniLM",
                PUBLISHED,
                "accuracy (8 in 16) of unrelated changes, mean over the 24 square matrices of a "
                "trained MiniLM",
                predicted="0.764",
            ),
            Check(
                "large Gaussian",
                Within(0.72, 0.81),
                "accuracy (8 in 16) of unrelated changes, Gaussian weights of size 4096",
                predicted="0.764",
            ),
            Check(
                "Gaussian",
                Within(0.72, 0.81),
                "accuracy (8 in 16) of unrelated changes, Gaussian weights of size 256",
                predicted="0.764",
            ),
            Check(
                "Gaussian, recall",
                Within(0.72, 0.82),
                "recall (4 in 8) of unrelated changes, Gaussian weights of size 256",
                predicted="0.764",
            ),
            Check(
                "MiniLM, beyond its spectrum",
                Within(-0.03, 0.03),
                "accuracy (8 in 16) of unrelated changes minus what the spectrum predicts, square "
                "matrices of a trained MiniLM",
                predicted="0",
            ),
        ),
        "Gaussian changes. Recall was first measured on the ten weights of size 4096 too, whose "
        "mean of 0.79 is known to 0.035 only",
        equation=f"{THEORY} (7)",
        test=f"{LAWS}::test_unrelated_changes_have_the_published_traits",
        trial=DRAWN,
    ),
    Claim(
        "T3",
        "The overlap of unrelated changes is small where the spectrum has no hard edge: the null "
        "must be calibrated on the matrix at hand.",
        "derived",
        (
            Check(
                "rectangular",
                Within(high=0.3),
                "accuracy (8 in 16) of unrelated changes, Gaussian weights of 256 x 512",
                predicted="0.24",
            ),
            Check(
                "flat",
                Within(high=0.15),
                "accuracy (8 in 16) of unrelated changes, singular values from 1 to 1/2",
                predicted="0.11",
            ),
            Check(
                "MiniLM",
                Within(high=0.3),
                "accuracy (8 in 16) of unrelated changes, the 12 rectangular matrices of a trained "
                "MiniLM",
                predicted="0.2",
            ),
            Check(
                "rectangular, beyond its spectrum",
                Within(-0.03, 0.03),
                "accuracy (8 in 16) of unrelated changes minus what the spectrum predicts, "
                "Gaussian weights of 256 x 512",
                predicted="0",
            ),
        ),
        equation=f"{THEORY} (4)",
        test=f"{LAWS}::test_any_spectrum_has_the_null_that_is_predicted",
        trial=DRAWN,
    ),
    Claim(
        "T4",
        "Unrelated changes, too, have task directions at small but not the smallest singular "
        "values, few of them with change rates far above the rest.",
        "derived",
        (
            Check(
                "place",
                Within(4, 8),
                "mean rank from the bottom of the 8 largest change rates, Gaussian weights of size "
                "4096",
                predicted="2 pi = 6.3",
            ),
            Check(
                "place, MiniLM",
                Within(4, 8),
                "mean rank from the bottom of the 8 largest change rates, square matrices of a "
                "trained MiniLM",
                predicted="2 pi = 6.3",
            ),
            Check(
                "slope",
                Within(-1.2, -0.8),
                "slope of the log of the sorted change rates against log rank, ranks 5 to 50, "
                "Gaussian weights of size 4096",
                predicted="-1",
            ),
            Check(
                "smallest left out",
                Within(0.05, 0.11),
                "share of draws in which the smallest direction is not among the 8 largest change "
                "rates, sigma_k = k/n",
                predicted="0.08",
            ),
        ),
        "the published traits are of one LLaMA-7B matrix after full fine-tuning",
        equation=f"{THEORY} (8)",
        test=f"{LAWS}::test_unrelated_changes_have_the_published_traits",
        trial=DRAWN,
    ),
)
