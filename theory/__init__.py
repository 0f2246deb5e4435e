"""Derivations, closed forms and bounds; each file is one claim family, equations first."""
