"""Every fuzz battery, or those that are named: python -m tests.fuzz [load] [kill] ... --seed 0"""

import sys

from tests.fuzz import command_line, config_and_attach, kill, load
from tests.fuzz.battery import main

BATTERIES = {
    one.name: one
    for one in (load.BATTERY, config_and_attach.BATTERY, command_line.BATTERY, kill.BATTERY)
}

if __name__ == "__main__":
    named = [word for word in sys.argv[1:] if word in BATTERIES]
    rest = [word for word in sys.argv[1:] if word not in BATTERIES]
    sys.exit(main([BATTERIES[name] for name in named or BATTERIES], rest))
