"""MTProto as a server speaks it: bytes in and events out. No socket, no clock."""
