"""How things are measured, judged and shown, whatever is measured."""
