"""Whatever can be said, said with the real command line and client, and looked at on arrival."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from telethon.tl import TLRequest, functions

from broadcast.sandbox.world import RpcError
from tests.e2e.telegram import id_of
from tests.pictures import jpeg, mp4, png

if TYPE_CHECKING:
    from broadcast.sandbox.memory.arrived import Delivered
    from tests.e2e.child import Child, Cli, Ended
    from tests.e2e.telegram import Telegram

FRIENDS = ["@ana", "@ben"]


def people(count: int) -> list[str]:
    return [str(100_010_000 + number) for number in range(count)]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def send(cli: Cli, *arguments: str, code: int = 0) -> Ended:
    ended = cli.run("send", *arguments, "--yes", "--json", "--rate", "max")
    assert ended.code == code, ended.err
    return ended


def arrived(telegram: Telegram, peer: str) -> list[Delivered]:
    return [message for message in telegram.received() if message.peer == id_of(peer)]


def refuse(telegram: Telegram, kind: type[TLRequest], error: str, *, times: int) -> list[TLRequest]:
    """Requests of this kind are answered with an error, so often; the list keeps them."""
    refused: list[TLRequest] = []

    def before(_key_id: int, request: TLRequest) -> None:
        while hasattr(request, "query"):
            request = request.query
        if isinstance(request, kind) and len(refused) < times:
            refused.append(request)
            raise RpcError(400, error)

    telegram.world.before = before
    return refused


# -- templates and text --


def test_everybody_gets_their_own_text(person: Cli, telegram: Telegram) -> None:
    person.write(
        "contacts.yaml",
        "contacts:\n"
        "  - {peer: '@ana', name: '*Ana_ Ruiz', fields: {car: '[Seat](x)'}}\n"
        "  - {peer: '@ben', name: '<b>Ben', fields: {car: '`Opel` 🚗'}}\n",
    )
    send(person, "**Hi {{ first_name }}**, your {{ car }} is __ready__", "--template")
    (to_ana,), (to_ben,) = arrived(telegram, "@ana"), arrived(telegram, "@ben")
    assert to_ana.text == "Hi *Ana_, your [Seat](x) is ready"
    assert to_ben.text == "Hi <b>Ben, your `Opel` 🚗 is ready"
    assert len(to_ana.entities) == len(to_ben.entities) == 2


def test_a_plain_message_with_braces_stays_one(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@ana")
    send(person, "Hi {{ name }} {% if %}", "--no-template")
    assert arrived(telegram, "@ana")[0].text == "Hi {{ name }} {% if %}"


def test_nobody_gets_anything_when_one_field_is_missing(person: Cli, telegram: Telegram) -> None:
    person.write("contacts.yaml", "contacts:\n  - {peer: '@ana', name: Ana}\n  - '@ben'\n")
    ended = send(person, "Hi {{ name }}", "--template", code=2)
    assert "contacts.yaml:3: @ben" in ended.err
    assert "no name" in ended.err
    assert telegram.received() == []


def test_html_that_telegram_does_not_know_is_told(person: Cli, telegram: Telegram) -> None:
    person.write("contacts.yaml", "- '@ana'\n- {peer: '@ben', message: {text: 'a<br>b'}}\n")
    ended = send(person, "Dear\n<font>Ana</font>", "--format", "html", code=2)
    assert "line 2 of the HTML: <font>" in ended.err
    ended = send(person, "Dear <b>Ana</b>", "--format", "html", code=2)
    assert "contacts.yaml:2: @ben: line 1 of the HTML: <br>" in ended.err
    assert telegram.received() == []


def test_a_long_text_is_cut_and_its_parts_keep_their_order(person: Cli, telegram: Telegram) -> None:
    person.write_contacts(*FRIENDS)
    paragraphs = [f"{number} " + "word " * 200 for number in range(12)]
    text = "\n\n".join(paragraphs)
    person.write("long.txt", text)
    refused = send(person, "--message-file", "long.txt", code=2)
    assert "4096" in refused.err
    send(person, "--message-file", "long.txt", "--split")
    for friend in FRIENDS:
        parts = [message.text for message in arrived(telegram, friend)]
        assert len(parts) == 3
        assert " ".join(parts).split() == text.split()


def test_the_preview_of_links(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@ana")
    send(person, "https://a.b", "--link-preview", "off")
    send(person, "https://c.d", "--link-preview", "above")
    off, above = arrived(telegram, "@ana")
    assert (off.no_webpage, off.invert_media) == (True, False)
    assert (above.no_webpage, above.invert_media) == (False, True)


# -- files --


def test_each_kind_of_file(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@ana")
    contents = {
        "a.png": png(),
        "b.mp4": mp4(),
        "c.mp3": b"audio" * 100,
        "d.ogg": b"voice" * 100,
        "e.pdf": b"document" * 100,
    }
    for name, content in contents.items():
        person.write(name, content)
        send(person, "Look: **this**", "--file", name)
    received = arrived(telegram, "@ana")
    assert [message.text for message in received] == ["Look: this"] * 5
    files = [message.file for message in received if message.file]
    assert [file.sha256 for file in files] == [sha256(it) for it in contents.values()]
    assert [file.kind for file in files] == ["photo", "video", "audio", "voice", "document"]


def test_files_as_they_are_and_hidden(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@ana")
    person.write("a.png", png())
    person.write("small.jpg", jpeg(4, 4))
    send(person, "--file", "a.png", "--as-document", "--thumbnail", "small.jpg")
    send(person, "--file", "a.png", "--spoiler")
    document, photo = arrived(telegram, "@ana")
    assert document.file
    assert (document.file.kind, document.spoiler, document.text) == ("document", False, "")
    assert photo.file
    assert (photo.file.kind, photo.spoiler) == ("photo", True)


def test_a_file_is_uploaded_once_for_everybody(bot: Cli, telegram: Telegram) -> None:
    content = random.Random(0).randbytes(20 * 2**20)
    bot.write("catalogue.pdf", content)
    bot.write_contacts(*people(200))
    ended = send(bot, "Our catalogue", "--file", "catalogue.pdf")
    assert ended.summary["sent"] == 200
    assert telegram.inside(lambda: telegram.world.uploaded) == len(content)
    files = [message.file for message in telegram.received()]
    assert Counter(file.sha256 for file in files if file) == {sha256(content): 200}
    send(bot, "Once more", "--file", "catalogue.pdf")  # the reference lives
    assert telegram.inside(lambda: telegram.world.uploaded) == len(content)


def test_an_upload_goes_on_after_a_lost_connection(person: Cli, telegram: Telegram) -> None:
    content = random.Random(1).randbytes(12 * 2**20)
    person.write("catalogue.pdf", content)
    person.write_contacts(*FRIENDS)
    parts = [0]

    def before(_key_id: int, request: TLRequest) -> None:
        while hasattr(request, "query"):
            request = request.query
        if isinstance(request, functions.upload.SaveBigFilePartRequest):
            parts[0] += 1
            if parts[0] == 10:
                telegram.drop_connections()

    telegram.world.before = before
    send(person, "Our catalogue", "--file", "catalogue.pdf")
    assert parts[0] < 24 + 10  # 24 parts, and those that were under way
    for friend in FRIENDS:
        (message,) = arrived(telegram, friend)
        assert message.file
        assert message.file.sha256 == sha256(content)


@pytest.mark.parametrize("error", ["FILE_REFERENCE_EXPIRED", "MEDIA_EMPTY"])
def test_a_file_that_is_refused_is_renewed(bot: Cli, telegram: Telegram, error: str) -> None:
    bot.write_contacts(*people(20))
    bot.write("a.png", png())
    send(bot, "one", "--file", "a.png")
    refuse(telegram, functions.messages.SendMediaRequest, error, times=3)
    send(bot, "two", "--file", "a.png")
    received = Counter(message.text for message in telegram.received())
    assert received == {"one": 20, "two": 20}


def test_an_expired_reference_is_told_anew_by_a_message(person: Cli, telegram: Telegram) -> None:
    telegram.limit(file_reference_seconds=3600)
    person.write_contacts("@ana")
    person.write("a.png", png())
    send(person, "one", "--file", "a.png")
    telegram.clock.shift = 7200
    before = telegram.inside(lambda: telegram.world.uploaded)
    send(person, "two", "--file", "a.png")
    assert [message.text for message in arrived(telegram, "@ana")] == ["one", "two"]
    assert telegram.inside(lambda: telegram.world.uploaded) == before


def test_an_album_is_one_group_and_arrives_once(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*people(40))
    for number in range(3):
        bot.write(f"{number}.png", png(8 + number))
    for at in (5, 12, 20, 31):
        telegram.world.at[at] = telegram.drop_connections
    files = [argument for number in range(3) for argument in ("--file", f"{number}.png")]
    ended = send(bot, "Our **album**", *files)
    assert ended.summary["sent"] == 40
    for peer in people(40):
        album = [message for message in telegram.received() if str(message.peer) == peer]
        assert [message.text for message in album] == ["Our album", "", ""]
        assert len({message.album for message in album}) == 1
        assert album[0].album is not None
        hashes = [message.file.sha256 for message in album if message.file]
        assert hashes == [sha256(png(8 + number)) for number in range(3)]
    bot.run("recall", ended.summary["broadcast"], "--yes")
    assert telegram.received() == []


def test_a_recall_after_a_kill_takes_the_whole_album_back(bot: Cli, telegram: Telegram) -> None:
    bot.write("a.png", png())
    bot.write("b.png", png(9))
    bot.write_contacts(*people(20))
    running: list[Child] = []
    telegram.world.at[7] = lambda: running[0].signal(signal.SIGKILL)
    album = ("Our album", "--file", "a.png", "--file", "b.png")
    running.append(bot.start(*album, "--yes", "--rate", "max"))
    assert running[0].process.wait(60) == -signal.SIGKILL
    (row,) = bot.run("list", "--json").rows
    assert telegram.received()
    bot.run("recall", row["broadcast"], "--yes", "--rate", "max")
    assert telegram.received() == []


def test_a_retry_sends_an_album_whole_and_once(bot: Cli, telegram: Telegram) -> None:
    bot.write("a.png", png())
    bot.write("b.png", png(9))
    bot.write_contacts(*people(5))
    refuse(telegram, functions.messages.SendMultiMediaRequest, "CHAT_WRITE_FORBIDDEN", times=2)
    album = ("Our album", "--file", "a.png", "--file", "b.png")
    assert send(bot, *album, code=1).summary["failed"] == 2
    telegram.world.at[5] = telegram.drop_connections
    ended = bot.run("retry", "--json", "--rate", "max")
    assert (ended.code, ended.summary["sent"]) == (0, 5)
    albums = Counter((message.peer, message.album) for message in telegram.received())
    assert sorted(albums.values()) == [2] * 5
    assert telegram.inside(lambda: telegram.world.uploaded) == len(png()) + len(png(9))


@pytest.mark.parametrize("kind", ["album", "forward", "topics"])
def test_nothing_arrives_twice_after_a_kill(bot: Cli, telegram: Telegram, kind: str) -> None:
    peers, messages = people(40), 1
    arguments = ["--forward", "https://t.me/some_channel/1"]
    if kind == "album":
        bot.write("a.png", png())
        bot.write("b.png", png(9))
        arguments, messages = ["Our album", "--file", "a.png", "--file", "b.png"], 2
    if kind == "topics":
        peers = [f"@forum_group{number}/{topic}" for number in range(10) for topic in (2, 3)]
        arguments = ["Our news"]
    bot.write_contacts(*peers)
    running: list[Child] = []
    telegram.world.at[7] = lambda: running[0].signal(signal.SIGKILL)
    running.append(bot.start(*arguments, "--yes", "--rate", "max"))
    assert running[0].process.wait(60) == -signal.SIGKILL
    assert bot.run("resume", "--rate", "max").code == 0
    received = Counter((message.peer, message.topic) for message in telegram.received())
    assert set(received.values()) == {messages}
    assert len(received) == len(peers)


@pytest.mark.parametrize(
    ("name", "content", "text", "words"),
    [
        ("none.png", None, "x", "none.png: cannot be read"),
        ("empty.pdf", b"", "x", "is empty"),
        ("a.jpg", b"no picture", "x", "not such a picture"),
        ("a.jpg", jpeg()[:-1], "x", "the end of it is missing"),
        ("wide.png", png(201, 10), "x", "201 x 10. Crop it, or send it with --as-document"),
        ("big.png", png() + bytes(10 * 2**20), "x", "10.0 MB"),
        ("a.png", png(), "x" * 1025, "1024"),
    ],
)
def test_a_wrong_file_is_told_before_anything_is_sent(  # noqa: PLR0917
    person: Cli, telegram: Telegram, name: str, content: bytes | None, text: str, words: str
) -> None:
    person.write_contacts("@ana")
    if content is not None:
        person.write(name, content)
    ended = send(person, text, "--file", name, code=2)
    assert words in ended.err
    assert "nothing was sent" in ended.err
    assert telegram.received() == []


def test_a_file_that_changes_between_start_and_resume(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*people(30))
    bot.write("a.pdf", b"one")
    refuse(telegram, functions.messages.SendMediaRequest, "PEER_FLOOD", times=1)
    ended = bot.run("send", "x", "--file", "a.pdf", "--yes", "--json")
    assert ended.code == 3
    bot.write("a.pdf", b"two")
    telegram.world.before = lambda _, __: None
    before = len(telegram.received())
    changed = bot.run("resume")
    assert changed.code == 3
    assert "has changed since" in changed.err
    assert len(telegram.received()) == before
    bot.write("a.pdf", b"one")
    assert bot.run("resume").code == 0
    assert Counter(str(message.peer) for message in telegram.received()) == Counter(people(30))


# -- buttons, flags, forwards --


def test_buttons_of_a_bot(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*people(2))
    send(bot, "Our shop", "--row", "A=https://a.b/?x=1 | B=https://b.c", "--row", "C=https://c.d")
    for message in telegram.received():
        rows = [[tuple(button) for button in row] for row in message.buttons]
        first = [("A", "https://a.b/?x=1"), ("B", "https://b.c")]
        assert rows == [first, [("C", "https://c.d")]]
    ended = send(bot, "Fix me", "--button", "D=https://d.e")
    bot.run("edit", ended.summary["broadcast"], "Fixed", "--button", "E=https://e.f", "--yes")
    fixed = [message for message in telegram.received() if message.text == "Fixed"]
    assert [message.buttons[0][0][0] for message in fixed] == ["E", "E"]


def test_each_one_has_their_own_buttons(bot: Cli, telegram: Telegram) -> None:
    bot.write(
        "contacts.yaml",
        "contacts:\n"
        "  - {peer: '@ana', name: Ana Ruiz, fields: {order: 'a/1 &'}}\n"
        "  - {peer: '@ben', name: '*Ben_', fields: {order: '2'}}\n"
        "  - {peer: '@carl', name: Carl}\n",
    )
    button = "Order of {{ first_name }}=https://e.org/?o={{ order | urlencode }}"
    message = ["Hi", "--template", "--button", button]
    ended = send(bot, *message, code=2)
    assert "contacts.yaml:4: Carl: the button 'Order of {{ first_name }}'" in ended.err
    assert telegram.received() == []
    shown = bot.run("preview", *message, "--exclude", "@carl")
    assert "[ Order of Ana ]" in shown.out
    ended = send(bot, *message, "--exclude", "@carl")
    (to_ana,), (to_ben,) = arrived(telegram, "@ana"), arrived(telegram, "@ben")
    assert tuple(to_ana.buttons[0][0]) == ("Order of Ana", "https://e.org/?o=a%2F1%20%26")
    assert tuple(to_ben.buttons[0][0]) == ("Order of *Ben_", "https://e.org/?o=2")
    broadcast = ended.summary["broadcast"]
    wrong = bot.run("edit", broadcast, "Hi {{ nick }}", "--template", "--yes")
    assert (wrong.code, wrong.out) == (2, "")
    assert f"broadcast {broadcast}: Ana Ruiz: line 1 of the template" in wrong.err
    assert [message.text for message in telegram.received()] == ["Hi", "Hi"]
    fixed = bot.run("edit", broadcast, "Hey", "--template", "--button", button, "--yes")
    assert fixed.code == 0, fixed.err
    shown = bot.run("preview", *message[:2], "--row", f"{button} | B=https://b.c", "--to", "@ana")
    assert "[ Order of Ana ] [ B ]" in shown.out


def test_an_edit_keeps_to_the_rules_of_a_message(person: Cli, telegram: Telegram) -> None:
    for name in ("a.png", "b.png"):
        person.write(name, png())
    person.write(
        "contacts.yaml",
        "contacts:\n  - '@ana'\n  - {peer: '@ben', message: {files: [a.png]}}\n",
    )
    broadcast = send(person, "x").summary["broadcast"]
    ended = person.run("edit", broadcast, "x", "--button", "A=https://a.b", "--yes")
    assert "buttons are for bots" in ended.err
    ended = person.run("edit", broadcast, "y" * 1025, "--yes")  # the caption of Ben's picture
    assert f"broadcast {broadcast}: @ben: the caption is too long" in ended.err
    album = send(person, "x", "--file", "a.png", "--file", "b.png").summary["broadcast"]
    ended = person.run("edit", album, "y", "--button", "A=https://a.b", "--yes")
    assert "cannot be put under an album" in ended.err
    assert {message.text for message in telegram.received()} == {"x", ""}


def test_a_person_has_no_buttons(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@ana")
    ended = send(person, "Our shop", "--button", "A=https://a.b", code=2)
    assert "buttons are for bots" in ended.err
    assert telegram.received() == []


def test_silent_protected_and_with_an_effect(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts("@ana")
    send(bot, "x", "--silent", "--protect", "--effect", "5104841245755180586")
    (message,) = arrived(telegram, "@ana")
    assert (message.silent, message.protected, message.effect) == (True, True, 5104841245755180586)


def test_pinned_in_groups(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@some_group", "@nopin_group", "@ana")
    ended = send(person, "x", "--pin")
    assert [message.pinned for message in arrived(telegram, "@some_group")] == [True]
    assert [message.pinned for message in arrived(telegram, "@nopin_group")] == [False]
    assert [message.pinned for message in arrived(telegram, "@ana")] == [False]
    assert ended.deliveries["@nopin_group"]["status"] == "sent"
    assert "not pinned" in ended.deliveries["@nopin_group"]["note"]


def test_topics_of_a_forum(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@forum_group/2", "@forum_group/3", "@forum_group/4", "@forum_group")
    ended = send(person, "x", code=1)
    topics = [message.topic for message in arrived(telegram, "@forum_group")]
    assert sorted(topics, key=str) == [1, 2, 3]
    assert ended.deliveries["@forum_group/4"]["error"] == "TOPIC_CLOSED"


def test_replies(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@some_group")
    first = send(person, "first").deliveries["@some_group"]["message_id"]
    send(person, "the second", "--reply-to", str(first))
    assert [message.reply_to for message in arrived(telegram, "@some_group")] == [None, first]


def test_sent_as_a_channel(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@some_group")
    ended = send(person, "x", "--send-as", "@unknown_channel", code=2)
    assert "to send as" in ended.err
    assert telegram.received() == []


@pytest.mark.parametrize("hidden", [False, True])
def test_forwards(person: Cli, telegram: Telegram, hidden: bool) -> None:
    person.write_contacts(*FRIENDS)
    options = ["--without-author"] if hidden else []
    telegram.world.at[2] = telegram.drop_connections
    send(person, "--forward", "https://t.me/some_channel/1", *options)
    for friend in FRIENDS:
        (message,) = arrived(telegram, friend)
        assert message.text.startswith("Welcome")
        assert (message.forwarded_from is None) is hidden


def test_a_forward_that_cannot_be_stops_before_everybody(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@ana", "@ben")
    for link in ("https://t.me/some_channel/999", "https://t.me/unknown_channel/1"):
        ended = person.run("--forward", link, "--concurrency", "1", "--json")
        assert ended.code == 2, ended.err
        assert link.rpartition("/")[0] in ended.err
        assert "FORWARD_INVALID" in ended.err or "FORWARD_CHAT_INVALID" in ended.err
        assert (ended.summary["failed"], ended.summary["skipped"]) == (0, 2)
    assert telegram.received() == []
    assert "no broadcast is unfinished" in person.run("resume").err  # it can never be sent


def test_a_protected_chat_stops_a_forward_once(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*people(100))
    ended = bot.run("--forward", "https://t.me/protected_channel/1", "--json")
    assert ended.code == 2, ended.err
    assert "protects its content; send the text and files as a message of your own" in ended.err
    assert (ended.summary["failed"], ended.summary["skipped"]) == (0, 100)
    assert telegram.received() == []


def test_the_list_and_the_message_may_come_through_pipes(person: Cli, telegram: Telegram) -> None:
    for name in ("list", "message"):
        os.mkfifo(person.directory / name)
    running = person.start("--contacts", "list", "--message-file", "message")
    (person.directory / "message").write_text("Hello there")
    (person.directory / "list").write_text("- '@ana'\n")
    assert running.wait().code == 0
    assert [message.text for message in arrived(telegram, "@ana")] == ["Hello there"]


# -- one schema --


def test_a_message_file_says_all_of_it(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts("@ana")
    (bot.directory / "news").mkdir()
    bot.write("news/a.png", png())
    bot.write(
        "news/message.md",
        "---\nformat: html\nfiles: [a.png]\nsilent: yes\nprotect: yes\n---\n<b>News</b> *\n",
    )
    send(bot, "--message-file", "news/message.md")
    (message,) = arrived(telegram, "@ana")
    assert (message.text, message.silent, message.protected) == ("News *", True, True)
    assert message.file
    assert message.file.sha256 == sha256(png())


def test_a_contact_may_say_otherwise(person: Cli, telegram: Telegram) -> None:
    person.write("invoice.pdf", b"invoice")
    person.write(
        "contacts.yaml",
        "contacts:\n"
        "  - '@ana'\n"
        "  - peer: '@ben'\n"
        "    message: {text: 'Only *you*', format: plain, silent: yes, files: [invoice.pdf]}\n",
    )
    send(person, "To **all**")
    (to_ana,), (to_ben,) = arrived(telegram, "@ana"), arrived(telegram, "@ben")
    assert (to_ana.text, to_ana.silent, to_ana.file) == ("To all", False, None)
    assert (to_ben.text, to_ben.silent) == ("Only *you*", True)
    assert to_ben.file
    assert to_ben.file.sha256 == sha256(b"invoice")


# -- preview --


def test_a_preview_sends_nothing_and_a_test_goes_to_oneself(
    person: Cli, telegram: Telegram
) -> None:
    person.write(
        "contacts.yaml", "contacts:\n  - {peer: '@ana', name: Ana}\n  - {peer: '@ben', name: Ben}\n"
    )
    message = ["Hi **{{ name }}**", "--template"]
    shown = person.run("preview", *message)
    assert "Hi Ana" in shown.out
    assert "Hi Ben" in shown.out
    rows = [json.loads(line) for line in person.run("preview", *message, "--json").out.splitlines()]
    assert [row["type"] for row in rows] == ["preview", "preview"]
    assert telegram.received() == []
    assert person.run("preview", *message, "--test", "--to", "@ben").code == 0
    (test,) = telegram.received()
    assert test.text == "Hi Ben"
    assert test.peer == test.sender
    assert person.run("preview", *message, "--test-peer", "@carl").code == 0
    assert [message.text for message in arrived(telegram, "@carl")] == ["Hi Ana"]


def test_a_file_that_shrinks_during_its_upload_reaches_nobody(
    person: Cli, telegram: Telegram
) -> None:
    content = random.Random(3).randbytes(12 * 2**20)
    person.write("catalogue.pdf", content)
    person.write_contacts("@ana")

    def before(_key_id: int, request: TLRequest) -> None:
        while hasattr(request, "query"):
            request = request.query
        if isinstance(request, functions.upload.SaveBigFilePartRequest):
            person.write("catalogue.pdf", content[: 2**20 + 5])

    telegram.world.before = before
    ended = person.run("Our catalogue", "--file", "catalogue.pdf")
    assert ended.code == 3
    assert "has changed" in ended.err
    assert telegram.received() == []


def test_a_file_that_changes_during_its_upload_reaches_nobody(
    person: Cli, telegram: Telegram
) -> None:
    content = random.Random(2).randbytes(12 * 2**20)
    person.write("catalogue.pdf", content)
    person.write_contacts("@ana")
    parts = [0]

    def before(_key_id: int, request: TLRequest) -> None:
        while hasattr(request, "query"):
            request = request.query
        if isinstance(request, functions.upload.SaveBigFilePartRequest):
            parts[0] += 1
            if parts[0] == 4:
                person.write("catalogue.pdf", b"other" + content[5:-5] + b"other")

    telegram.world.before = before
    ended = person.run("Our catalogue", "--file", "catalogue.pdf")
    assert ended.code == 3
    assert "has changed" in ended.err
    assert telegram.received() == []
    telegram.world.before = lambda _, __: None
    person.write("catalogue.pdf", content)
    assert person.run("resume").code == 0
    (message,) = arrived(telegram, "@ana")
    assert message.file
    assert message.file.sha256 == sha256(content)


def test_what_is_no_file_is_refused(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@ana")
    os.mkfifo(person.directory / "pipe")
    for path in ("pipe", ".", "/dev/zero"):
        ended = send(person, "Look", "--file", path, code=2)
        assert "nothing was sent" in ended.err
        assert "cannot be read" not in ended.err
    assert telegram.received() == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{not_later_than: 1h}", "for a message with a time"),
        ("{forward: 'https://t.me/some_channel/1', text: x}", "as it is"),
    ],
)
def test_a_contact_cannot_say_what_nobody_can(
    person: Cli, telegram: Telegram, said: str, words: str
) -> None:
    person.write("contacts.yaml", f"contacts:\n  - {{peer: '@ana', message: {said}}}\n")
    ended = send(person, "To all", code=2)
    assert "contacts.yaml:2:" in ended.err
    assert words in ended.err
    assert telegram.received() == []


def test_an_option_takes_back_what_a_file_says(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@ana")
    person.write("message.md", "---\nsilent: yes\n---\nHello there")
    send(person, "--message-file", "message.md", "--no-silent")
    assert [message.silent for message in arrived(telegram, "@ana")] == [False]
