"""How a history is served to a team: the ASGI application, and who may do what."""
