"""What the sandbox allows, and how it counts what comes."""
