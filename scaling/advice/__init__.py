"""What a few probe batches predict of a fine-tuning run before it is made, and how reliable it is.

sample          which layers are measured, and one forward and backward pass over the batches
diagnostics     explained variance, the inputs' mean, the gradient signal, the factor to freeze
rates           the first update of the run at other learning rates, and the one tuned at another
                width
costs           bytes that training keeps, seconds that an initialization takes
facts           what the rules of the recommendation read
recommendation  from these numbers to what to do, each choice with a reason and the claims behind it
confidence      the recorded verdicts behind each choice, and the schemes that are not weighed
ready           what to type
show            all of it as text
plan/           what a run of a big model needs, from its configuration alone
"""
