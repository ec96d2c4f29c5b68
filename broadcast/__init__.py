"""Send one message to many people on Telegram: all at the same time, each exactly once.

What a program needs is here, and listed in `__init__.pyi`. Each name is imported when it is first
asked for, so that `broadcast --help` answers at once.
"""

# lazy-loader ships no type information; the stub beside this file has it all.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
