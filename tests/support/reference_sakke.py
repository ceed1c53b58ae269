"""SAKKE (RFC 6508) in plain integers, written from its definitions: slow, leaky, and easy to believe.

The numbers are those of parameter set 1 of RFC 6509. They are gmpy2's, which work as Python's own and are faster here.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from gmpy2 import invert, mpz

Number = int


def number(hexadecimal: str) -> Number:
    return mpz(hexadecimal, 16)


P = number(
    "997abb1f0a563fda65c61198dad0657a416c0ce19cb48261be9ae358b3e01a2ef40aab27e2fc0f1b228730d531a59cb0e791"
    "b39ff7c88a19356d27f4a666a6d0e26c6487326b4cd4512ac5cd65681ce1b6aff4a831852a82a7cf3c521c3c09aa9f94d6af"
    "56971f1ffce3e82389857db080c5df10ac7ace87666d807afea85feb"
)
Q = number(
    "265eaec7c2958ff69971846636b4195e905b0338672d20986fa6b8d62cf8068bbd02aac9f8bf03c6c8a1cc354c69672c39e4"
    "6ce7fdf222864d5b49fd2999a9b4389b1921cc9ad335144ab173595a07386dabfd2a0c614aa0a9f3cf14870f026aa7e535ab"
    "d5a5c7c7ff38fa08e2615f6c203177c42b1eb3a1d99b601ebfaa17fb"
)
BASE = (
    number(
        "53fc09ee332c29ad0a7990053ed9b52a2b1a2fd60aec69c698b2f204b6ff7cbfb5edb6c0f6ce2308ab10db9030b09e10"
        "43d5f22cdb9dfa55718bd9e7406ce8909760af765dd5bccb337c86548b72f2e1a702c3397a60de74a7c1514dba66910d"
        "d5cfb4cc80728d87ee9163a5b63f73ec80ec46c4967e0979880dc8abeae63895"
    ),
    number(
        "0a8249063f6009f1f9f1f0533634a135d3e82016029906963d778d821e141178f5ea69f4654ec2b9e7f7f5e5f0de55f6"
        "6b598ccf9a140b2e416cff0ca9e032b970dae117ad547c6ccad696b5b7652fe0ac6f1e80164aa989492d979fc5a4d5f2"
        "13515ad7e9cb99a980bdad5ad5bb4636adb9b5706a67dcde75573fd71bef16d7"
    ),
)
#: pairing(BASE, BASE), as b/a of a + b*i.
G = number(
    "66fc2a432b6ea392148f15867d623068c6a87bd1fb94c41e27fabe658e015a87371e94744c96feda449ae9563f8bc446cbfd"
    "a85d5d00ef577072da8f541721beee0faed1828eab90b99dfb0138c7843355df0460b4a9fd74b4f1a32bcafa1ffad682c033"
    "a7942bcce3720f20b9b7b0403c8cae87b7a0042acde0fab36461ea46"
)

#: None is the point at infinity.
Point = tuple[Number, Number] | None


def add(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return b if a is None else a
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * (a[0] ** 2 - 1) * invert(2 * a[1], P)
    else:
        slope = (b[1] - a[1]) * invert(b[0] - a[0], P)
    x = (slope**2 - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k: Number, point: Point) -> Point:
    total: Point = None
    for bit in format(k % Q, "b"):
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total


def on_curve(point: tuple[Number, Number]) -> bool:
    return (point[1] ** 2 - point[0] ** 3 + 3 * point[0]) % P == 0


def encode(point: Point) -> bytes:
    assert point is not None
    return b"\x04" + int(point[0]).to_bytes(128) + int(point[1]).to_bytes(128)


def decode(octets: bytes) -> tuple[Number, Number]:
    point = mpz(int.from_bytes(octets[1:129])), mpz(int.from_bytes(octets[129:257]))
    assert octets[0] == 4
    assert on_curve(point)
    return point


# F_p^2: (a, b) is a + b*i. In PF_p it stands for b/a.

Element = tuple[Number, Number]


def times(a: Element, b: Element) -> Element:
    return (a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P


def ratio(a: Element) -> Number:
    return a[1] * invert(a[0], P) % P


def power_of_g(k: Number) -> Number:
    total: Element = (mpz(1), mpz(0))
    for bit in format(k, "b"):
        total = times(total, total)
        if bit == "1":
            total = times(total, (mpz(1), G))
    return ratio(total)


def pairing(c0: Point, other: Point) -> Number:
    """RFC 6508 3.2."""
    assert c0 is not None
    assert other is not None
    value: Element = (mpz(1), mpz(0))
    c = c0

    def line(slope: Number) -> Element:
        return (slope * (other[0] + c[0]) - c[1]) % P, other[1]

    for bit in format(Q - 1, "b")[1:]:
        slope = 3 * (c[0] ** 2 - 1) * invert(2 * c[1], P) % P
        value = times(times(value, value), line(slope))
        c = add(c, c) or c
        if bit == "1":
            slope = (c[1] - c0[1]) * invert(c[0] - c0[0], P) % P
            value = times(value, line(slope))
            c = add(c, c0) or c
    for _ in range(2):
        value = times(value, value)
    return ratio(value)


def hash_to_range(octets: bytes, limit: Number) -> Number:
    """RFC 6508 5.1."""
    a, h, v = sha256(octets).digest(), bytes(32), b""
    while 8 * len(v) < (limit - 1).bit_length():
        h = sha256(h).digest()
        v += sha256(h + a).digest()
    return mpz(int.from_bytes(v)) % limit


def public_key(z: Number) -> Point:
    return multiply(z, BASE)


def extract(z: Number, identity: bytes) -> Point:
    return multiply(invert(int.from_bytes(identity) + z, Q), BASE)


def point_of(identity: bytes, public: Point) -> Point:
    return add(multiply(mpz(int.from_bytes(identity)), BASE), public)


def mask(w: Number, trimmed: bool = False) -> bytes:
    octets = int(w).to_bytes(128)
    return int(hash_to_range(octets.lstrip(b"\0") if trimmed else octets, mpz(1) << 128)).to_bytes(16)


def xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


@dataclass(frozen=True)
class Encapsulation:
    """R, and g^r that hides the SSV."""

    r: Number
    point: Point
    g_to_r: Number
    ssv: bytes

    def sed(self, *, trimmed: bool = False) -> bytes:
        """R || H. ``trimmed``: as senders do that hash g^r without leading zero octets."""
        return encode(self.point) + xor(self.ssv, mask(self.g_to_r, trimmed))


def r_of(identity: bytes, ssv: bytes) -> Number:
    return hash_to_range(ssv + identity, Q)


def encapsulate(identity: bytes, ssv: bytes, public: Point) -> Encapsulation:
    r = r_of(identity, ssv)
    return Encapsulation(r, multiply(r, point_of(identity, public)), power_of_g(r), ssv)


def decapsulate(sed: bytes, identity: bytes, rsk: Point, public: Point) -> bytes | None:
    """The SSV, or None where the R check fails."""
    point = decode(sed[:257])
    ssv = xor(sed[257:], mask(pairing(point, rsk)))
    return ssv if multiply(r_of(identity, ssv), point_of(identity, public)) == point else None
