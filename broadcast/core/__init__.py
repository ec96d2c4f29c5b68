"""The pure heart: nouns, rules and tables. No IO, no clock, no library of the outside."""
