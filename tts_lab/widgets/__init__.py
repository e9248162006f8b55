"""Widgets for notebooks: they show a run while it goes on, and can be driven without
a front end.

Nothing else in the package imports this folder.
"""

from tts_lab.widgets.adaptation import Adaptation
from tts_lab.widgets.allocation import AllocationExplorer
from tts_lab.widgets.coverage import CoverageExplorer
from tts_lab.widgets.exchange import ExchangeExplorer
from tts_lab.widgets.lab import StrategyLab
from tts_lab.widgets.picker import ModelPicker
from tts_lab.widgets.race import StrategyRace
from tts_lab.widgets.runner import Runner, Status, Task
from tts_lab.widgets.thinking import ThinkingExplorer

__all__ = [
    "Adaptation",
    "AllocationExplorer",
    "CoverageExplorer",
    "ExchangeExplorer",
    "ModelPicker",
    "Runner",
    "Status",
    "StrategyLab",
    "StrategyRace",
    "Task",
    "ThinkingExplorer",
]
