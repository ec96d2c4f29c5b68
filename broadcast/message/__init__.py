"""What is sent: one schema, templates, markup, files' facts, times. Nothing is sent from here."""
