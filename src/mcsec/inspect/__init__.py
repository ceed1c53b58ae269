"""Looking at octets: annotated decodes, captures, interoperability vectors."""
