"""MTProto as a server speaks it: bytes in, events out. No socket, no clock."""
