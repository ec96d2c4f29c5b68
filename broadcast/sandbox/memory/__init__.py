"""What the pretend Telegram remembers: accounts, messages, files. It answers no requests."""
