"""Makes the small world importable for every test of this room."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
