"""A small Telegram on this machine, to try everything with: it speaks real MTProto on loopback.

    serving, inbox           a sandbox that stays, and what arrived in it
    server, answering        the socket; what is asked of the world, and the journal
      protocol/              MTProto as a server speaks it
      faults/                what goes wrong when it is asked to
      journal                what survives a restart
      world/                 the pretend Telegram: one request, one answer
        memory/              what it remembers
          limits/, people/   how much it allows; who exists, and how they behave
    in_process, virtual_time the same world without a socket, and without waiting

Docs: docs/sandbox.md.
"""
