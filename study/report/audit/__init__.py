"""What an audit says: its own page, and its part of a study's page."""
