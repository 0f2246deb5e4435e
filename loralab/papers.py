"""The titles of the papers whose claims are tested, by their arXiv id."""

TITLES = {
    "2312.03732": "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA",
    "2402.12354": "LoRA+: Efficient Low Rank Adaptation of Large Models",
    "2402.16842": "Asymmetry in Low-Rank Adapters of Foundation Models",
    "2406.08447": "The Impact of Initialization on LoRA Finetuning Dynamics",
    "2409.01035": "Task-Specific Directions: Definition, Exploration, and Utilization in "
    "Parameter Efficient Fine-Tuning",
    "2410.07170": "Parameter Efficient Fine-tuning via Explained Variance Adaptation",
    "2410.18965": "On the Crucial Role of Initialization for Matrix Factorization",
    "2412.10362": "OP-LoRA: The Blessing of Dimensionality",
}
