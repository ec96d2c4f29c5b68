"""The settings of a message: one schema for options, front matter and a contact's own message.

`SETTINGS` names everything once. The command line makes its options from it, a message file its
keys, a contact its `message:`, and `fields_of` turns all of them into fields of `Message`. It opens
no file: the caller passes in `look`, which does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

from broadcast.core.duration import seconds_of
from broadcast.core.model import Attachment, Button, Format, Forward, LinkPreview, Media
from broadcast.core.peers import parse_peer
from broadcast.message.cleaning import clean, shows_nothing
from broadcast.message.when import WhenError, read_when, zone_named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from broadcast.core.model import Message

MOST_FILES = 10
"""In one album: https://core.telegram.org/method/messages.sendMultiMedia"""

MOST_BUTTONS, MOST_IN_ROW = 100, 8
"""Under one message, and side by side: https://limits.tginfo.me, "Inline keyboard"."""

Raw = str | tuple[str, ...] | tuple[tuple[str, ...], ...]
"""What a person wrote: a text, several, or rows of them."""


class Kind(StrEnum):
    """How a setting is written."""

    TEXT = "text"
    FLAG = "flag"
    LIST = "list"  # of texts: an option that may be repeated
    ROWS = "rows"  # of texts


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. The option is its name with dashes, the key its name with underscores.

    `choices` are all its values, if they are few. `shown` stands for the value in the help, and
    `option` is the name of the option when each value has an option of its own. MESSAGE is an
    argument and not an option. What is `in_edit` can still be changed when it was sent.
    """

    name: str
    help: str
    kind: Kind = Kind.TEXT
    choices: tuple[str, ...] = ()
    shown: str = ""
    option: str = ""
    is_argument: bool = False
    in_edit: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting("text", "The text.", is_argument=True, in_edit=True),
    Setting(
        "format",
        f"How the text is marked up. [default: {Format.MARKDOWN}]",
        choices=tuple(map(str, Format)),
        in_edit=True,
    ),
    Setting(
        "template",
        "Fill in {{ name }} and other fields of each contact.",
        Kind.FLAG,
        in_edit=True,
    ),
    Setting("split", "Send a text that is too long in several messages.", Kind.FLAG),
    Setting(
        "files",
        "Send a photo, video, audio, voice or document; several make an album.",
        Kind.LIST,
        shown="PATH",
        option="file",
    ),
    Setting("as_document", "Send the files as documents, not as pictures or players.", Kind.FLAG),
    Setting("spoiler", "Hide photos and videos until they are tapped.", Kind.FLAG),
    Setting("thumbnail", "The preview picture of a file.", shown="PATH"),
    Setting(
        "buttons",
        "Bots only: a button under the message, as 'Text=https://...'; one a row.",
        Kind.ROWS,
        shown="TEXT=LINK",
        option="button",
        in_edit=True,
    ),
    Setting(
        "link_preview",
        f"What is shown of a link in the text. [default: {LinkPreview.BELOW}]",
        choices=tuple(map(str, LinkPreview)),
        in_edit=True,
    ),
    Setting("silent", "No sound where it arrives.", Kind.FLAG),
    Setting("protect", "Bots only: it can be neither forwarded nor saved.", Kind.FLAG),
    Setting("pin", "Pin it, in groups and channels.", Kind.FLAG),
    Setting("reply_to", "Reply to the message with this number in the chat.", shown="ID"),
    Setting("send_as", "Write to groups as this channel.", shown="PEER"),
    Setting("effect", "The animation in private chats, by its id.", shown="ID"),
    Setting(
        "forward",
        "Forward the message behind this link instead of sending a text.",
        shown="https://t.me/NAME/ID",
    ),
    Setting("without_author", "Forward it without naming its author.", Kind.FLAG),
    Setting("at", "Send it then, in the zone of --zone.", shown="'2026-12-24 18:00'"),
    Setting("in", "Send it after this time.", shown="TIME"),
    Setting(
        "zone", "The time zone of --at. [default: that of this machine]", shown="Europe/Madrid"
    ),
    Setting(
        "zone_of",
        "`recipient`: --at in the zone of each contact, from its field tz.",
        choices=("recipient",),
    ),
    Setting("not_later_than", "Do not send it when it is later than this.", shown="TIME"),
)

_BY_NAME: Mapping[str, Setting] = MappingProxyType({setting.name: setting for setting in SETTINGS})
_YES = frozenset({"yes", "true", "on", "1"})
_NO = frozenset({"no", "false", "off", "0"})
_BUTTON = re.compile(r"\s*(.+?)\s*=\s*((?:https?|tg)://\S+)\s*\Z", re.DOTALL)
_MADE = re.compile(
    r"\s*(.+?)\s*=\s*(\{[{%].+|(?:https?|tg)://.*?(?:\{\{.+\}\}|\{%.+%\}).*?)\s*\Z", re.DOTALL
)
"""A button whose link is filled in. Here it is not known whether there is a template: a contact may
have buttons of its own, and the template be everybody's."""

_LINK = re.compile(r"(?:https?|tg)://\S+\Z")
_POST = re.compile(
    r"(?:https?://)?(?:t\.me|telegram\.me|telegram\.dog)"
    r"/(c/[0-9]+|[A-Za-z][A-Za-z0-9_]{2,31})(?:/[0-9]+)?/([0-9]{1,10})(?:\?.*)?\Z"
)


_NAMED = re.compile(r"(?<!\{)\{([a-z_]+)\}(?!\})")


class ContentError(ValueError):
    """A setting of a message is not valid. `key` is its name.

    Another setting stands in the message in braces, `{as_document}`, since an option, a key of a
    file and a field of a web page are written differently: `told` words it.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key

    def told(self, spelled: Callable[[str], str] = str) -> str:
        """The message, with settings as `spelled` writes their names."""
        return _NAMED.sub(
            lambda found: spelled(found[1]) if found[1] in _BY_NAME else found[0], self.args[0]
        )

    def __str__(self) -> str:
        return self.told()


class Look(Protocol):
    """Looks at a file that is to be sent."""

    def __call__(self, path: str, *, as_document: bool, is_thumbnail: bool = False) -> Attachment:
        """The file as it is now. Raises ContentError."""
        ...


def fields_of(given: Mapping[str, Raw], look: Look, now: datetime) -> dict[str, Any]:
    """The fields of `Message` for `given`, keyed by names of SETTINGS. Raises ContentError."""
    read = _Reader(given)
    found = {
        field: read_it(read, name) for name, (field, read_it) in _ALONE.items() if name in given
    }
    if found.get("template") is False:
        found["literal"] = True
    return found | _files(read, look) | _forward(read) | _when(read, now)


def _files(read: _Reader, look: Look) -> dict[str, Any]:
    if "files" not in read.given:
        for name in ("as_document", "spoiler", "thumbnail"):
            if name in read.given and (name == "thumbnail" or read.flag(name)):
                raise ContentError(name, "is for files, and there are none")
        return {}
    paths = read.texts("files")
    if len(paths) > MOST_FILES:
        raise ContentError(
            "files", f"has {len(paths)} files, and an album has at most {MOST_FILES}"
        )
    as_document, spoiler = read.flag("as_document"), read.flag("spoiler")
    thumbnail = None
    if path := read.optional("thumbnail"):
        thumbnail = look(path, as_document=False, is_thumbnail=True)
    files = tuple(
        replace(look(path, as_document=as_document), spoiler=spoiler, thumbnail=thumbnail)
        for path in paths
    )
    _require_one_album(files)
    return {"files": files}


def _require_one_album(files: Sequence[Attachment]) -> None:
    """Photos and videos mix, nothing else does, and a voice stays alone.

    https://core.telegram.org/api/files#albums-grouped-media
    """
    kinds = {Media.PHOTO if file.media is Media.VIDEO else file.media for file in files}
    if len(files) > 1 and (len(kinds) > 1 or Media.VOICE in kinds):
        shown = ", ".join(sorted({str(file.media) for file in files}))
        raise ContentError(
            "files",
            f"of these kinds cannot be one album: {shown}. Photos go with videos, documents with "
            "documents, audio with audio; {as_document} makes all of them documents",
        )


def _forward(read: _Reader) -> dict[str, Any]:
    without_author, link = read.flag("without_author"), read.optional("forward")
    if link is None:
        if without_author:
            raise ContentError("without_author", "is for a forward, and there is none")
        return {}
    post = _POST.match(link)
    if post is None or int(post[2]) == 0:
        raise ContentError(
            "forward", f"{link!r} is not the link of a message: expected https://t.me/name/123"
        )
    peer = parse_peer(f"https://t.me/{post[1]}")
    return {"forward": Forward(peer, int(post[2]), with_author=not without_author)}


def _when(read: _Reader, now: datetime) -> dict[str, Any]:
    names = [name for name in ("at", "in", "zone", "zone_of") if name in read.given]
    if not names:
        return {}
    at, after, zone = map(read.optional, ("at", "in", "zone"))
    of_recipient = "zone_of" in names and bool(read.choice("zone_of"))
    wrong = "zone"
    try:
        if zone is not None:
            zone_named(zone)
        wrong = names[0]
        return {"when": read_when(at, after, zone=zone, of_recipient=of_recipient, now=now)}
    except WhenError as error:
        raise ContentError(wrong, str(error)) from None


class _Reader:
    """What was given, read as what it should be."""

    def __init__(self, given: Mapping[str, Raw]) -> None:
        self.given = given
        for name in given:
            if name not in _BY_NAME:
                raise ContentError(name, "is not a setting of a message")

    def optional(self, name: str) -> str | None:
        return self.text(name) if name in self.given else None

    def text(self, name: str) -> str:
        value = self.given[name]
        if not isinstance(value, str):
            raise ContentError(name, "takes one text, not several")
        if not value.strip():
            raise ContentError(name, "is empty")
        return value.strip()

    def texts(self, name: str) -> tuple[str, ...]:
        """Several texts; one is as good as a list of one."""
        value = self.given[name]
        items = (value,) if isinstance(value, str) else value
        if not items or not all(isinstance(item, str) and item.strip() for item in items):
            raise ContentError(name, "are texts, and one of them is empty or not a text")
        return cast("tuple[str, ...]", items)

    def flag(self, name: str) -> bool:
        value = (self.optional(name) or "no").lower()
        if value not in _YES | _NO:
            raise ContentError(name, f"must be yes or no, not {value!r}")
        return value in _YES

    def choice(self, name: str) -> str:
        value, choices = self.text(name).lower(), _BY_NAME[name].choices
        if value not in choices:
            close = get_close_matches(value, choices, 1, 0.3)
            more = f" (did you mean {close[0]}?)" if close else ""
            raise ContentError(name, f"must be one of {', '.join(choices)}, not {value!r}{more}")
        return value

    def whole(self, name: str) -> int:
        value = self.text(name)
        if not re.fullmatch(r"[1-9][0-9]{0,18}", value):
            raise ContentError(name, f"must be a whole number above 0, such as 42, not {value!r}")
        return int(value)

    def made(self, make: Callable[[str], object], name: str) -> object:
        """What `make` makes of a text, or raises ValueError."""
        try:
            return make(self.text(name))
        except ValueError as error:
            raise ContentError(name, str(error)) from None

    def as_written(self, name: str) -> str:
        """A text with all its spaces."""
        self.text(name)
        return cast("str", self.given[name])

    def buttons(self, name: str) -> tuple[tuple[Button, ...], ...]:
        """Rows of buttons; a text instead of a row is a row of one."""
        value = self.given[name]
        rows = (value,) if isinstance(value, str) else value
        found = tuple(
            tuple(_button(text) for text in ((row,) if isinstance(row, str) else row))
            for row in rows
        )
        longest = max((len(row) for row in found), default=0)
        if longest == 0:
            raise ContentError("buttons", "are given, but the list is empty")
        if longest > MOST_IN_ROW or sum(map(len, found)) > MOST_BUTTONS:
            raise ContentError(
                "buttons", f"are too many: at most {MOST_BUTTONS}, and {MOST_IN_ROW} in a row"
            )
        return found


def _button(text: str) -> Button:
    found = _BUTTON.match(text) or _MADE.match(text)
    if found is None:
        raise ContentError("buttons", f"{text!r} is not a button: expected Text=https://...")
    return Button(clean(found[1]), found[2])


def require_button(button: Button) -> None:
    """Raise ContentError when Telegram would refuse `button`: it has no text or no link."""
    if shows_nothing(button.text):
        raise ContentError(
            "buttons",
            f"need a text that can be seen, and the one with the link {button.url} has none",
        )
    if not _LINK.match(button.url):
        raise ContentError(
            "buttons",
            f"need a link, and {button.text!r} has {button.url!r}: expected https://... without "
            "spaces (in a template, write values with |urlencode)",
        )


_ALONE: Mapping[str, tuple[str, Callable[[_Reader, str], Any]]] = {
    "text": ("text", _Reader.as_written),
    "format": ("format", lambda read, name: Format(read.choice(name))),
    "link_preview": ("link_preview", lambda read, name: LinkPreview(read.choice(name))),
    "template": ("template", _Reader.flag),
    "split": ("split", _Reader.flag),
    "silent": ("silent", _Reader.flag),
    "protect": ("protect", _Reader.flag),
    "pin": ("pin", _Reader.flag),
    "reply_to": ("reply_to", _Reader.whole),
    "effect": ("effect", _Reader.whole),
    "send_as": ("send_as", lambda read, name: read.made(parse_peer, name)),
    "buttons": ("buttons", _Reader.buttons),
    "not_later_than": ("late", lambda read, name: read.made(seconds_of, name)),
}
"""The settings that depend on no other: the field of `Message`, and how it is read."""


def require_whole(message: Message) -> None:
    """Raise ContentError when two settings of `message` exclude each other."""
    if message.forward is not None:
        if message.text or message.files or message.buttons:
            raise ContentError(
                "forward", "sends a message as it is: leave out the text, {files} and {buttons}"
            )
        if message.template or message.split or message.reply_to or message.effect:
            raise ContentError(
                "forward", "sends a message as it is: nothing can be filled in, split or added"
            )
    if not message.template:
        for row in message.buttons:
            for button in row:
                require_button(button)
    if len(message.files) > 1 and message.buttons:
        raise ContentError("buttons", "cannot be put under an album: send one file, or no buttons")
    if message.late is not None and message.when is None:
        raise ContentError("not_later_than", "is for a message with a time: give {at} or {in}")
