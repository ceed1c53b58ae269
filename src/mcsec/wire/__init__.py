"""What is said: codecs only, no state between messages, no I/O."""
