"""The claims E1 to E9: sentences as the paper (arXiv:2410.07170) or this project makes them, and
criteria as theory gives them."""

from proxies.families.gradient_signal.claims import captured, laws, released, signal, training

CLAIMS = captured.CLAIMS + signal.CLAIMS + laws.CLAIMS + released.CLAIMS + training.CLAIMS
