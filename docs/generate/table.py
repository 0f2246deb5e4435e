"""What the page of a method says besides its docstring: formula, when to use it, where released
code differs.

Formulas have the convention of `lora`: W is (out, in), B is (out, r), A is (r, in), s the scale.
What a method gains is not said here: the pages take it from the recorded evidence.
"""

from typing import NamedTuple


class About(NamedTuple):
    """A method for readers.

    title: its name in papers.
    formula: LaTeX.
    use: when it is worth a trial.
    avoid: when it is not.
    names: how claims call it, as regular expressions.
    departs: what differs in the paper or in released code.
    """

    title: str
    formula: str
    use: str
    avoid: str
    names: tuple[str, ...] = ()
    departs: str = ""


SVD = r"W = U S V^{\top}, \qquad "
SCHEMES = {
    "init_a": About(
        "LoRA's default, Init[A]",
        r"B = 0, \qquad A_{ij} \sim \mathcal{U}\left(-\tfrac{1}{\sqrt{\mathrm{in}}}, "
        r"\tfrac{1}{\sqrt{\mathrm{in}}}\right)",
        "Begin here. It needs no data and no pass over the weights, and every other method is "
        "compared with it.",
        "No case is known in which it cannot be used.",
        (r"Init\[A\]", "default initialization"),
        "The paper describes a Gaussian A; its code, and PEFT's, draw the uniform one.",
    ),
    "init_b": About(
        "Init[B]",
        r"A = 0, \qquad B_{ij} \sim \mathcal{U}\left(-\tfrac{1}{\sqrt{r}}, "
        r"\tfrac{1}{\sqrt{r}}\right)",
        "To train A alone, with `train_b=False`, or to compare with Init[A].",
        "Do not keep the learning rate of Init[A]: the theory gives this one a smaller largest "
        "stable learning rate in wide models.",
        (r"Init\[B\]",),
    ),
    "gaussian": About(
        "Gaussian A",
        r"B = 0, \qquad A_{ij} \sim \mathcal{N}\left(0, \tfrac{1}{r^2}\right)",
        "To repeat a run of an image-generation trainer that uses this convention.",
        "When you want a learning rate to carry over to another width: the size of A x grows with "
        "the width.",
    ),
    "orthogonal": About(
        "Orthonormal A",
        r"B = 0, \qquad A A^{\top} = I_r \ \text{(Haar-distributed)}",
        "With a frozen A (`train_a=False`): B alone is trained, with half the trained parameters "
        "and less memory.",
        "When both factors are trained and you have no reason to leave the default.",
        ("random frozen A", "orthogonal rows", "orthonormal rows"),
        "The released code takes columns of the transposed singular vectors of a random matrix, "
        "after a full SVD. Here a QR decomposition of a Gaussian matrix gives the same "
        "distribution at less cost.",
    ),
    "pissa": About(
        "PiSSA",
        SVD + r"B = U_r (S_r/s)^{1/2}, \qquad A = (S_r/s)^{1/2} V_r^{\top}",
        "To train the directions in which the base weight is largest. Give it a learning rate "
        "of its own.",
        "On a PEFT model, or where the saved adapter must have rank r: it is saved at rank 2 r.",
        ("PiSSA",),
        "PEFT subtracts B A from the base weight. Here the weight stays as it is and the layer "
        "carries the initial pair, so the model is exact at step 0 in every dtype and on a "
        "quantised base.",
    ),
    "milora": About(
        "MiLoRA",
        SVD + r"B = U_{-r} (S_{-r}/s)^{1/2}, \qquad A = (S_{-r}/s)^{1/2} V_{-r}^{\top}",
        "To train the directions in which the base weight is smallest.",
        "On a PEFT model, or on wide layers where time matters: it takes a full SVD.",
        ("MiLoRA",),
    ),
    "olora": About(
        "OLoRA",
        r"W = Q R, \qquad B = Q_r, \qquad A = R_r = Q_r^{\top} W",
        "As a data-free initialization with an orthonormal B, which is cheaper than an SVD.",
        "On a PEFT model. The factors depend on the order of the inputs, since no column is "
        "pivoted.",
        ("OLoRA",),
        "As published, B A is not divided by s. The frozen pair makes step 0 exact whatever s is.",
    ),
    "mica": About(
        "MiCA",
        SVD + r"B = U_{-r}, \qquad A = 0",
        "With `train_b=False`, as in the method: A alone is trained beside the last left singular "
        "vectors.",
        "On wide layers where time matters: it takes a full SVD.",
    ),
    "nystrom": About(
        "NoRA, Nyström sketch of the weight",
        r"B = 0, \qquad A = \tfrac{\xi}{s} N W, \qquad N_{ij} \sim \mathcal{N}(0, 1)",
        "With `lora.OPTIMIZERS`: `scaled_adamw` on it is the paper's NoRA+.",
        "With a learning rate from another initialization: the size of A follows that of W.",
        ("NoRA", r"Nystr[öo]m initialization", r"Nystr[öo]m sketch of the weight"),
        'The scale xi / s is the released code\'s. Both sides are here: `side="out"` sketches '
        "the columns, as the paper's theory does.",
    ),
    "eva": About(
        "EVA",
        r"B = 0, \qquad A = V_r^{\top}, \qquad \mathbb{E}[x x^{\top}] - \mathbb{E}[x] "
        r"\mathbb{E}[x]^{\top} = V \Lambda V^{\top}",
        "When you have data of the task and can afford one forward pass over some batches. It "
        "works on PEFT models, and with `rho` it shares out the ranks between layers.",
        "Where the inputs of a layer vary in fewer than r directions: the rest is random, and a "
        "warning says so.",
        ("EVA(?:'s)?",),
        "The paper's theorem is about the uncentred second moment, its code and PEFT centre the "
        "inputs: `center=False` is the theorem's. PEFT 0.21 whitens rows more than once where "
        "layers share an input; see the verdicts E6b, E6c and E8b.",
    ),
    "corda": About(
        "CorDA",
        r"W P = U S V^{\top}, \qquad B = U_r (S_r/s)^{1/2}, \qquad A = (S_r s)^{-1/2} U_r^{\top} W",
        'To keep what the inputs use most (`mode="kpm"`), or to train it (`mode="ipm"`).',
        "On a PEFT model, or with sketches in place of whole second moments (`axes` in "
        "`lora.collect`).",
        ("CorDA",),
        "The second moment is divided by its mean diagonal, so that the unit of x does not matter, "
        "and no inverse is needed. The damping is fixed; the authors double theirs until P "
        "inverts well.",
    ),
    "lora_ga": About(
        "LoRA-GA",
        r"G = U S V^{\top}, \qquad A = c V_{1..r}^{\top}, \qquad B = c U_{r+1..2r}, \qquad "
        r"c = \tfrac{\mathrm{out}^{1/4}}{\sqrt{\gamma}}",
        "When you can afford a backward pass over some batches, and want the first step to follow "
        "the gradient of full fine-tuning.",
        "On a PEFT model, or where 2 r is larger than a side of the weight.",
        ("LoRA-GA",),
        "As in the paper's code neither factor carries singular values; PEFT's B does, and grows "
        "with the loss.",
    ),
    "lora_one": About(
        "LoRA-One",
        r"-G = U S V^{\top}, \qquad B = \tfrac{1}{\sqrt{\gamma}} U_r (S_r/S_1)^{1/2}, \qquad "
        r"A = \tfrac{1}{\sqrt{\gamma}} (S_r/S_1)^{1/2} V_r^{\top}",
        "When you can afford a backward pass over some batches.",
        "On a PEFT model.",
        ("LoRA-One",),
        "The released code begins to train at W + s B A. Here the frozen pair carries s B A, so "
        "training begins at the pretrained function: a deliberate departure.",
    ),
    "nystrom_grad": About(
        "Nyström sketch of the gradient",
        r"B = 0, \qquad A = \tfrac{\xi}{\sqrt{3}} \tfrac{N G}{\lVert G \rVert_F}",
        "When you can afford a backward pass and want an initialization with B A = 0, so that it "
        "works on PEFT models. At xi = 1 it has the size of the default, so that its learning "
        "rates carry over.",
        "Without gradients.",
        (r"Nystr[öo]m sketch of the gradient",),
    ),
    "gradient_signal": About(
        "Gradient signal",
        r"B = 0, \qquad A = V_r^{\top}, \qquad \mathbb{E}[|g|^2 x x^{\top}] = V \Lambda V^{\top}",
        "When you can afford a backward pass and want the largest first gradient in B. It works "
        "on PEFT models, and with `rho` it shares out the ranks between layers.",
        "Without gradients: `eva` is near to it where the size of the gradient does not depend "
        "on the input.",
        ("gradient_signal", "expected gradient signal", "gradient signal of a token"),
    ),
    "tsd_init": About(
        "LoRA-Init",
        SVD + r"s B A = \sum_{i \in I} s_i u_i v_i^{\top}, \qquad I \text{: the } r "
        r"\text{ largest } \tfrac{|u_i^{\top} G v_i|}{s_i + \epsilon s_1}",
        "Together with the variant `tsd`, as LoRA-TSD.",
        "On a PEFT model, or on wide layers where time matters: it takes a full SVD.",
        ("LoRA-Init", "LoRA-TSD"),
        "The paper finds the directions by a hundred steps of LoRA. Here one gradient finds "
        "them, without training first; the verdict T8 compares the two.",
    ),
}
VARIANTS = {
    "plain": About(
        "LoRA",
        r"y = W x + b + s (B A - B_0 A_0) x",
        "Begin here.",
        "No case is known in which it cannot be used.",
        (r"LoRA (?:ends|of rank|with|with a)",),
    ),
    "overparam": About(
        "OP-LoRA",
        r"[B, A] = W_2 \,\mathrm{relu}(W_1 z + b_1) + b_2, \qquad "
        r"y = W x + b + s (B A - B_0 A_0) x",
        "To see what over-parameterisation does: the generator network makes the first step "
        "longer.",
        "With scaled optimizers (the factors are generated), or at one learning rate for all "
        "methods: the longer step alone would decide the comparison.",
        ("OP-LoRA", "generator network"),
        "The paper leaves the initialization of the generator's heads open. By default the first "
        "factors are those of the scheme, so that step 0 is plain LoRA's.",
    ),
    "dash": About(
        "LoRA-Dash",
        r"y = W x + b + s (B A - B_0 A_0) x + \sum_k d_k u_k v_k^{\top} x",
        "After some steps of plain training, by `lora.launch(model)` or "
        "`lora.callback(launch=100)`.",
        "Where nothing can be called during training: it then stays plain LoRA, and `lora.save` "
        "warns.",
        ("LoRA-Dash",),
        "The released code counts forward calls to find the launch, so evaluation moves it, and "
        "loses the count on reload. Here your training loop launches, once, and the directions "
        "are in the checkpoint.",
    ),
    "tsd": About(
        "LoRA-TSD",
        r"\text{LoRA-Dash from the initialization } \texttt{tsd\_init}",
        "With the scheme `tsd_init`, launched like LoRA-Dash.",
        "As for LoRA-Dash.",
        ("LoRA-TSD",),
    ),
    "dora": About(
        "DoRA",
        r"y = \mathrm{diag}(m / n) V x + b, \qquad V = W + s (B A - B_0 A_0), \qquad "
        r"n_i = \lVert V_{i\cdot} \rVert",
        "To train lengths and directions of the rows apart. PEFT loads it.",
        "Where a training step must cost no more than LoRA's: benchmarks.md in this "
        "documentation has the measurements.",
        ("DoRA",),
        "n is a constant in backward, as in the paper's section 4.3. The row norms are found "
        "without the dense matrix V.",
    ),
    "op_dora": About(
        "OP-DoRA",
        r"y = \mathrm{diag}((n_0 + \delta m) / n) V x + b",
        "To compare OP-LoRA and DoRA in one method.",
        "As for OP-LoRA and DoRA.",
        departs="The paper leaves its initialization open: the change of the magnitudes is 0 at "
        "first.",
    ),
}
