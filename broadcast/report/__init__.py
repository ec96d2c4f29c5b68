"""The rows that every front end shows; README.md describes their keys."""
