//! The Tate-Lichtenbaum pairing of RFC 6508 3.2, with one argument fixed.
//!
//! `pairing(R, RSK)` is symmetric (all points of order q are multiples of one), so Miller's loop runs over the RSK, and
//! its lines are computed once. Factors in F_p do not count in PF_p; each line is therefore divided by y of the other
//! point and becomes `(slope * x/y + offset * 1/y) + i`.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::curve::{Affine, ORDER_BITS, Projective, to_affine_all};
use super::modular::{Fp, invert_all};
use super::params;
use super::table::Ratio;
use super::uint;

/// Lines through the multiples of a point that Miller's loop meets. They are as secret as the point.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Lines(Vec<Line>);

#[derive(Clone, Copy, Zeroize)]
struct Line {
    slope: Fp,
    offset: Fp,
}

/// Signed digits (-1, 0, 1) of q - 1 after the leading one, no two neighbours both non-zero; most significant first.
fn loop_digits() -> Vec<i8> {
    let mut rest = params::Q;
    rest[0] &= !1;
    let mut digits = Vec::with_capacity(ORDER_BITS + 1);
    let one = {
        let mut one = [0; 16];
        one[0] = 1;
        one
    };
    for _ in 0..=ORDER_BITS {
        let digit = match rest[0] & 3 {
            1 => 1,
            3 => -1,
            _ => 0,
        };
        rest = match digit {
            1 => uint::sub(&rest, &one).0,
            -1 => uint::add(&rest, &one).0,
            _ => rest,
        };
        digits.push(digit);
        rest = uint::shr(&rest, 1);
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits.pop();
    digits.reverse();
    digits
}

impl Lines {
    /// The lines of a point of order q.
    pub(crate) fn new(point: &Affine) -> Self {
        let digits = loop_digits();
        let start = Projective::from(*point);
        let mut minus = start;
        minus.y = minus.y.neg();
        // Every point at which a line is drawn, and what is added there: the point itself, or plus or minus the start.
        let mut steps = Vec::new();
        let mut current = start;
        for &digit in &digits {
            steps.push((current, 0));
            current = current.add(&current);
            if digit != 0 {
                steps.push((current, digit));
                current = current.add(if digit > 0 { &start } else { &minus });
            }
        }
        let projective: Vec<Projective> = steps.iter().map(|(point, _)| *point).collect();
        let at = to_affine_all(&projective);
        let mut slopes: Vec<Fp> = at
            .iter()
            .zip(&steps)
            .map(|(at, (_, digit))| match digit {
                0 => at.y.double(),
                _ => at.x.sub(&point.x),
            })
            .collect();
        invert_all(&mut slopes);
        let lines = at
            .iter()
            .zip(&steps)
            .zip(&slopes)
            .map(|((at, (_, digit)), inverse)| {
                let rise = match digit {
                    0 => at.x.square().sub(&Fp::ONE).triple(),
                    1 => at.y.sub(&point.y),
                    _ => at.y.add(&point.y),
                };
                let slope = rise.mul(inverse);
                Line {
                    slope,
                    offset: slope.mul(&at.x).sub(&at.y),
                }
            })
            .collect();
        slopes.zeroize();
        Self(lines)
    }

    /// The pairing of the point with `other`, a public point of the curve with y not zero.
    pub(crate) fn pairing(&self, other: &Affine) -> Ratio {
        let v = other.y.invert();
        let u = other.x.mul(&v);
        let mut lines = self
            .0
            .iter()
            .map(|line| line.slope.mul(&u).add(&line.offset.mul(&v)));
        let mut product = Ratio::ONE;
        let mut step = |product: Ratio| match lines.next() {
            // (a + b*i)(t + i)
            Some(t) => Ratio {
                a: product.a.mul(&t).sub(&product.b),
                b: product.b.mul(&t).add(&product.a),
            },
            None => product,
        };
        for digit in loop_digits() {
            product = step(product.square());
            if digit != 0 {
                product = step(product);
            }
        }
        product.square().square()
    }
}
