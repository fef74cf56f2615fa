"""How a job comes to run: agents claim it, launchers start it somewhere, a supervisor stands beside it."""
