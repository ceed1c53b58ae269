//! Published vectors (they start from session keys, which only this crate can install), and the rules of indexes and
//! windows against a plain model.

#![allow(clippy::unwrap_used)]

use zeroize::Zeroizing;

use crate::error::Error;
use crate::secret::Secret;
use crate::srtp::derive::{SessionKeys, Use, session_keys};
use crate::srtp::roc::estimate;
use crate::srtp::transform::{Tail, Transform};
use crate::srtp::window::Window;
use crate::srtp::{Profile, rtcp, rtp};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| (digit as char).to_digit(16).unwrap() as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn secret(text: &str) -> Secret {
    Secret::new(hex(text))
}

/// A GCM transform with the session key and salt that RFC 7714 uses in all its packet examples.
fn rfc7714() -> Transform {
    let mut salt = Zeroizing::new([0; 14]);
    salt[..12].copy_from_slice(&hex("517569642070726f2071756f"));
    let keys = SessionKeys {
        cipher: Zeroizing::new(hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap()),
        auth: Zeroizing::new([0; 20]),
        salt,
    };
    Transform::from_session_keys(Profile::AeadAes128Gcm, keys)
}

/// RFC 3711 B.3, for the three labels of RTP.
#[test]
fn session_keys_of_rfc3711() {
    let keys = session_keys(
        Profile::AesCm128HmacSha1_80,
        Use::Rtp,
        &secret("e1f97a0d3e018be0d64fa32c06de4139"),
        &secret("0ec675ad498afeebb6960b3aabe6"),
    )
    .unwrap();
    assert_eq!(keys.cipher[..], hex("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(keys.salt[..], hex("30cbbc08863d8c85d49db34a9ae1"));
    assert_eq!(
        keys.auth[..],
        hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4")
    );
}

/// RFC 7714 17.1: encrypted and authenticated SRTCP.
#[test]
fn rtcp_packet_of_rfc7714() {
    let plain = hex(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    );
    let wanted = hex(
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b
         c84aa45896cf4d2fc5abf87245d9eade",
    );
    let word = Tail::Word([0x80, 0, 5, 0xd4]);
    let (head, mut body, mut tag) = (&plain[..8], plain[8..].to_vec(), [0; 16]);
    let transform = rfc7714();
    transform
        .seal(0x4d61_7273, 0x5d4, head, &mut body, word, &mut tag)
        .unwrap();
    assert_eq!([head, &body, &tag].concat(), wanted);
    transform
        .open(0x4d61_7273, 0x5d4, head, &mut body, word, &tag)
        .unwrap();
    assert_eq!(body, plain[8..]);
}

/// RFC 7714 17.3: SRTCP that is authenticated only.
#[test]
fn tag_only_rtcp_packet_of_rfc7714() {
    let plain = hex(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    );
    let mut tag = [0; 16];
    let word = Tail::Word([0, 0, 5, 0xd4]);
    rfc7714()
        .seal(0x4d61_7273, 0x5d4, &plain, &mut [], word, &mut tag)
        .unwrap();
    assert_eq!(tag[..], hex("841dd9683dd78ec92ae58790125f62b3"));
}

/// RFC 7714 16.1: SRTP.
#[test]
fn rtp_packet_of_rfc7714() {
    let plain = hex(
        "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976697361
         20696e207061727465732074726573",
    );
    let wanted = hex(
        "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
         899d7f27beb16a9152cf765ee4390cce",
    );
    let (head, mut body, mut tag) = (&plain[..12], plain[12..].to_vec(), [0; 16]);
    rfc7714()
        .seal(0x5501_a0b2, 0xf17b, head, &mut body, Tail::None, &mut tag)
        .unwrap();
    assert_eq!([head, &body, &tag].concat(), wanted);
}

/// RFC 3711 B.2: the AES-CM keystream (SSRC 0, index 0).
#[test]
fn keystream_of_rfc3711() {
    let keys = SessionKeys {
        cipher: Zeroizing::new(hex("2b7e151628aed2a6abf7158809cf4f3c").try_into().unwrap()),
        auth: Zeroizing::new([0; 20]),
        salt: Zeroizing::new(hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd").try_into().unwrap()),
    };
    let transform = Transform::from_session_keys(Profile::AesCm128HmacSha1_80, keys);
    let (mut body, mut tag) = ([0; 48], [0; 10]);
    transform
        .seal(0, 0, &[], &mut body, Tail::None, &mut tag)
        .unwrap();
    assert_eq!(
        body[..],
        hex(
            "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab
             41e95b3bb0a2e8dd477901e4fca894c0",
        )
    );
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f";
const SALT: &str = "a0a1a2a3a4a5a6a7a8a9aaab";

fn rtcp_sender(first: u64, last: u64) -> Result<rtcp::Sender, Error> {
    let profile = Profile::AeadAes128Gcm;
    rtcp::Sender::new(
        profile,
        1,
        (first, last),
        b"\x6a",
        &secret(KEY),
        &secret(SALT),
    )
}

fn rtp_sender(first: u64, last: u64) -> rtp::Sender {
    let (profile, range) = (Profile::AeadAes128Gcm, (first, last));
    rtp::Sender::new(
        profile,
        1,
        range,
        false,
        b"\x6a",
        &secret(KEY),
        &secret(SALT),
    )
    .unwrap()
}

fn protect_rtp(sender: &mut rtp::Sender, sequence: u16) -> Result<Vec<u8>, Error> {
    let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    let mut out = vec![0; sender.protected_length(packet.len())];
    sender.protect(&packet, &mut out).map(|()| out)
}

#[test]
fn an_rtcp_range_is_used_upwards_and_ends() {
    let packet = hex("80cc000100000001");
    let mut sender = rtcp_sender(5, 6).unwrap();
    let mut out = vec![0; sender.protected_length(8)];
    for index in [5_u8, 6] {
        sender.protect(&packet, &mut out).unwrap();
        assert_eq!(out[24..], [0x80, 0, 0, index, 0x6a]);
    }
    assert_eq!(sender.protect(&packet, &mut out), Err(Error::Exhausted));
    assert!(sender.extend(5).is_err());
    sender.extend(7).unwrap();
    sender
        .install_key(b"\x6b", &secret(SALT_KEY), &secret(SALT))
        .unwrap();
    sender.protect(&packet, &mut out).unwrap();
    assert_eq!(out[24..], [0x80, 0, 0, 7, 0x6b]);
    assert_eq!(sender.protect(&packet, &mut out), Err(Error::Exhausted));
    assert!(sender.extend(rtcp::MAX_INDEX + 1).is_err());
}

const SALT_KEY: &str = "0f0e0d0c0b0a09080706050403020100";

#[test]
fn an_rtcp_range_lies_within_31_bits_and_above_zero() {
    for (first, last) in [(0, 9), (9, 8), (1, rtcp::MAX_INDEX + 1)] {
        assert!(rtcp_sender(first, last).is_err());
    }
    assert!(rtcp_sender(rtcp::MAX_INDEX, rtcp::MAX_INDEX).is_ok());
}

#[test]
fn an_rtp_index_is_never_used_twice() {
    let mut sender = rtp_sender(0, rtp::MAX_INDEX);
    for sequence in [65_000, 65_535, 0, 1] {
        protect_rtp(&mut sender, sequence).unwrap();
    }
    assert_eq!(sender.indexes().next(), (1 << 16 | 1) + 1);
    for sequence in [1, 0, 65_535] {
        let used = Err(Error::Argument("packet index: already used"));
        assert_eq!(protect_rtp(&mut sender, sequence), used);
    }
}

#[test]
fn an_rtp_range_ends() {
    let mut sender = rtp_sender(7 << 16 | 10, 7 << 16 | 12);
    assert!(matches!(
        protect_rtp(&mut sender, 9),
        Err(Error::Argument(_))
    ));
    protect_rtp(&mut sender, 12).unwrap();
    assert_eq!(protect_rtp(&mut sender, 13), Err(Error::Exhausted));
    sender.extend(8 << 16).unwrap();
    protect_rtp(&mut sender, 13).unwrap();
}

#[test]
fn an_index_is_estimated_as_rfc3711_says() {
    for (highest, sequence, index) in [
        (0, 0, 0),
        (10, 65_000, 65_000),
        (0xffff, 0, 0x1_0000),
        (0x1_0000, 0xffff, 0xffff),
        (0x5_7fff, 0xffff, 0x5_ffff),
        (0x5_7ffe, 0xffff, 0x4_ffff),
        (0x5_8000, 0, 0x5_0000),
        (0x5_8001, 0, 0x6_0000),
    ] {
        assert_eq!(
            estimate(highest, sequence),
            index,
            "{highest:x} {sequence:x}"
        );
    }
}

/// A window gives the same answers as a set of everything that was seen.
#[test]
fn a_window_agrees_with_a_plain_model() {
    // A linear congruential generator: steps forwards and backwards, now and then a jump.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for size in [64, 65, 100, 128, 1000] {
        let mut window = Window::new(size).unwrap();
        let (mut seen, mut highest) = (std::collections::HashSet::new(), 0);
        for _ in 0..20_000 {
            let reach = if random(50) == 0 { 5 * size as u64 } else { 8 };
            let index = (highest + random(reach)).saturating_sub(random(2 * size as u64));
            let fresh =
                !seen.contains(&index) && (seen.is_empty() || index + size as u64 > highest);
            assert_eq!(
                window.check(index).is_ok(),
                fresh,
                "size {size}, index {index}"
            );
            if fresh {
                window.accept(index);
                seen.insert(index);
                highest = highest.max(index);
            }
        }
    }
    assert!(Window::new(63).is_err());
}
