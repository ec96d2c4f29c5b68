"""Who exists in the sandbox, how they behave, and how anybody signs in. Pure; it stores nothing."""
