"""The HTTPS server: the Manager API and people's pages."""
