//! The Tate-Lichtenbaum pairing of RFC 6508 3.2 with one argument fixed.
//!
//! All points of order q are multiples of one, so the pairing is symmetric: `pairing(R, RSK)` is computed with Miller's
//! loop over the RSK, whose functions are made once. The other argument enters as (-x, y*i), so that a function becomes
//! `A(-x) + y*B(-x)*i`; divided by y, its value is `A(-x)/y + B(-x)*i`.
//!
//! The values of all functions are computed first, eight at a time; what is left in sequence is squarings and
//! multiplications in F_p^2.

use zeroize::Zeroizing;

use super::curve::Affine;
use super::kernel::{Kernel, LANES};
use super::miller::{Coefficients, Functions};
use super::modular::Fp;
use super::ratio::Ratio;

/// A point of order q as the fixed argument of the pairing. As secret as the point; wiped when dropped.
pub(crate) struct FixedArgument<K: Kernel> {
    k: K,
    squarings: Vec<u8>,
    coefficients: Zeroizing<Vec<[K::Lanes; 5]>>,
}

impl<K: Kernel> FixedArgument<K> {
    /// For a point of the curve; `None` unless its order is q.
    pub(crate) fn new(k: K, point: &Affine) -> Option<Self> {
        let functions = Functions::new(point)?;
        let coefficients = functions
            .coefficients
            .chunks(LANES)
            .map(|eight| {
                let lane =
                    |i: usize, n: usize| eight.get(i).map_or(Fp::ZERO, |c: &Coefficients| c[n]);
                core::array::from_fn(|n| k.pack(&core::array::from_fn(|i| lane(i, n))))
            })
            .collect();
        Some(Self {
            k,
            squarings: functions.squarings,
            coefficients: Zeroizing::new(coefficients),
        })
    }

    /// The pairing with `other`, a point of the curve with y not zero.
    pub(crate) fn pairing(&self, other: &Affine) -> Ratio {
        let k = self.k;
        let x = other.x.neg();
        let mut power = other.y.invert();
        let powers: [K::Lanes; 4] = core::array::from_fn(|_| {
            let lanes = k.all(&power);
            power = power.mul(&x);
            lanes
        });
        let x = k.all(&x);
        let values: Zeroizing<Vec<(K::Lanes, K::Lanes)>> = Zeroizing::new(
            self.coefficients
                .iter()
                .map(|[a0, a1, a2, a3, b0]| {
                    let real = k.dot4([a0, a1, a2, a3], powers.each_ref());
                    (real, k.add(b0, &x))
                })
                .collect(),
        );
        let (a, b) = k.chain(&self.squarings, &values);
        // The last power is (p + 1) / q = 4.
        Ratio { a, b }.square().square()
    }
}
