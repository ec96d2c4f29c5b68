"""The pretend Telegram: one request, one answer. No socket, no clock; time is passed in."""
