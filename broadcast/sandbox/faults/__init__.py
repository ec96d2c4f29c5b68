"""What goes wrong in the sandbox when it is asked to: lost connections, late answers, errors."""

from __future__ import annotations

from broadcast.sandbox.faults.faults_file import FaultsFile, parse_faults
from broadcast.sandbox.faults.switches import Duplicate, Faults, Late, Pause

__all__ = ["Duplicate", "Faults", "FaultsFile", "Late", "Pause", "parse_faults"]
