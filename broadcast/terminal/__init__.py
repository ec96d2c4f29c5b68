"""What a person sees at a terminal; it decides nothing. Only this room imports rich."""
