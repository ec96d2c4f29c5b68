"""The durable record of broadcasts and deliveries, behind the port in engine/ports.py."""
