//! Products of fixed bases and secret scalars, and powers of g.
//!
//! **Why affine additions are safe here.** They fail for two points with the same x, that is for S = T and S = -T. Below,
//! two points are only ever added affinely when both are sums over windows of *one* base, in the same lane, from disjoint
//! sets of windows among the lowest [`windows_below_q`]. Let s and t be the sums of the weighted digits. Digits are odd,
//! so s is divisible by exactly 2^(width * i) for the lowest window i that it has; t has another lowest window, so s and
//! -s differ from t as integers. All weighted digits together stay below q, so they differ modulo q too. Hence S and T
//! have different x, for every scalar. Where a base meets another, where the highest windows come in, and where lanes are
//! put together, the complete formulas are used, which need no such argument.

use zeroize::{Zeroize, Zeroizing};

use super::kernel::{Kernel, LANES};
use super::modular::Fp;
use super::ratio::Ratio;
use super::recode::{Digit, EightDigits, recode, windows, windows_below_q};
use super::sum::{Points, Sums};
use super::table::{PointTable, PowerTable};
use super::uint::Limbs;

/// The sum of the products of bases and scalars. There are one, two, four or eight of them, with tables of one width.
pub(crate) fn multiply<K: Kernel>(k: K, products: &[(&PointTable<K>, &Limbs)]) -> Sums<K> {
    let width = products.first().map_or(0, |(table, _)| table.width());
    // Each base has some of the lanes; each lane takes every so many-th window of its base.
    let share = LANES / products.len();
    let count = windows(width).next_multiple_of(share);
    let digits: Zeroizing<Vec<Vec<Digit>>> = Zeroizing::new(
        products
            .iter()
            .map(|(_, scalar)| recode(scalar, width, count))
            .collect(),
    );
    let column = |c: usize| -> Points<K> {
        let window = |lane: usize| c * share + lane % share;
        PointTable::look_up(
            k,
            &core::array::from_fn(|lane| (products[lane / share].0, window(lane))),
            &EightDigits::new(|lane| digits[lane / share][window(lane)]),
        )
    };
    let affine = windows_below_q(width) / share;
    let one = k.all(&Fp::ONE);
    let rest = (affine..count / share).map(|c| Sums::new(&column(c), &one));
    let lower = K::shared().with_workspace(|work| {
        work.resize(k, 1, affine);
        for (points, c) in work.lists().flatten().zip(0..) {
            *points = column(c);
        }
        work.sum(k)
    });
    let mut sums = lower.into_iter().chain(rest);
    let first = sums.next().unwrap_or(Sums {
        x: one,
        y: one,
        z: one,
    });
    sums.fold(first, |sum, other| sum.add(k, &other))
        .fold(k, LANES)
}

/// g^scalar, in every lane.
pub(crate) fn power<K: Kernel>(k: K, table: &PowerTable<K>, scalar: &Limbs) -> Powers<K> {
    let width = table.width();
    let count = windows(width).next_multiple_of(LANES);
    let digits = Zeroizing::new(recode(scalar, width, count));
    let mut product = Powers::one(k);
    for first in (0..count).step_by(LANES) {
        let mut eight = EightDigits::new(|lane| digits[first + lane]);
        product.mul_unit(k, &table.look_up(k, first, &eight), &eight);
        eight.zeroize();
    }
    for distance in [1, 2, 4] {
        let other = Powers {
            a: k.swap(&product.a, distance),
            b: k.swap(&product.b, distance),
        };
        product = product.mul(k, &other);
    }
    product
}

/// Eight elements a + b*i.
#[derive(Clone, Copy)]
pub(crate) struct Powers<K: Kernel> {
    pub(crate) a: K::Lanes,
    pub(crate) b: K::Lanes,
}

impl<K: Kernel> Zeroize for Powers<K> {
    fn zeroize(&mut self) {
        self.a.zeroize();
        self.b.zeroize();
    }
}

impl<K: Kernel> Powers<K> {
    /// One in every lane.
    pub(crate) fn one(k: K) -> Self {
        Self {
            a: k.all(&Fp::ONE),
            b: k.all(&Fp::ZERO),
        }
    }

    /// Multiplies by 1 + t*i, or its conjugate (the inverse in PF_p) where a digit is negative.
    pub(crate) fn mul_unit(&mut self, k: K, t: &K::Lanes, digits: &EightDigits) {
        let (mut plus, mut minus) = (*t, *t);
        k.negate_where(&mut plus, &digits.negative);
        k.negate_where(&mut minus, &digits.negative.map(|negative| negative ^ 1));
        let a = k.reduced_sub(&self.a, &k.mul(&self.b, &plus));
        self.b = k.reduced_sub(&self.b, &k.mul(&self.a, &minus));
        self.a = a;
        plus.zeroize();
        minus.zeroize();
    }

    fn mul(&self, k: K, other: &Self) -> Self {
        Self {
            a: k.reduced_sub(&k.mul(&self.a, &other.a), &k.mul(&self.b, &other.b)),
            b: k.dot2([&self.a, &self.b], [&other.b, &other.a]),
        }
    }

    /// The element in lane 0.
    pub(crate) fn first(&self, k: K) -> Ratio {
        Ratio {
            a: k.unpack(&self.a)[0],
            b: k.unpack(&self.b)[0],
        }
    }
}
