//! Multiplication of fixed bases by secret scalars, alone and for several recipients at a time.
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
use super::shared::Shared;
use super::sum::{Points, Sums, invert_all};
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
    fn one(k: K) -> Self {
        Self {
            a: k.all(&Fp::ONE),
            b: k.all(&Fp::ZERO),
        }
    }

    /// Multiplies by 1 + t*i, or its conjugate (the inverse in PF_p) where a digit is negative.
    fn mul_unit(&mut self, k: K, t: &K::Lanes, digits: &EightDigits) {
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

/// What a recipient is to get: [on_base]P + [on_key]Z and g^on_key.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Scalars {
    pub(crate) on_base: Limbs,
    pub(crate) on_key: Limbs,
}

/// x and y of the point, and g^on_key as one number. `None` where the point is infinity.
pub(crate) type Encapsulated = Option<[Fp; 3]>;

/// Eight recipients at a time: each has a lane, and all share the look-ups and inversions.
pub(crate) fn encapsulate_group<K: Kernel>(
    k: K,
    shared: &Shared<K>,
    key: &PointTable<K>,
    recipients: &[Scalars],
) -> Vec<Encapsulated> {
    let (base, power) = (&shared.base, &shared.power);
    let width = base.width();
    let eights: Zeroizing<Vec<Eight>> = Zeroizing::new(
        recipients
            .chunks(LANES)
            .map(|eight| Eight::new(eight, width))
            .collect(),
    );
    let on_base = |i: usize| eights.iter().map(move |eight| &eight.on_base[i]);
    let on_key = |i: usize| eights.iter().map(move |eight| &eight.on_key[i]);
    // For each eight its points on the base, then its points on the key.
    let look_up = |i: usize, to: Vec<&mut Points<K>>| {
        let (to_base, to_key) = alternate(to);
        base.look_up_one(k, i, on_base(i), to_base);
        key.look_up_one(k, i, on_key(i), to_key);
    };
    let affine = windows_below_q(width);
    let one = k.all(&Fp::ONE);
    let zero = k.all(&Fp::ZERO);

    let mut powers = vec![Powers::one(k); eights.len()];
    let mut entries = vec![zero; eights.len()];
    let mut highest = vec![Points { x: zero, y: zero }; 2 * eights.len()];
    let mut sums: Vec<Sums<K>> = K::shared().with_workspace(|work| {
        work.resize(k, 2 * eights.len(), affine);
        for i in 0..windows(width) {
            // The tables do not fit the nearer caches: while powers are multiplied, the next rows come in.
            base.prefetch(k, i);
            key.prefetch(k, i);
            power.look_up_one(k, i, on_key(i).zip(&mut entries));
            for ((powers, entry), digits) in powers.iter_mut().zip(&entries).zip(on_key(i)) {
                powers.mul_unit(k, entry, digits);
            }
            if i < affine {
                look_up(i, work.lists().map(|list| &mut list[i]).collect());
            }
            if i + 1 < windows(width) {
                power.prefetch(k, i + 1);
            }
        }
        let sums = work.sum(k);
        sums.chunks_exact(2)
            .map(|two| two[0].add(k, &two[1]))
            .collect()
    });
    for i in affine..windows(width) {
        look_up(i, highest.iter_mut().collect());
        for (two, sum) in highest.chunks_exact(2).zip(&mut sums) {
            for points in two {
                *sum = sum.add(k, &Sums::new(points, &one));
            }
        }
    }
    entries.zeroize();
    highest.zeroize();
    let mut out = to_numbers(k, &mut sums, &mut powers);
    out.truncate(recipients.len());
    sums.zeroize();
    powers.zeroize();
    out
}

/// Elements at even and at odd positions.
fn alternate<T>(all: Vec<T>) -> (Vec<T>, Vec<T>) {
    let (mut even, mut odd) = (Vec::new(), Vec::new());
    let mut all = all.into_iter();
    while let Some(first) = all.next() {
        even.push(first);
        odd.extend(all.next());
    }
    (even, odd)
}

/// Digits of eight recipients' scalars, window by window.
struct Eight {
    on_base: Vec<EightDigits>,
    on_key: Vec<EightDigits>,
}

impl Zeroize for Eight {
    fn zeroize(&mut self) {
        self.on_base.zeroize();
        self.on_key.zeroize();
    }
}

impl Eight {
    /// Of up to eight recipients; lanes that are left over repeat the first.
    fn new(recipients: &[Scalars], width: usize) -> Self {
        let mut new = Self {
            on_base: vec![EightDigits::default(); windows(width)],
            on_key: vec![EightDigits::default(); windows(width)],
        };
        for lane in 0..LANES {
            let scalars = recipients.get(lane).unwrap_or(&recipients[0]);
            for (scalar, to) in [
                (&scalars.on_base, &mut new.on_base),
                (&scalars.on_key, &mut new.on_key),
            ] {
                let digits = Zeroizing::new(recode(scalar, width, windows(width)));
                for (to, digit) in to.iter_mut().zip(digits.iter()) {
                    to.set(lane, *digit);
                }
            }
        }
        new
    }
}

/// Divides by the common denominators, with one inversion.
fn to_numbers<K: Kernel>(
    k: K,
    sums: &mut [Sums<K>],
    powers: &mut [Powers<K>],
) -> Vec<Encapsulated> {
    // A point at infinity must not make the shared product zero. That there is one shows anyway: it is refused.
    let mut infinite = Vec::with_capacity(sums.len() * LANES);
    for sum in sums.iter_mut() {
        let mut z = k.unpack(&sum.z);
        for z in &mut z {
            infinite.push(bool::from(z.is_zero()));
            z.assign(&Fp::ONE, z.is_zero());
        }
        sum.z = k.pack(&z);
        z.zeroize();
    }
    let mut inverses: Vec<K::Lanes> = sums
        .iter()
        .map(|sum| sum.z)
        .chain(powers.iter().map(|powers| powers.a))
        .collect();
    invert_all(k, &mut inverses);
    let (of_z, of_a) = inverses.split_at(sums.len());
    let mut out = Vec::with_capacity(infinite.len());
    for (((sum, powers), z), a) in sums.iter().zip(powers.iter()).zip(of_z).zip(of_a) {
        let x = k.unpack(&k.mul(&sum.x, z));
        let y = k.unpack(&k.mul(&sum.y, z));
        let mut w = k.unpack(&k.mul(&powers.b, a));
        for lane in 0..LANES {
            // public: that a point is infinity refuses the identity.
            out.push((!infinite[out.len()]).then_some([x[lane], y[lane], w[lane]]));
        }
        w.zeroize();
    }
    inverses.zeroize();
    out
}
