"""What things are: frozen values, their names and limits, the legal moves of a status, and the errors. No
I/O."""
