"""Very many clients of one MCX server, every one of them accounted for at the end."""
