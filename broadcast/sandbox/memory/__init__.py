"""What the pretend Telegram remembers."""
