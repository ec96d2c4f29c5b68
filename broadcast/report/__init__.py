"""The rows that every front end shows: their keys are described in README.md."""
