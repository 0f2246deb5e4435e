"""What a run of a causal language model needs, from its configuration alone: no weights, no data.

decoder      the model without weights, and its layers by the part that they have in a block
adapters     what an adapter on a layer trains, carries and saves, by its own class
activations  bytes saved for backward by a block, with and without checkpointing: the formula
plan         memory, files, cards and micro-batches
commands     what to type, for one and for eight GPUs
show         all of it as text
"""
