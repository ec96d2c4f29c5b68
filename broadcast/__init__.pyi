from .core.clock import Clock as Clock
from .core.errors import BroadcastError as BroadcastError
from .core.model import Account as Account
from .core.model import Contact as Contact
from .core.model import Deferred as Deferred
from .core.model import Delivery as Delivery
from .core.model import Failed as Failed
from .core.model import Format as Format
from .core.model import Halted as Halted
from .core.model import Message as Message
from .core.model import Outcome as Outcome
from .core.model import Sent as Sent
from .core.model import Status as Status
from .engine.fake import FakeTransport as FakeTransport
from .engine.pacer import Pacer as Pacer
from .library import open_telegram as open_telegram
from .library import rehearse as rehearse
from .library import send as send
from .people.lists import contact as contact
from .people.lists import load_audience as load_audience
from .sandbox_app import open_sandbox as open_sandbox
from .service.options import RunOptions as RunOptions
from .service.reports import Rehearsal as Rehearsal
from .service.reports import Report as Report
from .settings import Settings as Settings
from .settings import load_settings as load_settings

__version__: str
