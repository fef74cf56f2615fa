"""How it is remembered: the only room that knows a database."""
