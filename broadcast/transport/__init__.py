"""Sends one delivery and answers with its outcome, behind the port in core/ports.py."""
