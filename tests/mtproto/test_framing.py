import asyncio
import struct
from contextlib import suppress
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.network.connection.tcpabridged import AbridgedPacketCodec
from telethon.network.connection.tcpfull import FullPacketCodec
from telethon.network.connection.tcpintermediate import (
    IntermediatePacketCodec,
    RandomizedIntermediatePacketCodec,
)

from broadcast.mtproto.framing import MAX_PACKET, FramingError, PacketStream

CODECS = {
    "full": (b"", FullPacketCodec),
    "abridged": (b"\xef", AbridgedPacketCodec),
    "intermediate": (b"\xee" * 4, IntermediatePacketCodec),
    "padded": (b"\xdd" * 4, RandomizedIntermediatePacketCodec),
}
# Around 127 words abridged changes the form of its length.
packets = st.one_of(
    st.integers(1, 40).map(lambda words: bytes(range(4)) * words),
    st.sampled_from([126, 127, 128, 5000]).map(lambda words: b"abcd" * words),
)


def stream_of(name, sent):
    tag, codec = CODECS[name]
    encode = codec(None).encode_packet
    return tag + b"".join(map(encode, sent))


def take_all(stream):
    taken = []
    while (packet := stream.next_packet()) is not None:
        taken.append(packet)
    return taken


@given(st.sampled_from(list(CODECS)), st.lists(packets, min_size=1), st.data())
def test_any_chunking_gives_the_packets_that_telethon_sent(name, sent, data):
    raw = stream_of(name, sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=10)))
    stream, taken = PacketStream(), []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        stream.feed(raw[start:end])
        taken += take_all(stream)
    if name == "padded":  # its packets end in up to three bytes that the encrypted part cuts off
        taken = [packet[: len(packet) // 4 * 4] for packet in taken]
    assert taken == sent


@given(st.sampled_from(list(CODECS)), st.lists(packets, min_size=1, max_size=5))
def test_telethon_reads_what_is_wrapped(name, sent):
    stream = PacketStream()
    stream.feed(stream_of(name, [b"helo"]))
    assert len(take_all(stream)) == 1

    async def read():
        reader = asyncio.StreamReader()
        reader.feed_data(b"".join(map(stream.wrap, sent)))
        reader.feed_eof()
        codec = CODECS[name][1](None)
        return [await codec.read_packet(reader) for _ in sent]

    with asyncio.Runner() as runner:
        assert runner.run(read()) == sent


@given(st.binary(), st.booleans())
def test_garbage_raises_nothing_but_a_framing_error(garbage, in_two):
    stream = PacketStream()
    with suppress(FramingError):
        for part in (garbage[:7], garbage[7:]) if in_two else (garbage,):
            stream.feed(part)
            take_all(stream)


@pytest.mark.parametrize("name", CODECS)
@given(garbage=st.binary(max_size=64))
def test_garbage_after_a_tag_raises_nothing_but_a_framing_error(name, garbage):
    stream = PacketStream()
    stream.feed(stream_of(name, [b"helo"]) + garbage)
    with suppress(FramingError):
        take_all(stream)


@given(st.integers(0, 8 * 20 - 1))
def test_a_full_packet_with_a_changed_bit_is_refused_or_waits_for_more(bit):
    raw = bytearray(stream_of("full", [b"sixteenb"]))
    raw[bit // 8] ^= 1 << bit % 8
    stream = PacketStream()
    stream.feed(bytes(raw))
    with suppress(FramingError):
        assert take_all(stream) == []


def test_a_wrong_checksum_is_refused():
    raw = stream_of("full", [b"helo"])
    stream = PacketStream()
    stream.feed(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(FramingError, match="checksum"):
        stream.next_packet()


def test_full_packets_come_in_their_order():
    raw = stream_of("full", [b"one1", b"two2"])
    stream = PacketStream()
    stream.feed(raw[16:])
    with pytest.raises(FramingError, match="number 1 came instead of 0"):
        stream.next_packet()


def test_our_full_packets_are_numbered():
    stream = PacketStream()
    stream.feed(stream_of("full", [b"helo"]))
    take_all(stream)
    for number in range(3):
        body = struct.pack("<II", 16, number) + b"helo"
        assert stream.wrap(b"helo") == body + struct.pack("<I", crc32(body))


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack("<II", MAX_PACKET + 16, 0),
        struct.pack("<II", 8, 0),
        b"GET / HTTP/1.1\r\n",
        b"\xee" * 4 + struct.pack("<I", MAX_PACKET + 4),
        b"\xee" * 4 + bytes(4),
        b"\xef\x7f\xff\xff\xff",
        b"\xef\x00",
        b"\xef\x81",
    ],
)
def test_an_impossible_length_is_refused_before_anything_is_kept(raw):
    stream = PacketStream()
    stream.feed(raw)
    with pytest.raises(FramingError):
        stream.next_packet()


def test_nothing_is_wrapped_before_the_client_chose():
    with pytest.raises(FramingError):
        PacketStream().wrap(b"helo")
