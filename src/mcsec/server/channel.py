"""One SSRC of ours, and the packet indexes that it may use."""

from __future__ import annotations

from collections.abc import Callable

from mcsec.crypto.srtp import ProtectedPacket, SrtcpSender, SrtpProfile
from mcsec.keys.key import Key
from mcsec.keys.reservation import LAST_INDEX, Block, IndexRange, Reserve
from mcsec.server.indexes import Indexes
from mcsec.wire import rtcp

#: An index above which a channel is given up when its key changes: a quarter of all.
_FAR = (LAST_INDEX + 1) // 4


class Channel:
    """What one SSRC of ours sends. The index counts on when the key changes (RFC 3711 3.4).

    The SSRC is drawn anew for each channel of each process, and no index is used that was not reserved before under its
    key and SSRC (design 5.4), so that no nonce comes twice whatever crashes.
    """

    def __init__(
        self, ssrc: int, indexes: Indexes, granted: Callable[[Block], None] = lambda block: None
    ) -> None:
        """:param granted: told of each block that may be used."""
        self.ssrc = ssrc
        self._granted = granted
        self._indexes = indexes
        self._sender: SrtcpSender | None = None
        self._range: IndexRange | None = None
        self._wish: Reserve | None = None
        self._key: Key | None = None

    def spent(self, key: Key) -> bool:
        """Whether ``key`` is another one than before, and so many indexes are used that it should begin anew."""
        far = self._sender is not None and self._sender.next_index > _FAR
        return far and self._range is not None and self._range.key_id != key.key_id

    def prepare(self, key: Key) -> Reserve | None:
        """Sees to it that an index is reserved for the next packet under ``key``; what must be granted first, if so."""
        if self._range is None or self._range.key_id != key.key_id:
            above = 0 if self._sender is None else self._sender.next_index - 1
            self._range, self._wish = IndexRange(key.key_id, self.ssrc, above=above), None
        reserved = self._range
        wish = reserved.wish(self._next(reserved) if reserved.last else None)
        if wish is not None:
            self._wish = wish
            block = self._indexes.ask(wish)
            if block is not None:
                self.grant(block)
        left = reserved.last > 0 and self._next(reserved) <= reserved.last
        return None if left or reserved.last == LAST_INDEX else self._wish

    def grant(self, block: Block) -> None:
        """``block`` is reserved durably. A block for a key that is not sent under any more is lost, and never used."""
        if self._range is not None and self._wish is not None and block.key_id == self._range.key_id:
            self._range.grant(block)
            self._wish = None
            self._granted(block)

    def failed(self) -> None:
        """Nothing was reserved; it is wished for again."""
        if self._range is not None:
            self._range.failed()
            self._wish = None

    def protect(self, message: rtcp.Message, key: Key) -> ProtectedPacket:
        """``message`` under ``key``; :meth:`prepare` comes first.

        :raises IndexExhausted: no index is left; the channel is to be replaced.
        """
        reserved = self._range
        assert reserved is not None, "prepare() comes first"
        sender = self._sender
        if sender is None or self._next(reserved) > sender.next_index:
            # Indexes in between are somebody else's: a process of before drew the same SSRC.
            sender = self._sender = SrtcpSender(
                SrtpProfile.AEAD_AES_128_GCM,
                self.ssrc,
                *key.srtp_material(),
                first=self._next(reserved),
                last=reserved.last,
            )
        elif key is not self._key:
            sender.install_key(*key.srtp_material())
        if reserved.last > sender.last_index:
            sender.extend(reserved.last)
        self._key = key
        return sender.protect(rtcp.encode(message))

    def _next(self, reserved: IndexRange) -> int:
        return reserved.first if self._sender is None else max(self._sender.next_index, reserved.first)
