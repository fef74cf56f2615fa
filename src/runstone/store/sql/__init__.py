"""The numbered migrations, as text."""
