"""The titles of the papers that claims and methods are from, by their arXiv id. One that is not
here is shown by its id alone."""

TITLES = {
    "1802.06509": "On the Optimization of Deep Networks: Implicit Acceleration by "
    "Overparameterization",
    "2106.09685": "LoRA: Low-Rank Adaptation of Large Language Models",
    "2312.03732": "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA",
    "2402.09353": "DoRA: Weight-Decomposed Low-Rank Adaptation",
    "2402.12354": "LoRA+: Efficient Low Rank Adaptation of Large Models",
    "2402.16842": "Asymmetry in Low-Rank Adapters of Foundation Models",
    "2404.02948": "PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large "
    "Language Models",
    "2405.09673": "LoRA Learns Less and Forgets Less",
    "2406.01775": "OLoRA: Orthonormal Low-Rank Adaptation of Large Language Models",
    "2406.05223": "CorDA: Context-Oriented Decomposition Adaptation of Large Language Models "
    "for Task-Aware Parameter-Efficient Fine-tuning",
    "2406.08447": "The Impact of Initialization on LoRA Finetuning Dynamics",
    "2406.09044": "MiLoRA: Harnessing Minor Singular Components for Parameter-Efficient LLM "
    "Finetuning",
    "2407.05000": "LoRA-GA: Low-Rank Adaptation with Gradient Approximation",
    "2409.01035": "Task-Specific Directions: Definition, Exploration, and Utilization in "
    "Parameter Efficient Fine-Tuning",
    "2410.07170": "Parameter Efficient Fine-tuning via Explained Variance Adaptation",
    "2410.18965": "On the Crucial Role of Initialization for Matrix Factorization",
    "2412.10362": "OP-LoRA: The Blessing of Dimensionality",
    "2502.01235": "LoRA-One: One-Step Full Gradient Could Suffice for Fine-Tuning Large Language "
    "Models, Provably and Efficiently",
    "2602.04998": "Learning Rate Matters: Vanilla LoRA May Suffice for LLM Fine-tuning",
    "2604.01694": "MiCA Learns More Knowledge Than LoRA and Full Fine-Tuning",
}


def link(source: str) -> str:
    """Where a paper is read."""
    return f"https://arxiv.org/abs/{source}"


def title(source: str) -> str:
    """What a source is called: its title, else its id."""
    if source == "derived":
        return "derived here"
    return TITLES.get(source, f"arXiv:{source}")
