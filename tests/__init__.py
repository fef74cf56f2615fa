"""What Runstone promises, as tests."""
