"""What a script leaves behind: frames in segments, a writer that never waits, a reader, a shipper."""
