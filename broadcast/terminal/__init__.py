"""All that a person sees at a terminal; it decides nothing. The only room that imports rich."""
