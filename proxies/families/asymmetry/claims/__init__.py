"""The claims A1..A7, A10..A13, A15 as data: sentences as the paper or this project makes them."""

from proxies.families.asymmetry.claims import advice, explained, library, training

CLAIMS = (*explained.CLAIMS, *training.CLAIMS, *library.CLAIMS, *advice.CLAIMS)
