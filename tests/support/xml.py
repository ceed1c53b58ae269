"""Strategies for values that XML can carry."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

_characters = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
#: Text without white space at its ends, which codecs strip.
xml_texts = st.text(_characters, max_size=30).map(str.strip).filter(bool)
times = st.integers(-(10**9), 10**10).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
