"""The claims of every study."""
