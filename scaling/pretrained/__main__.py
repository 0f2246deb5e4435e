"""`python -m scaling.pretrained NAME FOLDER`: make one of the models in a folder."""

import sys
from pathlib import Path

from scaling.pretrained import make

make(sys.argv[1], Path(sys.argv[2]))
