"""From the outcomes of a sweep to the measured value of every check."""
