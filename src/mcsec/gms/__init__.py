"""The Group Management Server of a group's home domain: it makes the group's GMK and, in Release 13 mode, its MKFC."""
