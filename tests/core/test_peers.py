"""How recipients may be written, and that nothing else is taken for one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.model import Peer, PeerKind
from broadcast.core.peers import PeerError, parse_peer

PIECES = (  # noqa: SIM905 - read as pieces, not as a column
    "@ + - 34600000001 0 (0) t.me/ https:// tg://join?invite= tg://resolve?domain= phone= "
    "joinchat/ c/ s/ tg://user?id= .t.me E+10 00 "
    "ana Ana_1 me [ ? / AbCdEfGh \x1b[31m \u202a \ud800 \u0663 99999999999999999"
).split(" ")
pieces = st.lists(st.sampled_from([*PIECES, " "])).map("".join)


def canonical(peer: Peer) -> str:
    """A spelling made from the normalised value alone."""
    match peer.kind:
        case PeerKind.USERNAME:
            return "@" + peer.value
        case PeerKind.INVITE:
            return "https://t.me/joinchat/" + peer.value
        case _:
            return peer.value


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("@friend1__username", "username:friend1__username"),
        ("  @Ana ", "username:ana"),
        ("https://t.me/ana", "username:ana"),
        ("t.me/Ana", "username:ana"),
        ("http://telegram.me/ana/15", "username:ana"),
        ("https://t.me/s/ana", "username:ana"),
        ("https://t.me/ana?start=1", "username:ana"),
        ("tg://resolve?domain=Ana", "username:ana"),
        ("+34600000001", "phone:+34600000001"),
        ("+34 600 00-00 01", "phone:+34600000001"),
        ("+1 (212) 555.0100", "phone:+12125550100"),
        ("+34.600/000.001", "phone:+34600000001"),
        ("(+34) 600 000 001", "phone:+34600000001"),
        ("0034600000001", "phone:+34600000001"),
        ("00 34 600-000-001", "phone:+34600000001"),
        ("+34 600\u2011000\u2011001", "phone:+34600000001"),
        ("https://t.me/+34600000001", "phone:+34600000001"),
        ("tg://resolve?phone=34600000001", "phone:+34600000001"),
        ("tg://resolve?phone=%2B34600000001&text=hi", "phone:+34600000001"),
        ("https://t.me/+34600000001?text=hi", "phone:+34600000001"),
        ("tg://resolve?domain=ana&start=7", "username:ana"),
        ("tg:resolve?domain=ana", "username:ana"),
        ("TG://resolve?domain=@ana", "username:ana"),
        ("tg://user?id=123456789", "id:123456789"),
        ("t.me/@ana", "username:ana"),
        ("https://t.me/@Ana?start=1", "username:ana"),
        ("ana.t.me", "username:ana"),
        ("https://Ana.t.me/15?single", "username:ana"),
        ("123456789", "id:123456789"),
        ("-1001234567890", "id:-1001234567890"),
        ("9223372036854775807", "id:9223372036854775807"),
        ("https://t.me/c/1234567890/7", "id:-1001234567890"),
        ("https://t.me/+AbCdEfGhIjKl", "invite:AbCdEfGhIjKl"),
        ("https://t.me/joinchat/AbCdEfGhIjKl", "invite:AbCdEfGhIjKl"),
        ("tg://join?invite=AbCdEfGhIjKl", "invite:AbCdEfGhIjKl"),
        ("me", "me:me"),
        ("ME", "me:me"),
    ],
)
def test_every_official_spelling_is_understood(written: str, key: str) -> None:
    assert parse_peer(written).key == key
    assert parse_peer(written).text == written.strip()


def test_the_marks_of_a_phone_book_are_no_part_of_a_number() -> None:
    # What an iPhone copies from its contacts.
    peer = parse_peer("\u202a+34\u00a0600\u00a0000\u00a0001\u202c")
    assert (peer.text, peer.key) == ("+34 600 000 001", "phone:+34600000001")


def test_a_channel_link_with_a_short_number_gives_the_id_that_telegram_uses() -> None:
    assert parse_peer("t.me/c/77/1").value == "-1000000000077"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "expected @username"),
        ("ana", "write @ana"),
        ("Ana García", "is not a recipient"),
        ("@an", "3 to 32"),
        ("@1ana", "a letter first"),
        ("@ana maria", "is not a username"),
        ("@añá", "is not a username"),
        ("@" + "a" * 33, "3 to 32"),
        ("+34", "7 to 15 digits"),
        ("+0600000001", "country's code"),
        ("+44 (0)20 7946 0018", "leave it out"),
        ("+346000000011234567", "7 to 15 digits"),
        ("0123", "is not a recipient"),
        ("12.5", "is not a recipient"),
        ("3.46E+10", "a spreadsheet has shortened a long number. Format its column as text"),
        ("3,46e10", "a spreadsheet has shortened"),
        ("34600000001.0", "made it a number with decimals"),
        ("+34600000001.0", "made it a number with decimals"),
        ("0034600000001,00", "made it a number with decimals"),
        ("+34600000001/02", "looks like two phone numbers"),
        ("+34 600 000 001 / 2", "looks like two phone numbers"),
        ("600 000 001", "a phone number starts with + and the country's code"),
        ("34-600-000-001", "a phone number starts with +"),
        ("0600000001", "a phone number starts with +"),
        ("00", "7 to 15 digits"),
        ("ana.t.me.example.com/x", "link to a chat"),
        ("https://t.me.t.me", "3 to 32"),
        ("an.t.me", "3 to 32"),
        ("tg://user?id=ana", "link to a chat"),
        ("tg:", "link to a chat"),
        ("9223372036854775808", "too large"),
        ("https://t.me/", "link to a chat"),
        ("https://example.com/ana", "link to a chat"),
        ("https://t.me@example.com/ana", "link to a chat"),
        ("ftp://t.me/ana", "link to a chat"),
        ("https://t.me/joinchat", "link to a chat"),
        ("https://t.me/addstickers/Animals", "link to a chat"),
        ("https://t.me/share/url?url=x", "link to a chat"),
        ("https://t.me/joinchat/short", "invitation"),
        ("https://t.me/c/-5", "is not a username"),
        ("https://[", "is not a link"),
        ("tg://resolve", "link to a chat"),
        ("t.me/an\na", "invisible"),
        ("t.me/ana?\x1b[31m", "invisible"),
        ("@ana\ud800", "invisible"),
    ],
)
def test_what_names_nobody_is_refused_with_what_was_expected(written: str, says: str) -> None:
    with pytest.raises(PeerError, match=re.escape(says)):
        parse_peer(written)


def test_digits_of_other_scripts_are_no_phone_and_no_id() -> None:
    for written in ("+٣٤٦٠٠٠٠٠٠٠١", "١٢٣٤٥٦", "https://t.me/+٣٤٦٠٠٠٠٠٠٠١", "٠٠٣٤٦٠٠٠٠٠٠٠١"):
        with pytest.raises(PeerError):
            parse_peer(written)


def test_a_complaint_stays_short_and_shows_no_control_characters() -> None:
    with pytest.raises(PeerError) as caught:
        parse_peer("x\x1b" * 100_000)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@given(st.text() | pieces)
def test_no_text_raises_anything_but_a_peer_error(text: str) -> None:
    try:
        peer = parse_peer(text)
    except PeerError as error:
        assert str(error).isprintable()  # noqa: PT017 - either way out is right
    else:
        assert peer.text.isprintable()
        assert peer.value.isascii()


@given(pieces)
def test_the_key_of_a_key_s_own_spelling_is_the_same(text: str) -> None:
    try:
        peer = parse_peer(text)
    except PeerError:
        return
    assert parse_peer(canonical(peer)).key == peer.key
    assert parse_peer(peer.text) == peer


@given(st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1).filter(bool))
def test_every_id_of_64_bits_is_kept_digit_by_digit(number: int) -> None:
    assert parse_peer(str(number)) == Peer(str(number), PeerKind.ID, str(number))


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{2,31}", fullmatch=True))
def test_case_and_spelling_of_a_username_do_not_make_another_peer(name: str) -> None:
    spellings = [f"@{name}", f"@{name.upper()}", f"tg://resolve?domain={name.lower()}"]
    keys = {parse_peer(spelling).key for spelling in spellings}
    assert keys == {f"username:{name.lower()}"}
