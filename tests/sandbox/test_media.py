from __future__ import annotations

import pytest
from telethon.tl import functions, types

from broadcast.sandbox.world import RpcError
from tests.sandbox.asking import ME, PNG, again, bot, free_world, messages_of, user

video = types.DocumentAttributeVideo(1, 1, 1)
audio = types.DocumentAttributeAudio(1)
voice = types.DocumentAttributeAudio(1, voice=True)


def test_a_photo_arrives_with_its_caption():
    client = user()
    bold = types.MessageEntityBold(0, 3)
    photo = types.InputMediaUploadedPhoto(client.upload(PNG, "car.png"), spoiler=True)
    answer = client.send_media(client.find("ana"), photo, "my car", 7, entities=[bold])
    assert answer.updates[0] == types.UpdateMessageID(1, 7)
    (message,) = messages_of(answer)
    assert message.media.spoiler
    assert (message.message, message.entities) == ("my car", [bold])
    (arrived,) = client.world.inbox()
    assert (arrived.text, arrived.spoiler, arrived.file.name) == ("my car", True, "car.png")
    assert arrived.file.kind == "photo"


def test_one_upload_serves_everybody():
    client = user()
    media = client.photo()
    for number in range(200):
        client.send_media(client.find(f"friend{number}"), media, random_id=number + 1)
    assert client.world.uploaded == len(PNG)
    assert len({message.file for message in client.world.inbox()}) == 1


def test_a_caption_may_be_empty_and_has_1024_units():
    client = user()
    media = client.photo()
    client.send_media(ME, media, "", 1)
    client.send_media(ME, media, "🚗" * 512, 2)
    with pytest.raises(RpcError, match="MEDIA_CAPTION_TOO_LONG"):
        client.send_media(ME, media, "🚗" * 512 + "x", 3)
    premium = user(client.world, "+34600000008", key_id=2)
    premium.send_media(ME, premium.photo(), "x" * 4096)


@pytest.mark.parametrize(
    ("media", "name"),
    [
        (types.InputMediaEmpty(), "MEDIA_EMPTY"),
        (types.InputMediaDice("🎲"), "MEDIA_INVALID"),
        (types.InputMediaPhoto(types.InputPhotoEmpty()), "MEDIA_EMPTY"),
    ],
)
def test_other_media_are_refused_and_not_ignored(media, name):
    client = user()
    with pytest.raises(RpcError, match=name):
        client.send_media(ME, media)
    assert not list(client.world.inbox())


@pytest.mark.parametrize("name", ["blocked_ana", "private_channel", "flood_ana", "paid_group"])
def test_the_name_decides_about_files_too_before_anything_is_kept(name):
    client = user()
    peer, media = client.find(name), client.photo()
    files = len(client.world._state.files)
    uploaded = types.InputMediaUploadedPhoto(client.upload(PNG))
    for ask in (
        lambda: client.send_media(peer, uploaded),
        lambda: client.send_album(client.find(f"{name}_again"), [media, media]),
    ):
        with pytest.raises(RpcError):
            ask()
    assert not list(client.world.inbox())
    assert len(client.world._state.files) == files


@pytest.mark.parametrize(
    ("name", "attributes", "error"),
    [
        ("nomedia_group", (), "CHAT_SEND_DOCS_FORBIDDEN"),
        ("nomedia_group", (video,), "CHAT_SEND_VIDEOS_FORBIDDEN"),
        ("nomedia_ana", (voice,), "VOICE_MESSAGES_FORBIDDEN"),
    ],
)
def test_some_take_no_files_but_texts(name, attributes, error):
    client = user()
    peer, media = client.find(name), client.document(b"x", *attributes)
    with pytest.raises(RpcError, match=error):
        client.send_media(peer, media)
    client.send(peer)
    client.send_media(client.find("nomedia_bruno"), client.photo())
    assert len(list(client.world.inbox())) == 2


def test_a_repeat_returns_the_first_file_whatever_is_sent_now():
    client = user()
    first = client.send_media(ME, client.photo(), "one", 5)
    wrong = types.InputMediaPhoto(types.InputPhoto(1, 2, b"3"))
    repeated = client.send_media(ME, wrong, "two", 5)
    assert bytes(messages_of(first)[0]) == bytes(messages_of(repeated)[0])
    assert len(list(client.world.inbox())) == 1


@pytest.mark.parametrize("name", ["ana", "some_group", "some_channel", "x_forum"])
def test_an_album_is_one_group(name):
    client = bot()
    peer = client.find(name)
    client.send(peer, "before", random_id=99)
    answer = client.send_album(peer, [client.photo(), client.document(b"v", video)], 10)
    ids = [update.id for update in answer.updates if isinstance(update, types.UpdateMessageID)]
    messages = messages_of(answer)
    assert [message.id for message in messages] == ids
    (group,) = {message.grouped_id for message in messages}
    assert group > 0
    _, *album = client.world.inbox()
    assert [message.album for message in album] == [group, group]
    assert [message.text for message in album] == ["number 10", "number 11"]
    other = client.send_album(peer, [client.photo(), client.photo()], 20)
    assert {message.grouped_id for message in messages_of(other)} != {group}


def test_a_repeated_album_stores_nothing():
    client = user()
    medias = [client.photo(), client.photo()]
    first = client.send_album(ME, medias, 10)
    repeated = client.send_album(ME, [client.document(b"x", audio), *medias[1:]], 10)
    assert [bytes(m) for m in messages_of(first)] == [bytes(m) for m in messages_of(repeated)]
    assert len(list(client.world.inbox())) == 2


def test_of_an_album_that_was_sent_in_part_the_rest_is_sent():
    client = user()
    photo = client.photo()
    client.send_media(ME, photo, random_id=11)
    answer = client.send_album(ME, [photo, photo, photo], 10)
    assert [message.id for message in messages_of(answer)] == [2, 1, 3]
    assert len(list(client.world.inbox())) == 3


@pytest.mark.parametrize(
    "attributes",
    [
        [(), ()],
        [(video,), (video,)],
        [(audio,), (audio,)],
    ],
)
def test_like_goes_with_like(attributes):
    client = user()
    client.send_album(ME, [client.document(b"x", *each) for each in attributes])
    assert len(list(client.world.inbox())) == 2


@pytest.mark.parametrize(
    "attributes",
    [
        [(), (video,)],
        [(audio,), ()],
        [(audio,), (video,)],
        [(voice,), (voice,)],
    ],
)
def test_unlike_does_not(attributes):
    client = user()
    with pytest.raises(RpcError, match="MEDIA_INVALID"):
        client.send_album(ME, [client.document(b"x", *each) for each in attributes])
    assert not list(client.world.inbox())


def test_an_album_has_two_to_ten_files_which_were_uploaded_before():
    client = user()
    photo = client.photo()
    with pytest.raises(RpcError, match="MULTI_MEDIA_TOO_LONG"):
        client.send_album(ME, [photo] * 11)
    with pytest.raises(RpcError, match="MEDIA_EMPTY"):
        client.send_album(ME, [photo])
    uploaded = types.InputMediaUploadedPhoto(client.upload(PNG))
    with pytest.raises(RpcError, match="MEDIA_INVALID"):
        client.send_album(ME, [photo, uploaded])
    client.send_album(ME, [photo] * 10)


def test_an_album_names_the_file_whose_reference_has_expired():
    client = user(free_world(file_reference_seconds=100))
    old = client.photo()
    client.now += 101
    with pytest.raises(RpcError, match="FILE_REFERENCE_1_EXPIRED"):
        client.send_album(ME, [client.photo(), old])


def test_an_album_counts_as_its_number_of_messages():
    world = free_world(chat_messages_per_second=1.0, chat_burst=3)
    client = user(world)
    ana, photo = client.find("ana"), client.photo()
    client.send_album(ana, [photo] * 10)
    with pytest.raises(RpcError, match="FLOOD_WAIT_8"):
        client.send(ana, random_id=99)
    client.now += 8
    client.send(ana, random_id=99)


def test_an_album_above_the_free_rate_costs_as_many_stars():
    client = bot(free_world(bot_messages_per_second=1.0, bot_burst=1))
    ana, photo = client.find("ana"), client.photo()
    client.send(ana, random_id=50)
    client.send_album(ana, [photo] * 4, allow_paid_floodskip=True)
    assert client.world.stars_spent(777_000_111) * 10 == 4


def test_a_caption_can_be_edited_and_keeps_its_file():
    client = user()
    client.send_media(ME, client.photo(), "one")
    edit = functions.messages.EditMessageRequest
    (message,) = messages_of(client.ask(edit(ME, 1, message="two")))
    assert (message.message, bool(message.media)) == ("two", True)
    client.ask(edit(ME, 1, message=""))
    with pytest.raises(RpcError, match="MEDIA_CAPTION_TOO_LONG"):
        client.ask(edit(ME, 1, message="x" * 1025))
    with pytest.raises(RpcError, match="MESSAGE_NOT_MODIFIED"):
        client.ask(edit(ME, 1, message=""))


def test_a_file_can_be_put_in_place_of_another():
    client = user()
    client.send_media(ME, client.photo(), "one")
    edit = functions.messages.EditMessageRequest
    other = client.document(b"other")
    client.ask(edit(ME, 1, media=other))
    (message,) = client.world.inbox()
    assert (message.text, message.file.kind) == ("one", "document")
    with pytest.raises(RpcError, match="MESSAGE_NOT_MODIFIED"):
        client.ask(edit(ME, 1, media=other))
    fresh = types.InputMediaUploadedPhoto(client.upload(PNG))
    (message,) = messages_of(client.ask(edit(ME, 1, message="three", media=fresh)))
    assert again(message.media).id.id == message.media.photo.id


def test_in_an_album_a_file_is_replaced_by_its_like():
    client = user()
    client.send_album(ME, [client.photo(), client.photo()])
    edit = functions.messages.EditMessageRequest
    with pytest.raises(RpcError, match="MEDIA_GROUPED_INVALID"):
        client.ask(edit(ME, 1, media=client.document(b"x", audio)))
    client.ask(edit(ME, 1, media=client.document(b"x", video)))
    assert len({message.album for message in client.world.inbox()}) == 1


def test_an_album_can_be_deleted_in_part_and_as_a_whole():
    client = user()
    client.send_album(ME, [client.photo()] * 3)
    client.ask(functions.messages.DeleteMessagesRequest([2], revoke=True))
    assert len({message.album for message in client.world.inbox()}) == 1
    client.ask(functions.messages.DeleteMessagesRequest([1, 3], revoke=True))
    assert not list(client.world.inbox())


def test_the_difference_tells_of_files_and_albums():
    client = user()
    state = client.ask(functions.updates.GetStateRequest())
    sent = messages_of(client.send_album(ME, [client.photo()] * 2))
    ask = functions.updates.GetDifferenceRequest(state.pts, state.date, state.qts)
    told = client.ask(ask).new_messages
    assert [message.grouped_id for message in told] == [message.grouped_id for message in sent]
    assert [message.media.photo.id for message in told] == [m.media.photo.id for m in sent]
