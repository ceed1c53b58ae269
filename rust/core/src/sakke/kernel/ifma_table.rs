//! Look-ups in tables with AVX-512. Rows hold their entries limb by limb, eight entries a vector, and are read whole.
//!
//! A permutation picks from 16 entries by the four lowest bits of an index, wherever they are in two registers; masks made
//! of the bits above choose among the sixteens. Addresses never depend on an index.
//!
//! All code here has `#[target_feature]` and is entered by [`super::ifma`], which says why that is sound.

// Sixteens are counted as in the text; several arrays share each count.
#![allow(clippy::needless_range_loop)]

use core::arch::x86_64::*;

use super::LANES;
use super::ifma::{LIMBS, Lanes, Vector, all, load, store};

/// An index into a row: the whole for permutations, which use its lowest four bits, and masks of the bits above.
struct Index {
    whole: __m512i,
    bits: [__mmask8; 3],
}

impl Index {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(whole: __m512i) -> Self {
        Self {
            whole,
            bits: [
                _mm512_test_epi64_mask(whole, all(16)),
                _mm512_test_epi64_mask(whole, all(32)),
                _mm512_test_epi64_mask(whole, all(64)),
            ],
        }
    }

    /// The entry of a limb's part of a row, which is read whole.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn pick<const SIXTEENS: usize>(&self, part: &[Vector]) -> __m512i {
        let mut found = [_mm512_setzero_si512(); SIXTEENS];
        for k in 0..SIXTEENS {
            let (low, high) = (load(&part[2 * k]), load(&part[2 * k + 1]));
            found[k] = _mm512_permutex2var_epi64(low, self.whole, high);
        }
        if SIXTEENS > 1 {
            for k in 0..SIXTEENS / 2 {
                found[k] = _mm512_mask_mov_epi64(found[2 * k], self.bits[0], found[2 * k + 1]);
            }
        }
        if SIXTEENS > 2 {
            for k in 0..SIXTEENS / 4 {
                found[k] = _mm512_mask_mov_epi64(found[2 * k], self.bits[1], found[2 * k + 1]);
            }
        }
        if SIXTEENS > 4 {
            found[0] = _mm512_mask_mov_epi64(found[0], self.bits[2], found[1]);
        }
        found[0]
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn look_up_one_in<const SIXTEENS: usize, const N: usize>(
    row: &[Vector],
    index: [&[u64; LANES]; N],
    mut out: [&mut Lanes; N],
) {
    let mut indices = [const { None }; N];
    for (made, index) in indices.iter_mut().zip(index) {
        *made = Some(Index::new(load(&Vector(*index))));
    }
    for (j, part) in row.chunks_exact(2 * SIXTEENS).enumerate() {
        for (out, index) in out.iter_mut().zip(&indices) {
            if let Some(index) = index {
                store(&mut out.0[j], index.pick::<SIXTEENS>(part));
            }
        }
    }
}

/// The entries of one row for N vectors of indices.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn look_up_one<const N: usize>(
    row: &[Vector],
    index: [&[u64; LANES]; N],
    out: [&mut Lanes; N],
) {
    match row.len() / LIMBS {
        2 => look_up_one_in::<1, N>(row, index, out),
        4 => look_up_one_in::<2, N>(row, index, out),
        8 => look_up_one_in::<4, N>(row, index, out),
        _ => look_up_one_in::<8, N>(row, index, out),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn look_up_in<const SIXTEENS: usize>(rows: &[&[Vector]; LANES], index: &[u64; LANES]) -> Lanes {
    let mut out = Lanes::ZERO;
    for (lane, (row, index)) in rows.iter().zip(index).enumerate() {
        let index = Index::new(all(*index));
        for (out, part) in out.0.iter_mut().zip(row.chunks_exact(2 * SIXTEENS)) {
            let picked = index.pick::<SIXTEENS>(part);
            let merged = _mm512_mask_mov_epi64(load(out), 1 << lane, picked);
            store(out, merged);
        }
    }
    out
}

/// An entry of its own row in each lane.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn look_up(rows: &[&[Vector]; LANES], index: &[u64; LANES]) -> Lanes {
    match rows[0].len() / LIMBS {
        2 => look_up_in::<1>(rows, index),
        4 => look_up_in::<2>(rows, index),
        8 => look_up_in::<4>(rows, index),
        _ => look_up_in::<8>(rows, index),
    }
}
