"""What a delivery passes before it is sent, and its outcome on the way back (engine/ports.py)."""
