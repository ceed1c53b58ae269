//! Points: the curve's equation, and every way of multiplying against repeated additions.

use super::arithmetic::numbers;
use crate::eccsi::curve::{Affine, GENERATOR, Jacobian, Xyzz, odd_multiples, to_affine_all};
use crate::eccsi::field::Scalar;
use crate::eccsi::multiply::{
    FixedBase, GENERATOR_TABLE, digit, multiply_public, non_adjacent_form,
};

fn scalar(number: u64) -> Scalar {
    let mut octets = [0; 32];
    octets[24..].copy_from_slice(&number.to_be_bytes());
    Scalar::from_octets_reduced(&octets)
}

/// 2^exponent
fn power(exponent: u32) -> Scalar {
    (0..exponent).fold(scalar(1), |power, _| power.double())
}

/// The one scalar for which the last table point equals the sum before it: 30 2^252 - q.
fn doubling_scalar() -> Scalar {
    power(252).mul(&scalar(30))
}

fn scalars() -> Vec<Scalar> {
    let near = |middle: Scalar| {
        (0..40).flat_map(move |d| [middle.add(&scalar(d)), middle.sub(&scalar(d))])
    };
    (1..70)
        .map(scalar)
        .chain((1..70).map(|k| scalar(k).negate()))
        .chain([doubling_scalar(), doubling_scalar().negate()])
        .chain((246..256).flat_map(|exponent| near(power(exponent))))
        .chain(numbers(40).map(|octets| Scalar::from_octets_reduced(&octets)))
        .filter(|scalar| !scalar.is_zero())
        .collect()
}

/// `[k]` point, one bit after the other.
fn by_bits(k: &Scalar, point: &Affine) -> Xyzz {
    let mut sum = Jacobian::INFINITY;
    for octet in k.to_octets() {
        for bit in (0..8).rev() {
            sum = sum.double();
            if octet >> bit & 1 == 1 {
                sum = sum.add_public(point);
            }
        }
    }
    sum.into()
}

#[test]
fn points_in_and_out() {
    let octets = GENERATOR.encode();
    assert!(Affine::decode(&octets).is_some_and(|point| point.encode() == octets));
    assert!(Affine::decode(&octets[..64]).is_none());
    assert!(Affine::decode(&[]).is_none());
    for place in 0..octets.len() {
        let mut changed = octets;
        changed[place] ^= 1;
        assert!(Affine::decode(&changed).is_none());
    }
}

#[test]
fn all_ways_agree() {
    let base = multiply_public(&scalar(0xdead_beef), &GENERATOR).to_affine();
    let table = FixedBase::new(&base);
    for k in scalars() {
        let expected = by_bits(&k, &base).to_affine();
        assert!(table.multiply(&k).is(&expected));
        assert!(multiply_public(&k, &base).is(&expected));
        assert!(
            table
                .multiply_add_public(&k, Jacobian::INFINITY.into())
                .is(&expected)
        );
    }
}

#[test]
fn the_order_is_the_order() {
    let minus_one = scalar(1).negate();
    let opposite = GENERATOR.negate_masked(u64::MAX);
    assert!(GENERATOR_TABLE.multiply(&minus_one).is(&opposite));
    assert!(
        multiply_public(&minus_one, &GENERATOR)
            .add_public(&GENERATOR)
            .is_infinity()
    );
}

#[test]
fn zero_gives_infinity_for_public_scalars() {
    assert!(multiply_public(&Scalar::ZERO, &GENERATOR).is_infinity());
    let sum = Xyzz::from(GENERATOR);
    assert!(
        GENERATOR_TABLE
            .multiply_add_public(&Scalar::ZERO, sum)
            .is(&GENERATOR)
    );
    assert!(!multiply_public(&Scalar::ZERO, &GENERATOR).has_x(&GENERATOR.x));
}

#[test]
fn sums_of_equal_and_opposite_points() {
    for k in [scalar(1), scalar(2), scalar(63), scalar(64), scalar(12_345)] {
        let point = by_bits(&k, &GENERATOR);
        let twice = by_bits(&k.double(), &GENERATOR).to_affine();
        assert!(GENERATOR_TABLE.multiply_add_public(&k, point).is(&twice));
        assert!(
            GENERATOR_TABLE
                .multiply_add_public(&k.negate(), point)
                .is_infinity()
        );
        let affine = point.to_affine();
        assert!(point.add_public(&affine).is(&twice));
        assert!(point.add_or_double(&affine).is(&twice));
        assert!(
            point
                .add_public(&affine.negate_masked(u64::MAX))
                .is_infinity()
        );
        let third = by_bits(&k.double().add(&k), &GENERATOR).to_affine();
        assert!(point.add_or_double(&twice).is(&third));
        assert!(point.add_unequal(&twice).is(&third));
    }
}

#[test]
fn odd_multiples_are_odd_multiples() {
    let points = to_affine_all(&odd_multiples(&GENERATOR, 10));
    for (point, k) in points.iter().zip((1..).step_by(2)) {
        assert!(by_bits(&scalar(k), &GENERATOR).is(point));
    }
}

/// The number that digits in a radix 2^bits stand for.
fn value(digits: impl DoubleEndedIterator<Item = i8>, bits: u32) -> Scalar {
    digits.rev().fold(Scalar::ZERO, |sum, digit| {
        let magnitude = scalar(u64::from(digit.unsigned_abs()));
        let shifted = sum.mul(&power(bits));
        if digit < 0 {
            shifted.sub(&magnitude)
        } else {
            shifted.add(&magnitude)
        }
    })
}

#[test]
fn digits_stand_for_their_number() {
    for k in scalars() {
        let limbs = k.to_limbs();
        let form = non_adjacent_form(limbs);
        assert!(value(form.into_iter(), 1).equals(&k));
        assert!(
            form.windows(5)
                .all(|window| window.iter().filter(|digit| **digit != 0).count() <= 1)
        );
        assert!(
            form.iter()
                .all(|digit| *digit == 0 || (digit & 1 == 1 && digit.unsigned_abs() < 16))
        );
        if limbs[0] & 1 == 1 {
            let odd: Vec<i8> = (0..43).map(|i| digit(&limbs, i)).collect();
            assert!(value(odd.iter().copied(), 6).equals(&k));
            assert!(
                odd.iter()
                    .all(|digit| digit & 1 == 1 && digit.unsigned_abs() < 64)
            );
        }
    }
}
