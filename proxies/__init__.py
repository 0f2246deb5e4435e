"""One small experiment per claim family: `python proxies/<stem>.py` measures, prints and
records."""
