"""The claims T1..T9 as data: chance, what foretells directions, and how LoRA finds them."""

from loralab.claims import Check, Claim, Verdict, Within

PAPER = "2409.01035"
REFUTED = Verdict.REFUTED
EDGES = tuple(
    (law, s, m) for law in ("Gaussian", "exponential") for s, m in ((32, 64), (64, 64), (128, 256))
)
PUBLISHED = Within(0.75, 0.82)  # accuracy averaged over layers, read off the paper's plot
FORETOLD = (("8 in 16", "accuracy"), ("4 in 8", "recall"), ("8 in 8", "8 in 8"))

CLAIMS = (
    Claim(
        "T1",
        "On a spectrum with a hard edge the change rates of unrelated changes overlap by 1 + q - "
        "sqrt(1 + q^2), top s "
        "in top q s, where coordinates are Gaussian, and by q/(1 + q) where they are exponential.",
        "derived",
        tuple(
            Check(
                "",
                Within(-0.015, 0.015) if law == "Gaussian" else Within(-0.02, 0.02),
                f"measured minus formula, {law}, {s} in {m} of 4096",
                predicted="0",
            )
            for law, s, m in EDGES
        ),
        "sigma_k = k/n; the formula is the limit of large s",
    ),
    Claim(
        "T2",
        "That LoRA's eight largest rates are by 0.75 to 0.82 among full fine-tuning's sixteen "
        "shows that LoRA has "
        "found the task's directions.",
        PAPER,
        (
            Check(
                "",
                Within(high=0.72),
                "overlap of unrelated changes, square weights of a trained MiniLM",
                predicted="< 0.72",
                expected=REFUTED,
            ),
            Check(
                "",
                Within(high=0.72),
                "the same, Gaussian weights of the paper's size, 4096 x 4096",
                predicted="< 0.72",
                expected=REFUTED,
            ),
        ),
        "the figure would be evidence if unrelated changes overlapped less; a null was not "
        "published. Of MiniLM only "
        "the changes are fresh: its weights were looked at before",
    ),
    Claim(
        "T2b",
        "Two unrelated changes of a square weight show the published accuracy and recall.",
        "derived",
        (
            Check(
                "",
                PUBLISHED,
                "accuracy, mean over the 24 square matrices of a trained MiniLM",
                predicted="0.764",
            ),
            Check(
                "", Within(0.72, 0.81), "accuracy, Gaussian weights of size 4096", predicted="0.764"
            ),
            Check(
                "", Within(0.72, 0.81), "accuracy, Gaussian weights of size 256", predicted="0.764"
            ),
            Check(
                "", Within(0.72, 0.82), "recall, Gaussian weights of size 256", predicted="0.764"
            ),
            Check(
                "",
                Within(-0.03, 0.03),
                "accuracy minus what the spectrum says, MiniLM",
                predicted="0",
            ),
        ),
        "Gaussian changes. Recall was first judged on the ten weights of size 4096 too, whose "
        "mean of 0.79 is known "
        "to 0.035 only",
    ),
    Claim(
        "T3",
        "The null is small where the spectrum has no hard edge: it must be calibrated on the "
        "matrix at hand.",
        "derived",
        (
            Check(
                "",
                Within(high=0.3),
                "accuracy of unrelated changes, Gaussian weights of 256 x 512",
                predicted="0.24",
            ),
            Check(
                "", Within(high=0.15), "the same, singular values from 1 to 1/2", predicted="0.11"
            ),
            Check(
                "",
                Within(high=0.3),
                "the same, the 12 rectangular matrices of a trained MiniLM",
                predicted="0.2",
            ),
            Check(
                "",
                Within(-0.03, 0.03),
                "accuracy minus what the spectrum says, 256 x 512",
                predicted="0",
            ),
        ),
    ),
    Claim(
        "T4",
        "Task directions at small but not the smallest singular values, few of them with rates "
        "far above the rest, "
        "are traits of unrelated changes too.",
        "derived",
        (
            Check(
                "",
                Within(4, 8),
                "mean rank from the bottom of the top 8, size 4096",
                predicted="2 pi = 6.3",
            ),
            Check("", Within(4, 8), "the same, square matrices of MiniLM", predicted="2 pi = 6.3"),
            Check(
                "",
                Within(-1.2, -0.8),
                "slope of log sorted rate against log rank, ranks 5 to 50, size 4096",
                predicted="-1",
            ),
            Check(
                "",
                Within(0.05, 0.11),
                "share of draws whose smallest direction is not in the top 8, sigma_k = k/n",
                predicted="0.08",
            ),
        ),
        "the published traits are of one LLaMA-7B matrix after full fine-tuning",
    ),
    Claim(
        "T5",
        "The rates of change that LoRA has reached after 100 steps tell which ones full "
        "fine-tuning changes most.",
        PAPER,
        (
            *(
                Check(
                    "",
                    Within(low=0.5),
                    f"lift over the Haar null, {sizes} ({name})",
                    predicted="near 1",
                    expected=REFUTED,
                )
                for sizes, name in FORETOLD
            ),
            Check(
                "",
                Within(low=0.1),
                "overlap beyond that of the true change rotated, 8 in 16",
                predicted="> 0",
                expected=REFUTED,
            ),
        ),
        "a lift is 0 at chance and 1 at agreement; digits, square layer of a 64-128-128-10 net, "
        "rank 4, six tasks a "
        "net. The null rotates the true change: accuracy is a little above it, the other two are "
        "not. A rotated copy "
        "in LoRA's place, whose coordinates are of equal size, is as good a forecast as LoRA. "
        "Before a first look this "
        "was a sentence of ours, a lift of at most 0.2, which the first of the three exceeds",
    ),
    Claim(
        "T5b",
        "Without the division by sigma both LoRA and one gradient tell the directions that full "
        "fine-tuning changes "
        "most.",
        "derived",
        (
            Check(
                "",
                Within(low=0.4),
                "lift over the Haar null, 8 in 16, LoRA after 100 steps",
                predicted="near 1",
            ),
            Check(
                "",
                Within(low=0.6),
                "lift over the Haar null, 8 in 16, gradient at the pretrained net",
                predicted="near 1",
            ),
            Check(
                "", Within(low=0.6), "lift over the Haar null, 4 in 8, the same", predicted="near 1"
            ),
        ),
        "as T5; the bar for LoRA was 0.6 before a first look",
    ),
    Claim(
        "T5c",
        "The directions that fine-tuning changes most are those of the task.",
        PAPER,
        (
            Check(
                "",
                Within(high=0.3),
                "by size: lift of the overlap of two tasks of one net, 8 in 16",
                predicted="< chance",
                expected=REFUTED,
            ),
            Check(
                "",
                Within(high=-0.1),
                "by rate: overlap of two tasks minus its null, 8 in 16",
                predicted="< chance",
                expected=REFUTED,
            ),
        ),
        "as T5: by size the directions are mostly shared by tasks, by rate two tasks differ as "
        "unrelated changes do",
    ),
    Claim(
        "T5d",
        "Core directions are what a change of W acts on.",
        PAPER,
        (
            Check(
                "",
                Within(low=0.5),
                "share of |dW|^2 on the core directions, phi",
                predicted="1",
                expected=REFUTED,
            ),
            Check(
                "",
                Within(low=1 / 128),
                "the same, more than a Haar-rotated change has",
                predicted="> 1/128",
            ),
        ),
        "as T5; the paper's argument that W has only n values to change",
    ),
    Claim(
        "T6",
        "After one step from B = 0 LoRA tells direction i from noise with SNR_i = sqrt(r) |G_ii| "
        "/ sqrt(|G^T u_i|^2 + "
        "G_ii^2 + (kappa - 3) sum_j v_ij^2 (G^T u_i)_j^2).",
        "derived",
        (
            Check(
                "", Within(0.97, 1.03), "measured over predicted, rank 2, 8 and 32", predicted="1"
            ),
            Check(
                "",
                Within(0.97, 1.03),
                "mean of the coordinate over the predicted one",
                predicted="1",
            ),
            Check("", Within(0.47, 0.53), "slope of log SNR against log rank", predicted="1/2"),
        ),
        "default start, 20000 draws, size 64, G_ii = 6 + a standard normal beside standard normal "
        "others",
    ),
    Claim(
        "T7",
        "LoRA's change after 100 steps carries the directions that the task lies on.",
        PAPER,
        (
            Check(
                "",
                Within(low=0.8),
                "recall of 8 planted of 64 by rate, rank 8, 100 steps",
                predicted="near 1",
            ),
            Check("", Within(low=0.2), "gain of 100 steps over one", predicted="> 0"),
            Check("", Within(low=0.03), "gain of rank 8 over rank 2, 100 steps", predicted="> 0"),
            Check("", Within(low=0.01), "gain of rank 32 over rank 8, 100 steps", predicted="> 0"),
            Check(
                "",
                Within(high=0.2),
                "null: recall of the Haar-rotated true change",
                predicted="1/8",
            ),
        ),
        "planted directions at random places, rates 1; before a first look the bars for gains and "
        "null were 0.05 and "
        "0.15, and one step had a bar of its own, a recall of at most 0.55",
    ),
    Claim(
        "T8",
        "One gradient finds the directions at least as well as 100 steps of LoRA.",
        "derived",
        (
            Check(
                "", Within(low=0.9), "recall by size of one gradient of 512 samples", predicted="1"
            ),
            Check(
                "",
                Within(low=-0.05),
                "recall by rate, one gradient minus LoRA after 100 steps, rank 8",
                predicted=">= 0",
            ),
        ),
        "as T7; the bars were 0.95 and -0.02 before a first look",
    ),
    Claim(
        "T9",
        "Early on dividing by sigma harms, unless the directions are at the bottom of the "
        "spectrum.",
        "derived",
        (
            Check(
                "",
                Within(low=0.02),
                "recall by size minus by rate after 10 steps, planted at random",
                predicted="> 0",
            ),
            Check("", Within(low=0.25), "the same, planted at the top", predicted="> 0"),
            Check("", Within(low=0.1), "the same, planted in the middle", predicted="> 0"),
            Check("", Within(high=-0.05), "the same, planted at the bottom", predicted="< 0"),
            Check(
                "",
                Within(0.6, 0.75),
                "planted at the bottom: recall by rate of the Haar-rotated change, chance",
                predicted="0.68",
            ),
        ),
        "rank 8; the bars were one of 0.15 before a first look",
    ),
)
