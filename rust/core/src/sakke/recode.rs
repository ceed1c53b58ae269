//! Scalars as odd signed digits, for fixed-base tables.

use zeroize::Zeroize;

use super::kernel::LANES;
use super::params;
use super::uint::{self, Limbs};

/// Window widths that tables are offered in. Rows of fewer than 16 entries would not fill the look-up's vectors.
pub(crate) const WIDTHS: core::ops::RangeInclusive<usize> = 5..=8;

/// Bits that hold any scalar below 2q: [`recode`] makes scalars odd by adding q.
const SCALAR_BITS: usize = 1023;

/// Windows of `width` bits that hold any scalar.
pub(crate) const fn windows(width: usize) -> usize {
    SCALAR_BITS.div_ceil(width)
}

/// Windows of `width` bits, from the lowest, whose digits together stay below 2^1021 < q.
pub(crate) const fn windows_below_q(width: usize) -> usize {
    1021 / width
}

/// Entries of a window's row: 1, 3, ..., 2^width - 1.
pub(crate) const fn entries(width: usize) -> usize {
    1 << (width - 1)
}

/// The odd digit 2 * index + 1, negated where `negative` is 1 (it is 0 elsewhere).
#[derive(Clone, Copy, Default, Zeroize)]
pub(crate) struct Digit {
    pub(crate) index: u64,
    pub(crate) negative: u64,
}

/// Eight digits side by side.
#[derive(Clone, Copy, Default, Zeroize)]
pub(crate) struct EightDigits {
    pub(crate) index: [u64; LANES],
    pub(crate) negative: [u64; LANES],
}

impl EightDigits {
    /// From the digit of each lane.
    pub(crate) fn new(digit: impl Fn(usize) -> Digit) -> Self {
        Self {
            index: core::array::from_fn(|lane| digit(lane).index),
            negative: core::array::from_fn(|lane| digit(lane).negative),
        }
    }

    /// Puts a digit into a lane.
    pub(crate) fn set(&mut self, lane: usize, digit: Digit) {
        self.index[lane] = digit.index;
        self.negative[lane] = digit.negative;
    }
}

/// `count` digits whose sum, weighted by 2^(width * i), is `scalar` modulo q. The scalar is below q, and `count` is at
/// least `windows(width)`.
///
/// No digit is zero. So what is looked up is never infinity, and sums over different windows differ (see
/// [`super::multiply`]).
pub(crate) fn recode(scalar: &Limbs, width: usize, count: usize) -> Vec<Digit> {
    let (with_q, _) = uint::add(scalar, &params::Q);
    let mut odd = uint::select(&with_q, scalar, scalar[0] & 1);
    // With K = (k - 1)/2 + 2^(width * count - 1), k is the weighted sum of 2u + 1 - 2^width over the digits u of K.
    let mut half = uint::shr(&odd, 1);
    let highest = 1 << (width - 1);
    let digits = (0..count)
        .map(|i| {
            let top = if i + 1 == count { highest } else { 0 };
            let u = uint::bits(&half, i * width, width) | top;
            let negative = (u >> (width - 1)) ^ 1;
            // u - 2^(width - 1) for positive digits, 2^(width - 1) - 1 - u for negative ones.
            let index = (u ^ negative.wrapping_neg()) & (highest - 1);
            Digit { index, negative }
        })
        .collect();
    odd.zeroize();
    half.zeroize();
    digits
}

#[cfg(test)]
mod tests {
    use super::super::modular::Fq;
    use super::*;

    /// The digits put together again.
    fn value(digits: &[Digit], width: usize) -> Fq {
        let weight = (0..width).fold(Fq::ONE, |weight, _| weight.double());
        digits.iter().rev().fold(Fq::ZERO, |sum, digit| {
            let mut limbs = [0; 16];
            limbs[0] = 2 * digit.index + 1;
            let odd = Fq::from_limbs(&limbs);
            let digit = if digit.negative == 1 { odd.neg() } else { odd };
            sum.mul(&weight).add(&digit)
        })
    }

    #[test]
    fn digits_make_up_the_scalar() {
        let mut scalars = vec![Fq::ZERO, Fq::ONE, Fq::ONE.double(), Fq::ONE.neg()];
        for _ in 0..20 {
            let last = scalars[scalars.len() - 1];
            scalars.push(last.square().add(&Fq::ONE.triple()));
        }
        for scalar in scalars {
            for width in WIDTHS {
                for count in [windows(width), windows(width).next_multiple_of(8)] {
                    let digits = recode(&scalar.to_limbs(), width, count);
                    assert!(bool::from(value(&digits, width).equal(&scalar)));
                    assert!(
                        digits
                            .iter()
                            .all(|digit| digit.index < entries(width) as u64)
                    );
                }
            }
        }
    }
}
