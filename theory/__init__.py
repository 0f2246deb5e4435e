"""Derivations, closed forms and bounds; each package is one claim family, equations first."""
