"""How a broadcast is sent: the loop, its ports, gates, pacer. It knows no Telegram and no file."""
