"""What a few batches say of a fine-tuning run before it is made, and how far what they say is to be
believed.

sample            which layers are looked at, and one forward and backward over the batches
diagnostics       explained variance, the inputs' mean, the gradient signal, the factor to freeze:
pure functions rates             the first update of the run at other rates, and the rate tuned at
another width costs             bytes that training keeps, seconds that a start takes recommendation
from these numbers to what to do, each choice with a reason and the claims behind it show
the tables
"""
