"""The claims A1..A7b, A10..A11c, A15 as data: sentences as the paper or this project makes them."""

from proxies.families.asymmetry.claims import advice, classifiers, explained, training

CLAIMS = (*explained.CLAIMS, *training.CLAIMS, *classifiers.CLAIMS, *advice.CLAIMS)
