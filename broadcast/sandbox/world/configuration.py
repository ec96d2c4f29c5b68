"""What every client asks before it signs in: help.*. There is one data centre: this server."""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from telethon.tl import types

if TYPE_CHECKING:
    from broadcast.sandbox.limits.numbers import Limits

DC_ID = 2  # Telegram's test servers are DC 2 as well

Address = tuple[str, int]

_FOR_EVER = 2_147_483_647  # means that there is no limit


def get_config(address: Address, limits: Limits, now: float) -> types.Config:
    """help.getConfig. The numbers that do not matter here are Telegram's."""
    host, port = address
    date = datetime.fromtimestamp(int(now), UTC)
    return types.Config(
        date=date,
        expires=date + timedelta(hours=1),
        test_mode=True,
        this_dc=DC_ID,
        dc_options=[types.DcOption(DC_ID, host, port, static=True)],
        dc_txt_domain_name="",
        chat_size_max=200,
        megagroup_size_max=200_000,
        forwarded_count_max=100,
        online_update_period_ms=210_000,
        offline_blur_timeout_ms=5_000,
        offline_idle_timeout_ms=30_000,
        online_cloud_timeout_ms=300_000,
        notify_cloud_delay_ms=30_000,
        notify_default_delay_ms=1_500,
        push_chat_period_ms=60_000,
        push_chat_limit=2,
        edit_time_limit=_seconds(limits.edit_seconds),
        revoke_time_limit=_seconds(limits.delete_seconds),
        revoke_pm_time_limit=_seconds(limits.delete_seconds),
        rating_e_decay=2_419_200,
        stickers_recent_limit=200,
        channels_read_media_period=604_800,
        call_receive_timeout_ms=20_000,
        call_ring_timeout_ms=90_000,
        call_connect_timeout_ms=30_000,
        call_packet_timeout_ms=10_000,
        me_url_prefix="https://t.me/",
        caption_length_max=limits.caption_length,
        message_length_max=limits.text_length,
        webfile_dc_id=DC_ID,
    )


def get_nearest_dc(_address: Address, _limits: Limits, _now: float) -> types.NearestDc:
    """help.getNearestDc."""
    return types.NearestDc(country="ES", this_dc=DC_ID, nearest_dc=DC_ID)


def get_app_config(_address: Address, _limits: Limits, _now: float) -> types.help.AppConfig:
    """help.getAppConfig."""
    return types.help.AppConfig(hash=0, config=types.JsonObject([]))


def _seconds(limit: float | None) -> int:
    return _FOR_EVER if limit is None else int(limit)
