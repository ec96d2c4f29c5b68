"""Who exists in the sandbox, and what becomes of a message to them."""
