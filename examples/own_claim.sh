#!/usr/bin/env bash
# A claim family of your own, from its files to its verdict. In a checkout of loralab:
#
#     bash examples/own_claim.sh [NAME]
#
# The files hold a small example of everything; put your claim in its place between the steps.
set -euo pipefail
name=${1:-toy}
python=${PYTHON:-python}

# theory and its test, claims, trials, evidence, tables, a figure, a made-up world for the wiring
"$python" -m loralab new-family "$name"

# explore, on seeds below 1000: nothing is recorded
"$python" "proxies/$name.py" --quick

# the laws hold, a planted fault is seen, and every check is bound to the right trials
"$python" -m pytest "tests/theory/$name" "tests/proxies/$name" tests/test_wiring.py -k "$name"

# fix sentences and criteria, and commit evidence/registry.json, which says that they came first;
# then measure on unseen seeds; then record, whatever the verdict is
"$python" -m loralab register --family "$name"
"$python" "proxies/$name.py"
"$python" -m loralab ledger --family "$name"
"$python" -m loralab claims --family "$name"
