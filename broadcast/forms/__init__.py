"""Lists as people write them: YAML, CSV, JSON Lines. Bytes become entries; each knows its line."""
