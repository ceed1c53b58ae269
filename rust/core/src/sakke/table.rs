//! Fixed-base tables: the odd multiples of every window of a base, so that a multiplication is a sum of entries.

use super::curve::{Affine, Projective, to_affine_all};
use super::kernel::{Kernel, LANES};
use super::modular::Fp;
use super::params;
use super::ratio::Ratio;
use super::recode::{EightDigits, entries, windows};
use super::sum::{Points, Workspace, invert_all};

/// For each window i the points B, 3B, ..., (2^width - 1)B with B = [2^(width * i)] of the base.
pub(crate) struct PointTable<K: Kernel> {
    width: usize,
    x: Vec<K::Cell>,
    y: Vec<K::Cell>,
}

/// Rows of a table: every window, and more until they fill lanes.
fn rows(width: usize) -> usize {
    windows(width).next_multiple_of(LANES)
}

/// Row i of a table's cells.
fn row<C>(cells: &[C], width: usize, i: usize) -> &[C] {
    let size = cells.len() / rows(width);
    &cells[i * size..(i + 1) * size]
}

/// Writes entry `at` of the eight rows from `first` on.
fn write<K: Kernel>(
    k: K,
    cells: &mut [K::Cell],
    width: usize,
    first: usize,
    at: usize,
    values: &K::Lanes,
) {
    let size = cells.len() / rows(width);
    for (lane, row) in cells[first * size..]
        .chunks_exact_mut(size)
        .take(LANES)
        .enumerate()
    {
        k.write(row, at, values, lane);
    }
}

impl<K: Kernel> PointTable<K> {
    /// The table of a point of order q.
    pub(crate) fn new(k: K, base: &Affine, width: usize) -> Self {
        let mut firsts = Vec::with_capacity(rows(width));
        let mut first = Projective::from(*base);
        for _ in 0..rows(width) {
            firsts.push(first);
            for _ in 0..width {
                first = first.add(&first);
            }
        }
        let twice: Vec<Projective> = firsts.iter().map(|first| first.add(first)).collect();
        let twice = in_lanes(k, &to_affine_all(&twice));
        let mut work = Workspace::default();
        work.resize(k, rows(width) / LANES, 2);
        for (pair, first) in work.lists().zip(in_lanes(k, &to_affine_all(&firsts))) {
            pair[0] = first;
        }
        let mut x = K::table(rows(width), entries(width));
        let mut y = K::table(rows(width), entries(width));
        for at in 0..entries(width) {
            for ((group, pair), twice) in work.lists().enumerate().zip(&twice) {
                write(k, &mut x, width, group * LANES, at, &pair[0].x);
                write(k, &mut y, width, group * LANES, at, &pair[0].y);
                pair[1] = *twice;
            }
            // Odd multiples below 2^8 of a point of order q never meet plus or minus its double.
            work.add_neighbours(k, 1);
        }
        Self { width, x, y }
    }

    /// Window width in bits.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    fn row(&self, i: usize) -> (&[K::Cell], &[K::Cell]) {
        (row(&self.x, self.width, i), row(&self.y, self.width, i))
    }

    /// Asks the processor to fetch what will be looked up in window i.
    pub(crate) fn prefetch(&self, k: K, i: usize) {
        let (x, y) = self.row(i);
        k.prefetch(x);
        k.prefetch(y);
    }

    /// The entries of window i for several times eight digits, each with the place for the points.
    pub(crate) fn look_up_one<'a>(
        &self,
        k: K,
        i: usize,
        digits: impl Iterator<Item = &'a EightDigits> + Clone,
        out: &mut [&mut Points<K>],
    ) {
        let (x, y) = self.row(i);
        let index = digits.clone().map(|digits| &digits.index);
        let to = out.iter_mut().map(|points| &mut points.x);
        k.look_up_one(x, index.clone().zip(to));
        let to = out.iter_mut().map(|points| &mut points.y);
        k.look_up_one(y, index.zip(to));
        for (points, digits) in out.iter_mut().zip(digits) {
            k.negate_where(&mut points.y, &digits.negative);
        }
    }

    /// The entries of eight windows, of one table or of several, for a digit of each.
    pub(crate) fn look_up(
        k: K,
        windows: &[(&Self, usize); LANES],
        digits: &EightDigits,
    ) -> Points<K> {
        let rows = windows.map(|(table, i)| table.row(i));
        let x = k.look_up(&rows.map(|(x, _)| x), &digits.index);
        let mut y = k.look_up(&rows.map(|(_, y)| y), &digits.index);
        k.negate_where(&mut y, &digits.negative);
        Points { x, y }
    }
}

fn in_lanes<K: Kernel>(k: K, points: &[Affine]) -> Vec<Points<K>> {
    points
        .chunks_exact(LANES)
        .map(|eight| Points {
            x: k.pack(&core::array::from_fn(|i| eight[i].x)),
            y: k.pack(&core::array::from_fn(|i| eight[i].y)),
        })
        .collect()
}

/// The same for g in PF_p: t of 1 + t*i.
pub(crate) struct PowerTable<K: Kernel> {
    width: usize,
    t: Vec<K::Cell>,
}

impl<K: Kernel> PowerTable<K> {
    /// The table of g.
    pub(crate) fn new(k: K, width: usize) -> Self {
        let mut first = Ratio {
            a: Fp::ONE,
            b: Fp::from_limbs(&params::G),
        };
        let mut firsts = Vec::with_capacity(rows(width));
        for _ in 0..rows(width) {
            firsts.push(first);
            for _ in 0..width {
                first = first.square();
            }
        }
        let twice: Vec<Ratio> = firsts.iter().map(Ratio::square).collect();
        let twice = units(k, &twice);
        let mut powers = units(k, &firsts);
        let mut t = K::table(rows(width), entries(width));
        for at in 0..entries(width) {
            for (group, power) in powers.iter().enumerate() {
                write(k, &mut t, width, group * LANES, at, power);
            }
            // (1 + t*i)(1 + u*i) is (1 - t*u) + (t + u)*i; no power of g has a real part of zero.
            let one = k.all(&Fp::ONE);
            let mut inverses: Vec<K::Lanes> = powers
                .iter()
                .zip(&twice)
                .map(|(power, twice)| k.sub(&one, &k.mul(power, twice)))
                .collect();
            invert_all(k, &mut inverses);
            powers = powers
                .iter()
                .zip(&twice)
                .zip(&inverses)
                .map(|((power, twice), inverse)| k.mul(&k.add(power, twice), inverse))
                .collect();
        }
        Self { width, t }
    }

    /// Window width in bits.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// Asks the processor to fetch what will be looked up in window i.
    pub(crate) fn prefetch(&self, k: K, i: usize) {
        if i < rows(self.width) {
            k.prefetch(row(&self.t, self.width, i));
        }
    }

    /// t of the entries of window i for several times eight digits.
    pub(crate) fn look_up_one<'a, 'b>(
        &self,
        k: K,
        i: usize,
        wanted: impl Iterator<Item = (&'a EightDigits, &'b mut K::Lanes)>,
    ) {
        let row = row(&self.t, self.width, i);
        k.look_up_one(row, wanted.map(|(digits, t)| (&digits.index, t)));
    }

    /// t of the entries of the eight windows from `first` on, for a digit of each.
    pub(crate) fn look_up(&self, k: K, first: usize, digits: &EightDigits) -> K::Lanes {
        let rows = core::array::from_fn(|lane| row(&self.t, self.width, first + lane));
        k.look_up(&rows, &digits.index)
    }
}

/// b/a of elements that fill lanes.
fn units<K: Kernel>(k: K, ratios: &[Ratio]) -> Vec<K::Lanes> {
    let lanes = |f: fn(&Ratio) -> Fp| -> Vec<K::Lanes> {
        ratios
            .chunks_exact(LANES)
            .map(|eight| k.pack(&core::array::from_fn(|i| f(&eight[i]))))
            .collect()
    };
    let mut inverses = lanes(|ratio| ratio.a);
    invert_all(k, &mut inverses);
    inverses
        .iter()
        .zip(lanes(|ratio| ratio.b))
        .map(|(inverse, b)| k.mul(inverse, &b))
        .collect()
}
