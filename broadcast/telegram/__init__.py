"""Sends one delivery and answers with its outcome, behind the port in engine/ports.py."""
