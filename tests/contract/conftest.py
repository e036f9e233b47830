"""The example plugin is importable here; it is installed only in test_new_plugin.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "new_plugin"))
