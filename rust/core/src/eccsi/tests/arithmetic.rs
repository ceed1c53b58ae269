//! Numbers: Montgomery products, squares and inverses against sums and the definitions.

use sha2::{Digest, Sha256};

use crate::eccsi::field::{Element, Fp, Scalar};
use crate::eccsi::limbs::{self, Limbs};
use crate::eccsi::primes::{Coordinates, Modulus, Order};

/// Numbers that look random and are the same in every run.
pub(super) fn numbers(count: u32) -> impl Iterator<Item = [u8; 32]> {
    (0..count).map(|i| Sha256::digest(i.to_be_bytes()).into())
}

pub(super) fn octets(number: &Limbs) -> [u8; 32] {
    let mut octets = [0; 32];
    for (place, limb) in octets.rchunks_exact_mut(8).zip(number) {
        place.copy_from_slice(&limb.to_be_bytes());
    }
    octets
}

/// The prime plus a small number.
fn above<M: Modulus>(difference: u64) -> [u8; 32] {
    octets(&limbs::add(&M::PRIME, &[difference, 0, 0, 0]).0)
}

/// The prime minus a small number.
fn below<M: Modulus>(difference: u64) -> [u8; 32] {
    octets(&limbs::subtract(&M::PRIME, &[difference, 0, 0, 0]).0)
}

fn small<M: Modulus>(number: u8) -> Element<M> {
    let mut octets = [0; 32];
    octets[31] = number;
    Element::from_octets_reduced(&octets)
}

/// Elements at the edges of limbs and of the field, and many in between.
fn elements<M: Modulus>() -> Vec<Element<M>> {
    let edges = [
        [0; 32],
        [0xff; 32],
        above::<M>(0),
        above::<M>(1),
        below::<M>(1),
        below::<M>(2),
    ];
    let powers = (0..256).map(|bit| {
        let mut octets = [0; 32];
        octets[31 - bit / 8] = 1 << (bit % 8);
        octets
    });
    edges
        .into_iter()
        .chain(powers)
        .chain(numbers(100))
        .map(|octets| Element::from_octets_reduced(&octets))
        .collect()
}

/// `a b` by doublings and sums of a.
fn product_by_sums<M: Modulus>(a: &Element<M>, b: &Element<M>) -> Element<M> {
    let mut sum = Element::ZERO;
    for octet in b.to_octets() {
        for bit in (0..8).rev() {
            sum = sum.double();
            if octet >> bit & 1 == 1 {
                sum = sum.add(a);
            }
        }
    }
    sum
}

fn ring_laws<M: Modulus>() {
    let elements = elements::<M>();
    for (a, b) in elements.iter().zip(elements.iter().rev()) {
        assert!(a.add(b).sub(b).equals(a));
        assert!(a.sub(b).add(b).equals(a));
        assert!(a.negate().add(a).is_zero());
        assert!(a.half().double().equals(a));
        assert!(a.mul(b).equals(&product_by_sums(a, b)));
        assert!(a.square().equals(&a.mul(a)));
        assert!(a.select(b, 0).equals(a) && a.select(b, u64::MAX).equals(b));
        assert_eq!(a.zero_mask(), if a.is_zero() { u64::MAX } else { 0 });
    }
}

fn inverses<M: Modulus>() {
    for a in elements::<M>() {
        let product = a.invert().mul(&a);
        assert!(product.equals(&if a.is_zero() {
            Element::ZERO
        } else {
            Element::ONE
        }));
    }
}

fn octets_in_and_out<M: Modulus>() {
    assert!(Element::<M>::from_octets(&above::<M>(0)).is_none());
    assert!(Element::<M>::from_octets(&[0xff; 32]).is_none());
    assert!(
        Element::<M>::from_octets(&below::<M>(1))
            .unwrap()
            .equals(&small(1).negate())
    );
    assert!(Element::<M>::from_octets_reduced(&above::<M>(0)).is_zero());
    assert!(Element::<M>::from_octets_reduced(&above::<M>(5)).equals(&small(5)));
    assert_eq!(Element::<M>::ONE.to_limbs(), [1, 0, 0, 0]);
    for number in numbers(100) {
        if let Some(element) = Element::<M>::from_octets(&number) {
            assert_eq!(element.to_octets(), number);
            assert_eq!(octets(&element.to_limbs()), number);
        }
    }
}

fn constants<M: Modulus>() {
    // R is 2^256: doubling 1 as often gives it, and so on.
    let times_radix = |element: Element<M>| (0..256).fold(element, |power, _| power.double());
    let radix = times_radix(small(1));
    assert_eq!(radix.to_limbs(), M::ONE);
    assert_eq!(times_radix(radix).to_limbs(), M::R2);
    assert_eq!(times_radix(times_radix(radix)).to_limbs(), M::R3);
    assert_eq!(M::PRIME[0].wrapping_mul(M::INVERSE_62) & ((1 << 62) - 1), 1);
}

#[test]
fn coordinates() {
    ring_laws::<Coordinates>();
    inverses::<Coordinates>();
    octets_in_and_out::<Coordinates>();
    constants::<Coordinates>();
}

#[test]
fn scalars() {
    ring_laws::<Order>();
    inverses::<Order>();
    octets_in_and_out::<Order>();
    constants::<Order>();
}

#[test]
fn squares_are_products_of_long_numbers_too() {
    for number in numbers(100).chain([[0xff; 32], [0; 32]]) {
        let a = limbs::from_octets(&number);
        assert_eq!(limbs::square(&a), limbs::multiply(&a, &a));
    }
    let ones = [u64::MAX; 4];
    // (2^256 - 1)^2 = 2^512 - 2^257 + 1
    assert_eq!(
        limbs::multiply(&ones, &ones),
        [1, 0, 0, 0, u64::MAX - 1, u64::MAX, u64::MAX, u64::MAX]
    );
}

#[test]
fn the_two_primes_are_different_fields() {
    let two = [&[0_u8; 31][..], &[2]].concat();
    let two: &[u8; 32] = two[..].try_into().unwrap();
    assert_ne!(
        Fp::from_octets_reduced(two).invert().to_octets(),
        Scalar::from_octets_reduced(two).invert().to_octets()
    );
}
