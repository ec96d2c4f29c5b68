"""Who gets a message: contact lists and the choice from them. Nothing is sent from here."""
