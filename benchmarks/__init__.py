"""Speed and memory of the library beside PEFT, plain torch and floors, measured side by side.

`python -m benchmarks` runs a suite, which is a table of rows (`suites`, `harness.rows`). Each
subject has a file, which ends with its rows. LOG.md tells what was tried, and what it gave.
"""
