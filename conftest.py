"""No test, doctest or stored notebook writes to anybody's own progress."""

import os

os.environ["TTS_LAB_PROGRESS"] = "off"
