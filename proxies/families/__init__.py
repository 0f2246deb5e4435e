"""The rooms of every claim family: claims, trials (what is run), evidence (trials to named checks)
and tables."""
