"""Reset requests, deliveries and audit events in SQL."""
