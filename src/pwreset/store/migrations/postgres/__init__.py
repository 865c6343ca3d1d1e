"""Migrations of a store on PostgreSQL, numbered like SQLite's."""
