"""What goes wrong in the sandbox when it is asked to."""
