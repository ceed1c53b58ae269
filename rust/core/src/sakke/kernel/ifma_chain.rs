//! Miller's accumulation with AVX-512 IFMA: one element of F_p^2 at a time, its two products side by side.
//!
//! The element a + b*i lies in five vectors. The low half of each belongs to a, the high half to b; slot s of vector c
//! holds limb c + 5s. So moving down by one limb, which Montgomery reduction does after each digit, renames vectors and
//! moves slots in one of them only. Between operations limbs are sums that have not been carried; they are carried when
//! they become factors.
//!
//! All code here has `#[target_feature]` and is entered by [`super::ifma`], which says why that is sound.

// Limbs are counted as in the formulas; several arrays share each count.
#![allow(clippy::needless_range_loop)]

use core::arch::x86_64::*;

use super::LANES;
use super::ifma::{LIMBS, Lanes, MASK, N0, ONE, P, P_TIMES_32, Vector, load, store};

const VECTORS: usize = 5;
const SLOTS: usize = 4;

/// One element of F_p^2 with uncarried limbs.
type Element = [__m512i; VECTORS];

/// Constants of a run, in registers.
struct Constants {
    p: Element,
    p_times_32: Element,
    mask: __m512i,
    n0: __m512i,
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn slice(low: &[u64; LIMBS], high: &[u64; LIMBS]) -> Element {
    let mut out = [_mm512_setzero_si512(); VECTORS];
    for (c, out) in out.iter_mut().enumerate() {
        *out = load(&Vector(core::array::from_fn(|i| match i / SLOTS {
            0 => low[c + VECTORS * i],
            _ => high[c + VECTORS * (i - SLOTS)],
        })));
    }
    out
}

impl Constants {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new() -> Self {
        Self {
            p: slice(&P, &P),
            p_times_32: slice(&P_TIMES_32, &[0; LIMBS]),
            mask: _mm512_set1_epi64(MASK.cast_signed()),
            n0: _mm512_set1_epi64(N0.cast_signed()),
        }
    }

    /// One step of carrying: every limb keeps 52 bits and takes what is above them in the limb below.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn carry(&self, t: &Element) -> Element {
        let mut out = *t;
        for c in 0..VECTORS {
            let carried = if c > 0 {
                _mm512_srai_epi64::<52>(t[c - 1])
            } else {
                // From slot s of the last vector to slot s + 1 of the first, in both halves.
                _mm512_maskz_permutex_epi64::<0x90>(0xee, _mm512_srai_epi64::<52>(t[VECTORS - 1]))
            };
            out[c] = _mm512_add_epi64(_mm512_and_si512(t[c], self.mask), carried);
        }
        out
    }

    /// Carries until every limb has 52 bits.
    ///
    /// Two steps do: after the first a limb exceeds 52 bits by less than 2^10, after the second by at most one carry
    /// that meets a limb of 52 ones. For values that look random the loop's condition fails at once except with
    /// probability below 2^-90, so its time says nothing about them.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn settle(&self, t: &Element) -> Element {
        let mut out = self.carry(&self.carry(t));
        loop {
            let any = _mm512_or_si512(
                _mm512_or_si512(
                    _mm512_or_si512(out[0], out[1]),
                    _mm512_or_si512(out[2], out[3]),
                ),
                out[4],
            );
            if _mm512_cmpgt_epu64_mask(any, self.mask) == 0 {
                return out;
            }
            out = self.carry(&out);
        }
    }

    /// One digit of Montgomery multiplication, for the sum of N products. Limb 0 has taken this digit's products already;
    /// the next digit's are added to what will be limb 0 before the quotient is known.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn round<const N: usize>(
        &self,
        t: &mut Element,
        x: &[Element; N],
        digit: &[__m512i; N],
        following: &[__m512i; N],
    ) {
        let zero = _mm512_setzero_si512();
        let m = _mm512_permutex_epi64::<0>(_mm512_madd52lo_epu64(zero, t[0], self.n0));
        // t[0] plus the low part of m * p is a multiple of 2^52 in slot 0: what is carried is known without it.
        let carry = _mm512_maskz_srli_epi64::<52>(0x11, _mm512_add_epi64(t[0], self.mask));
        let mut last = zero;
        for n in 0..N {
            t[1] = _mm512_madd52lo_epu64(t[1], x[n][1], digit[n]);
            t[1] = _mm512_madd52hi_epu64(t[1], x[n][0], digit[n]);
            t[1] = _mm512_madd52lo_epu64(t[1], x[n][0], following[n]);
            for c in 2..VECTORS {
                t[c] = _mm512_madd52lo_epu64(t[c], x[n][c], digit[n]);
                t[c] = _mm512_madd52hi_epu64(t[c], x[n][c - 1], digit[n]);
            }
            last = _mm512_madd52hi_epu64(last, x[n][4], digit[n]);
        }
        let first = _mm512_madd52hi_epu64(zero, self.p[0], m);
        t[1] = _mm512_madd52lo_epu64(t[1], self.p[1], m);
        let low = _mm512_add_epi64(t[1], _mm512_add_epi64(first, carry));
        t[0] = _mm512_madd52lo_epu64(t[0], self.p[0], m);
        let mut next = [low, zero, zero, zero, zero];
        for c in 2..VECTORS {
            t[c] = _mm512_madd52lo_epu64(t[c], self.p[c], m);
            next[c - 1] = _mm512_madd52hi_epu64(t[c], self.p[c - 1], m);
        }
        last = _mm512_madd52hi_epu64(last, self.p[4], m);
        // The rest of vector 0 becomes vector 4, one slot down.
        next[4] = _mm512_add_epi64(last, _mm512_maskz_permutex_epi64::<0x39>(0x77, t[0]));
        *t = next;
    }

    /// (a + b*i)^2 = (a + b)(a - b) + 2ab*i.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn square(&self, f: &Element) -> Element {
        let mut x = *f;
        let mut y = *f;
        for c in 0..VECTORS {
            let swapped = swap(f[c]);
            let twice = _mm512_add_epi64(swapped, swapped);
            x[c] = _mm512_mask_add_epi64(twice, 0x0f, f[c], swapped);
            let lifted = _mm512_add_epi64(f[c], self.p_times_32[c]);
            y[c] = _mm512_mask_sub_epi64(f[c], 0x0f, lifted, swapped);
        }
        let x = [self.settle(&x)];
        let y = self.settle(&y);
        let zero = _mm512_setzero_si512();
        let mut index = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
        let mut digit = _mm512_permutexvar_epi64(index, y[0]);
        let mut t = [
            _mm512_madd52lo_epu64(zero, x[0][0], digit),
            zero,
            zero,
            zero,
            zero,
        ];
        for s in 0..SLOTS {
            let more = if s + 1 < SLOTS { 0xff } else { 0 };
            let next_index = _mm512_add_epi64(index, _mm512_set1_epi64(1));
            for c in 0..VECTORS {
                // After the last digit this takes a limb that no longer counts: the result is moved out of its way.
                let following = if c + 1 < VECTORS {
                    _mm512_permutexvar_epi64(index, y[c + 1])
                } else {
                    _mm512_maskz_permutexvar_epi64(more, next_index, y[0])
                };
                self.round(&mut t, &x, &[digit], &[following]);
                digit = following;
            }
            index = next_index;
        }
        t
    }

    /// (a + b*i)(c + d*i) = (ac - bd) + (ad + bc)*i.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn multiply(&self, f: &Element, real: &Lanes, imag: &Lanes, lane: usize) -> Element {
        let mut x1 = *f;
        let mut x2 = *f;
        for c in 0..VECTORS {
            let swapped = swap(f[c]);
            x1[c] = _mm512_mask_mov_epi64(swapped, 0x0f, f[c]);
            x2[c] = _mm512_mask_sub_epi64(f[c], 0x0f, self.p_times_32[c], swapped);
        }
        let x = [self.settle(&x1), self.settle(&x2)];
        let zero = _mm512_setzero_si512();
        let mut digit = digits(&real.0[0], &imag.0[0], lane);
        let low = _mm512_madd52lo_epu64(zero, x[0][0], digit[0]);
        let low = _mm512_madd52lo_epu64(low, x[1][0], digit[1]);
        let mut t = [low, zero, zero, zero, zero];
        for (real, imag) in real.0[1..].iter().zip(&imag.0[1..]) {
            let following = digits(real, imag, lane);
            self.round(&mut t, &x, &digit, &following);
            digit = following;
        }
        self.round(&mut t, &x, &digit, &[zero; 2]);
        t
    }
}

/// A limb of c + d*i in the arrangements (c | d) and (d | c).
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn digits(real: &Vector, imag: &Vector, lane: usize) -> [__m512i; 2] {
    let (c, d) = (real.0[lane].cast_signed(), imag.0[lane].cast_signed());
    [
        _mm512_mask_set1_epi64(_mm512_set1_epi64(c), 0xf0, d),
        _mm512_mask_set1_epi64(_mm512_set1_epi64(d), 0xf0, c),
    ]
}

/// Exchanges the halves.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn swap(v: __m512i) -> __m512i {
    _mm512_shuffle_i64x2::<0b01_00_11_10>(v, v)
}

fn column(lanes: &Lanes, lane: usize) -> [u64; LIMBS] {
    core::array::from_fn(|j| lanes.0[j].0[lane])
}

/// [`super::Kernel::chain`] with a in lane 0, b in lane 1.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn chain(squarings: &[u8], factors: &[(Lanes, Lanes)]) -> Lanes {
    let constants = Constants::new();
    let mut f = slice(&ONE, &[0; LIMBS]);
    for (j, count) in squarings.iter().enumerate() {
        let factor = factors.get(j / LANES);
        match factor {
            // Squaring and multiplying 1 is skipped.
            Some((real, imag)) if j == 0 => f = slice(&column(real, 0), &column(imag, 0)),
            _ => {
                for _ in 0..*count {
                    f = constants.square(&f);
                }
                if let Some((real, imag)) = factor {
                    f = constants.multiply(&f, real, imag, j % LANES);
                }
            }
        }
    }
    let mut out = Lanes::ZERO;
    for (c, vector) in constants.settle(&f).into_iter().enumerate() {
        let mut stored = Vector::ZERO;
        store(&mut stored, vector);
        for s in 0..SLOTS {
            out.0[c + VECTORS * s].0[0] = stored.0[s];
            out.0[c + VECTORS * s].0[1] = stored.0[s + SLOTS];
        }
    }
    out
}
