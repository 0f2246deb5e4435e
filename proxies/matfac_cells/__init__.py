"""Many factorisation runs min ||B A - M||_F^2 / 2 side by side: targets, methods, optimisers, engine and sweep."""
