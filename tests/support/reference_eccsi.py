"""ECCSI (RFC 6507) in plain integers, written from its definitions: slow, leaky, and easy to believe."""

from __future__ import annotations

from hashlib import sha256

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
Q = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

#: None is the point at infinity.
Point = tuple[int, int] | None


def add(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return b if a is None else a
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * (a[0] ** 2 - 1) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope**2 - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k: int, point: Point) -> Point:
    total: Point = None
    while k:
        if k & 1:
            total = add(total, point)
        point = add(point, point)
        k >>= 1
    return total


def on_curve(x: int, y: int) -> bool:
    return x < P and y < P and (y * y - x**3 + 3 * x - B) % P == 0


def encode(point: Point) -> bytes:
    assert point is not None
    return b"\x04" + point[0].to_bytes(32) + point[1].to_bytes(32)


def decode(octets: bytes) -> tuple[int, int] | None:
    x, y = int.from_bytes(octets[1:33]), int.from_bytes(octets[33:])
    return (x, y) if len(octets) == 65 and octets[0] == 4 and on_curve(x, y) else None


def hash_of_identity(kpak: bytes, identity: bytes, pvt: bytes) -> bytes:
    return sha256(encode(G) + kpak + identity + pvt).digest()


def extract(ksak: int, identity: bytes, v: int) -> tuple[bytes, bytes]:
    """SSK and PVT."""
    pvt = encode(multiply(v, G))
    hs = hash_of_identity(encode(multiply(ksak, G)), identity, pvt)
    return ((ksak + int.from_bytes(hs) * v) % Q).to_bytes(32), pvt


def sign(kpak: bytes, identity: bytes, ssk: bytes, pvt: bytes, message: bytes, j: int) -> bytes:
    point = multiply(j, G)
    assert point is not None
    r = point[0].to_bytes(32)
    he = sha256(hash_of_identity(kpak, identity, pvt) + r + message).digest()
    t = (int.from_bytes(he) + point[0] * int.from_bytes(ssk)) % Q
    return r + (pow(t, -1, Q) * j % Q).to_bytes(32) + pvt


def verifies(kpak: bytes, identity: bytes, message: bytes, signature: bytes) -> bool:
    r, s, pvt = signature[:32], int.from_bytes(signature[32:64]), signature[64:]
    point, key = decode(pvt), decode(kpak)
    if len(signature) != 129 or point is None or not 0 < s < Q or not 0 < int.from_bytes(r) < P:
        return False
    hs = hash_of_identity(kpak, identity, pvt)
    he = int.from_bytes(sha256(hs + r + message).digest())
    y = add(multiply(int.from_bytes(hs), point), key)
    j = multiply(s, add(multiply(he, G), multiply(int.from_bytes(r), y)))
    return j is not None and j[0] == int.from_bytes(r)
