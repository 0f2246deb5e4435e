"""Running and recording experiments: claims as data, a run store, a ledger, a report. None of it is
about LoRA."""
