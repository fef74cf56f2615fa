"""What can be asked of a history: the operations, by resource."""
