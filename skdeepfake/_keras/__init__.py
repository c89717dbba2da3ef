"""What is shared by all that uses Keras; importing this package does not load it."""
