"""Messages and the ways they travel: templates, mail, SMS, sealing."""
