"""The use cases as one object. A front end prints a line and calls it."""

from __future__ import annotations

from broadcast.service.changing import Changing
from broadcast.service.due import Due
from broadcast.service.history import History
from broadcast.service.rehearsing import Rehearsing


class Service(Rehearsing, Changing, Due, History):
    """Everything that can be done with broadcasts; see the base classes, a file each."""
