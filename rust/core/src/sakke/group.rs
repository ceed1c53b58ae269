//! The same for many scalars at a time: each has a lane, and all share look-ups and inversions.

use zeroize::{Zeroize, Zeroizing};

use super::kernel::{Kernel, LANES};
use super::modular::Fp;
use super::multiply::Powers;
use super::recode::{EightDigits, recode, windows, windows_below_q};
use super::shared::Shared;
use super::sum::{Points, Sums, invert_all};
use super::table::PointTable;
use super::uint::Limbs;

/// What a recipient is to get: [on_base]P + [on_key]Z and g^on_key.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Scalars {
    pub(crate) on_base: Limbs,
    pub(crate) on_key: Limbs,
}

/// x and y of a point, and perhaps more. Not an `Option`: wiping one copies what happens to lie on the stack into it.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Numbers<const N: usize> {
    numbers: [Fp; N],
    infinite: bool,
}

impl<const N: usize> Numbers<N> {
    /// Of a point that may be infinity.
    pub(crate) fn new(numbers: [Fp; N], infinite: bool) -> Self {
        Self { numbers, infinite }
    }

    /// The numbers; `None` for infinity.
    pub(crate) fn get(&self) -> Option<&[Fp; N]> {
        // public: a point at infinity refuses the identity.
        if self.infinite {
            return None;
        }
        Some(&self.numbers)
    }
}

/// x and y of [on_base]P + [on_key]Z, and g^on_key as one number.
pub(crate) type Encapsulated = Numbers<3>;
/// x and y of a product.
pub(crate) type Product = Numbers<2>;

/// A base and the digits of the scalars that it is multiplied by: for every eight scalars, window by window.
struct Factor<'a, K: Kernel> {
    table: &'a PointTable<K>,
    eights: Zeroizing<Vec<Vec<EightDigits>>>,
}

impl<'a, K: Kernel> Factor<'a, K> {
    fn new(table: &'a PointTable<K>, scalars: &[&Limbs]) -> Self {
        let count = windows(table.width());
        let eights = scalars.chunks(LANES).map(|eight| {
            let mut digits = vec![EightDigits::default(); count];
            for lane in 0..LANES {
                // Lanes that are left over repeat the first.
                let scalar = eight.get(lane).unwrap_or(&eight[0]);
                let recoded = Zeroizing::new(recode(scalar, table.width(), count));
                for (to, digit) in digits.iter_mut().zip(recoded.iter()) {
                    to.set(lane, *digit);
                }
            }
            digits
        });
        Self {
            table,
            eights: Zeroizing::new(eights.collect()),
        }
    }

    /// Digits of window i.
    fn window(&self, i: usize) -> impl Iterator<Item = &EightDigits> + Clone {
        self.eights.iter().map(move |eight| &eight[i])
    }
}

/// For every eight scalars the sum over the factors, all of one width and as many scalars. `meanwhile` is called before
/// each window: while it computes, what is looked up next comes in from memory.
fn products<K: Kernel>(
    k: K,
    factors: &[Factor<'_, K>],
    mut meanwhile: impl FnMut(usize),
) -> Vec<Sums<K>> {
    let (Some(first), factor_count) = (factors.first(), factors.len()) else {
        return Vec::new();
    };
    let (width, count) = (first.table.width(), first.eights.len());
    // The lists, and points, of the first factor come first, then those of the next.
    let look_up = |i: usize, mut to: Vec<&mut Points<K>>| {
        for (factor, to) in factors.iter().zip(to.chunks_mut(count)) {
            factor.table.look_up_one(k, i, factor.window(i), to);
        }
    };
    let affine = windows_below_q(width);
    let mut sums = K::shared().with_workspace(|work| {
        work.resize(k, factor_count * count, affine);
        for i in 0..affine {
            for factor in factors {
                factor.table.prefetch(k, i);
            }
            meanwhile(i);
            look_up(i, work.lists().map(|list| &mut list[i]).collect());
        }
        work.sum(k)
    });
    let one = k.all(&Fp::ONE);
    let zero = k.all(&Fp::ZERO);
    let mut highest = vec![Points { x: zero, y: zero }; factor_count * count];
    for i in affine..windows(width) {
        meanwhile(i);
        look_up(i, highest.iter_mut().collect());
        for (points, sum) in highest.iter().zip(&mut sums) {
            *sum = sum.add(k, &Sums::new(points, &one));
        }
    }
    highest.zeroize();
    let (to, others) = sums.split_at_mut(count);
    for others in others.chunks(count) {
        for (sum, other) in to.iter_mut().zip(others) {
            *sum = sum.add(k, other);
        }
    }
    sums.truncate(count);
    sums
}

/// R and g^r of many recipients.
pub(crate) fn encapsulate<K: Kernel>(
    k: K,
    shared: &Shared<K>,
    key: &PointTable<K>,
    recipients: &[Scalars],
) -> Vec<Encapsulated> {
    let on_base: Vec<&Limbs> = recipients.iter().map(|scalars| &scalars.on_base).collect();
    let on_key: Vec<&Limbs> = recipients.iter().map(|scalars| &scalars.on_key).collect();
    let factors = [
        Factor::new(&shared.base, &on_base),
        Factor::new(key, &on_key),
    ];
    let (power, digits) = (&shared.power, &factors[1]);
    let count = digits.eights.len();
    let mut powers = vec![Powers::one(k); count];
    let mut entries = vec![k.all(&Fp::ZERO); count];
    let mut sums = products(k, &factors, |i| {
        power.look_up_one(k, i, digits.window(i).zip(&mut entries));
        power.prefetch(k, i + 1);
        for ((powers, entry), digits) in powers.iter_mut().zip(&entries).zip(digits.window(i)) {
            powers.mul_unit(k, entry, digits);
        }
    });
    entries.zeroize();
    let denominators = powers.iter().map(|powers| powers.a).collect();
    let (mut points, inverses) = to_affine(k, &mut sums, denominators);
    let mut out = Vec::with_capacity(points.len());
    for (powers, inverse) in powers.iter().zip(inverses.iter()) {
        let w = Zeroizing::new(k.unpack(&k.mul(&powers.b, inverse)));
        for (w, point) in w.iter().zip(&points[out.len()..]) {
            let [x, y] = point.numbers;
            out.push(Numbers::new([x, y, *w], point.infinite));
        }
    }
    out.truncate(recipients.len());
    points.zeroize();
    powers.zeroize();
    out
}

/// Products of one base.
pub(crate) fn multiply<K: Kernel>(k: K, table: &PointTable<K>, scalars: &[&Limbs]) -> Vec<Product> {
    let mut sums = products(k, &[Factor::new(table, scalars)], |_| ());
    let (mut points, _) = to_affine(k, &mut sums, Vec::new());
    points.truncate(scalars.len());
    points
}

type Inverses<L> = Zeroizing<Vec<L>>;

/// x and y of all points, and the inverses of `others` (not zero), with one inversion. Wipes the sums.
fn to_affine<K: Kernel>(
    k: K,
    sums: &mut Vec<Sums<K>>,
    others: Vec<K::Lanes>,
) -> (Vec<Product>, Inverses<K::Lanes>) {
    let count = others.len();
    let mut inverses = Zeroizing::new(others);
    let mut infinite = Vec::with_capacity(sums.len() * LANES);
    for sum in sums.iter() {
        // A point at infinity must not make the shared product zero. That there is one shows anyway: it is refused.
        let mut z = Zeroizing::new(k.unpack(&sum.z));
        for z in z.iter_mut() {
            infinite.push(bool::from(z.is_zero()));
            z.assign(&Fp::ONE, z.is_zero());
        }
        inverses.push(k.pack(&z));
    }
    invert_all(k, &mut inverses);
    let mut points = Vec::with_capacity(infinite.len());
    for (sum, inverse) in sums.iter().zip(&inverses[count..]) {
        let x = k.unpack(&k.mul(&sum.x, inverse));
        let y = k.unpack(&k.mul(&sum.y, inverse));
        for (x, y) in x.into_iter().zip(y) {
            points.push(Numbers::new([x, y], infinite[points.len()]));
        }
    }
    sums.zeroize();
    (points, inverses)
}
