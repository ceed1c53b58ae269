//! Eight field elements at a time: what the fast algorithms of this module are written in.
//!
//! A kernel is a value that proves that its instructions may be used. [`portable::Portable`] works everywhere,
//! `ifma::Ifma` needs AVX-512 IFMA and comes from its `detect`. Both give the same results on the same inputs; tests
//! hold them against each other.
//!
//! **Magnitudes.** A kernel need not reduce fully. With values counted in multiples of p, the algorithms keep to these
//! rules, which `magnitude` proves by running them on bounds instead of numbers: a product (`mul`, `square`, `dot2`,
//! `dot4`), a packed value or a table entry is below 2; `add` adds the bounds; `sub` takes a subtrahend of at most 32
//! and adds 32; `reduced_sub` takes a minuend of at most 64 and a subtrahend of at most 32 and gives less than 2;
//! `negate_where` takes a value below 32 and gives one of at most 32; factors of a product are at most 128.

#[cfg(target_arch = "x86_64")]
pub(crate) mod ifma;
#[cfg(target_arch = "x86_64")]
mod ifma_chain;
#[cfg(target_arch = "x86_64")]
mod ifma_table;
#[cfg(test)]
pub(crate) mod magnitude;
pub(crate) mod portable;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use zeroize::Zeroize;

use super::modular::Fp;
use super::shared::SharedTables;

/// Elements that a kernel works on at a time.
pub(crate) const LANES: usize = 8;

/// Arithmetic of F_p on [`LANES`] elements at a time. No operation branches or indexes on a value.
pub(crate) trait Kernel: Copy + Send + Sync + 'static {
    /// Eight elements.
    type Lanes: Copy + Send + Sync + Zeroize + 'static;
    /// What look-up tables are made of.
    type Cell: Copy + Send + Sync + 'static;

    /// Where the tables that all keys share are kept.
    fn shared() -> &'static SharedTables<Self>;

    /// Eight elements into lanes.
    fn pack(self, values: &[Fp; LANES]) -> Self::Lanes;
    /// One element into all lanes.
    fn all(self, value: &Fp) -> Self::Lanes {
        self.pack(&[*value; LANES])
    }
    /// Lanes into eight elements.
    fn unpack(self, lanes: &Self::Lanes) -> [Fp; LANES];
    /// a * b.
    fn mul(self, a: &Self::Lanes, b: &Self::Lanes) -> Self::Lanes;
    /// a * a.
    fn square(self, a: &Self::Lanes) -> Self::Lanes;
    /// The sum of two products, with one reduction.
    fn dot2(self, a: [&Self::Lanes; 2], b: [&Self::Lanes; 2]) -> Self::Lanes;
    /// The sum of four products, with one reduction.
    fn dot4(self, a: [&Self::Lanes; 4], b: [&Self::Lanes; 4]) -> Self::Lanes;
    /// a + b.
    fn add(self, a: &Self::Lanes, b: &Self::Lanes) -> Self::Lanes;
    /// a - b.
    fn sub(self, a: &Self::Lanes, b: &Self::Lanes) -> Self::Lanes;
    /// a - b, reduced like a product.
    fn reduced_sub(self, a: &Self::Lanes, b: &Self::Lanes) -> Self::Lanes;
    /// Negates a in the lanes where `negative` is 1; it is 0 elsewhere.
    fn negate_where(self, a: &mut Self::Lanes, negative: &[u64; LANES]);
    /// Lane i gets the value of lane i ^ distance.
    fn swap(self, a: &Self::Lanes, distance: usize) -> Self::Lanes;

    /// A table of rows of `entries` entries, a multiple of 16; all cells are to be written.
    fn table(rows: usize, entries: usize) -> Vec<Self::Cell>;
    /// Writes the value in `lane` as entry `at` of a row of a table.
    fn write(self, row: &mut [Self::Cell], at: usize, lanes: &Self::Lanes, lane: usize);
    /// Asks the processor to fetch a row.
    fn prefetch(self, _row: &[Self::Cell]) {}
    /// Entry `index[i]` of row i in each lane i. Reads all rows whole; what is read does not depend on the index.
    fn look_up(self, rows: &[&[Self::Cell]; LANES], index: &[u64; LANES]) -> Self::Lanes;
    /// The same with one row for all lanes, for several indices at a time, each with the place for its result.
    fn look_up_one<'a, 'b>(
        self,
        row: &[Self::Cell],
        wanted: impl Iterator<Item = (&'a [u64; LANES], &'b mut Self::Lanes)>,
    );

    /// Miller's accumulation: from 1, for every step j first `squarings[j]` squarings in F_p^2, then a multiplication
    /// by real + imag * i, found in lane j % 8 of element j / 8 of `factors`. Steps beyond `factors` only square.
    /// Gives (a, b) of a + b*i.
    fn chain(self, squarings: &[u8], factors: &[(Self::Lanes, Self::Lanes)]) -> (Fp, Fp);
}
