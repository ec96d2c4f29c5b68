"""Turns what is stored into records, and records into what is stored: for a restart.

memory/records.py is what a record looks like; this is what it does, and in which order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from broadcast.sandbox.memory import records
from broadcast.sandbox.memory.member import Account
from broadcast.sandbox.memory.message_log import FIRST_PTS, EventKind, MessageLog
from broadcast.sandbox.memory.schedule import ScheduledMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadcast.sandbox.memory.records import Record
    from broadcast.sandbox.memory.storage import Storage


def apply(storage: Storage, record: Record) -> None:
    """Make the change of a record again. Raises ValueError if it is unknown or out of order."""
    match record:
        case {"t": "message" | "edit" | "delete" | "pin", "owner": owner, "id": number}:
            log = storage.log_of_owner(owner)
            _apply_to_messages(storage, log, number, record)
            log.drained = log.pts
        case _ if _apply_to_people(storage, record) or _apply_to_files(storage, record):
            pass
        case _:
            raise ValueError(f"not a record of the sandbox: {record!r}")


def dump(storage: Storage) -> list[Record]:
    """All that is remembered, as records in an order in which they can be applied."""
    whole: list[Record] = [
        {"t": "spelling", "peer": peer, "spelling": spelling}
        for peer, spelling in sorted(storage.spellings.items())
    ]
    for _, account in sorted(storage.accounts.items()):
        whole.append(records.account_record(account))
        whole += (
            records.contact_record(account, user, *names)
            for user, names in sorted(account.contacts.items())
        )
        whole += (
            records.stranger_record(account, stranger, met)
            for stranger, met in sorted(account.strangers.items())
        )
        if account.stars_spent:
            whole.append(records.stars_record(account, account.stars_spent))
    whole += (
        {"t": "login", "key": key_id, "account": account, "let_in": let_in}
        for key_id, (account, let_in) in sorted(storage.logins.items())
    )
    whole += (
        {"t": "tripped", "account": account, "peer": peer}
        for account, peer in sorted(storage.failed_once)
    )
    if storage.uploaded:
        whole.append({"t": "uploaded", "bytes": storage.uploaded})
    whole += (records.file_record(number, file) for number, file in enumerate(storage.files))
    whole += (records.schedule_record(waiting) for waiting in storage.queue.waiting())
    whole += (records.unschedule_record(*past) for past in storage.queue.past())
    for log in storage.all_logs():
        whole += events(storage, log, FIRST_PTS)
    return whole


def events(storage: Storage, log: MessageLog, after: int) -> Iterator[Record]:
    """What happened after this pts. A message has its latest text already when it is new."""
    for event in log.events(after):
        if event.kind not in (EventKind.NEW, EventKind.EDITED):
            yield records.change_record(log.owner, event)
            continue
        number = event.number
        record: Record = {"t": "edit", "owner": log.owner, "id": number}
        if event.kind is EventKind.NEW:
            record["t"] = "message"
            record["other"] = log.others[number - 1]
            record["random_id"] = log.random_ids[number - 1]
        yield record | records.body_fields(storage.body(log, number)) | {"date": event.date}


def _apply_to_messages(storage: Storage, log: MessageLog, number: int, record: Record) -> None:
    is_new = record["t"] == "message"
    if number != len(log) + 1 if is_new else not log.shows(number):
        raise ValueError(f"{record['t']} {number} of {log.owner} follows message {len(log)}")
    if record["t"] == "delete":
        kind = EventKind.DELETED if record["for_all"] else EventKind.HIDDEN
        storage.change(log, kind, number, record["date"])
        return
    if record["t"] == "pin":
        storage.change(log, records.pin_kind(record), number, record["date"])
        return
    body = records.body_of(record)
    if is_new:
        storage.store(log, record["other"], record["random_id"], body, record["date"])
    else:
        storage.edit(log, number, body, record["date"])


def _apply_to_people(storage: Storage, record: Record) -> bool:
    match record:
        case {"t": "spelling", "peer": peer, "spelling": spelling}:
            storage.spellings[peer] = spelling
        case {"t": "account", "account": user_id}:
            names = record["first_name"], record["last_name"]
            storage.accounts[user_id] = Account(
                user_id, record["phone"], *names, record["is_bot"], MessageLog(user_id)
            )
        case {"t": "contact", "account": account, "user": user}:
            storage.accounts[account].contacts[user] = record["first_name"], record["last_name"]
        case {"t": "login", "key": key_id, "account": account, "let_in": let_in}:
            storage.logins[key_id] = account, let_in
        case {"t": "logout", "key": key_id}:
            storage.logins.pop(key_id, None)
        case {"t": "tripped", "account": account, "peer": peer}:
            storage.failed_once.add((account, peer))
        case {"t": "stranger", "account": account, "user": user, "date": met}:
            storage.accounts[account].strangers[user] = met
        case {"t": "stars", "account": account, "spent": spent}:
            storage.accounts[account].stars_spent = Decimal(spent)
        case _:
            return False
    return True


def _apply_to_files(storage: Storage, record: Record) -> bool:
    """Records of files, and of messages that wait."""
    match record:
        case {"t": "uploaded", "bytes": size}:
            storage.uploaded = size
        case {"t": "file", "id": number}:
            if number != len(storage.files):
                raise ValueError(f"file {number} follows file {len(storage.files)}")
            storage.files.append(records.file_of(record))
        case {"t": "schedule", "account": account, "peer": peer, "id": number, "at": at}:
            random_id, made = record["random_id"], record["date"]
            body = records.body_of(record)
            storage.queue.put(ScheduledMessage(account, peer, number, random_id, body, at, made))
        case {"t": "unschedule", "account": account, "peer": peer, "id": number}:
            storage.queue.take(account, peer, number, record["random_id"], record["sent"])
        case _:
            return False
    return True
