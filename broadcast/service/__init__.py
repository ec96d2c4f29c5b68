"""The use cases: plan, send, resume, retry, edit, recall, schedules, rehearsals, looking back.

Every front end is a way to call them. They take a ledger, accounts, a clock and somebody to ask as
arguments, and know neither a terminal nor a page.
"""
