//! The kernel for AVX-512 IFMA: one element per 64-bit lane, 20 limbs of 52 bits, Montgomery form with R = 2^1040.
//!
//! # Why this file is unsafe
//!
//! It calls functions that may only run on processors with AVX-512F and IFMA, and it loads and stores vectors. Both are
//! sound for these reasons. An [`Ifma`] can only be had from [`Ifma::detect`], which asks the processor, and all code
//! with `#[target_feature]` is entered through a method of it. Loads and stores go through [`load`] and [`store`], which
//! take references to aligned arrays of exactly one vector. Prefetches take addresses
//! of references. There is no other unsafe operation here.

#![allow(unsafe_code)]
// Limbs are counted as in the formulas; several arrays share each count.
#![allow(clippy::needless_range_loop)]

use core::arch::x86_64::*;

use zeroize::Zeroize;

use super::super::modular::{FieldPrime, Fp, Modulus, power_of_two};
use super::super::shared::SharedTables;
use super::super::uint::{self, Limbs};
use super::{Kernel, LANES};
use super::{ifma_chain, ifma_table};

/// Limbs of an element.
pub(super) const LIMBS: usize = 20;
/// The bits of a limb.
pub(super) const MASK: u64 = (1 << 52) - 1;
/// p.
pub(super) const P: [u64; LIMBS] = cut(&FieldPrime::M);
/// What is added so that differences do not become negative.
pub(super) const P_TIMES_32: [u64; LIMBS] = times(&P, 32);
const P_TIMES_64: [u64; LIMBS] = times(&P, 64);
/// -1/p modulo 2^52.
pub(super) const N0: u64 = FieldPrime::N0 & MASK;
/// One.
pub(super) const ONE: [u64; LIMBS] = cut(&power_of_two(&FieldPrime::M, 1040));
/// Multiplying by these takes an element from R = 2^1024 to R = 2^1040 and back.
const INTO: [u64; LIMBS] = cut(&power_of_two(&FieldPrime::M, 1056));
const OUT_OF: [u64; LIMBS] = cut(&FieldPrime::R);

/// One 512-bit vector.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Vector(pub(super) [u64; LANES]);

impl Vector {
    /// Zeros.
    pub(super) const ZERO: Self = Self([0; LANES]);
}

/// Eight elements: vector j holds limb j of each.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Lanes(pub(super) [Vector; LIMBS]);

impl Lanes {
    /// Zeros.
    pub(super) const ZERO: Self = Self([Vector::ZERO; LIMBS]);

    fn all(limbs: &[u64; LIMBS]) -> Self {
        Self(limbs.map(|limb| Vector([limb; LANES])))
    }
}

impl Zeroize for Lanes {
    fn zeroize(&mut self) {
        for vector in &mut self.0 {
            vector.0.zeroize();
        }
    }
}

/// Proof that the processor has AVX-512F and IFMA.
#[derive(Clone, Copy)]
pub(crate) struct Ifma(());

impl Ifma {
    /// The proof, where the processor has them.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma"))
            .then_some(Self(()))
    }
}

static SHARED: SharedTables<Ifma> = SharedTables::new();

/// Cuts an integer into limbs of 52 bits.
const fn cut(value: &Limbs) -> [u64; LIMBS] {
    let mut out = [0; LIMBS];
    let mut i = 0;
    while i < LIMBS {
        out[i] = uint::bits(value, 52 * i, 52);
        i += 1;
    }
    out
}

/// A small multiple.
const fn times(value: &[u64; LIMBS], factor: u64) -> [u64; LIMBS] {
    let mut out = [0; LIMBS];
    let mut carry = 0;
    let mut i = 0;
    while i < LIMBS {
        let sum = value[i] * factor + carry;
        out[i] = sum & MASK;
        carry = sum >> 52;
        i += 1;
    }
    out
}

/// A vector from memory.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn load(from: &Vector) -> __m512i {
    // SAFETY: the reference covers the 64 octets read, at their alignment.
    unsafe { _mm512_load_si512(core::ptr::from_ref(from).cast()) }
}

/// A vector into memory.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn store(to: &mut Vector, value: __m512i) {
    // SAFETY: the reference covers the 64 octets written, at their alignment.
    unsafe { _mm512_store_si512(core::ptr::from_mut(to).cast(), value) }
}

/// A value in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn all(value: u64) -> __m512i {
    _mm512_set1_epi64(value.cast_signed())
}

/// Limbs that are sums, possibly negative, into limbs of 52 bits.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn carry(limb: impl Fn(usize) -> __m512i) -> Lanes {
    let mut out = Lanes::ZERO;
    let mut carry = _mm512_setzero_si512();
    for (j, out) in out.0.iter_mut().enumerate() {
        let sum = _mm512_add_epi64(limb(j), carry);
        store(out, _mm512_and_si512(sum, all(MASK)));
        carry = _mm512_srai_epi64::<52>(sum);
    }
    out
}

/// The same reference, of which the compiler does not know that it is the same. So it reads limbs from where they are each
/// time, instead of reading them once and keeping more vectors than there are registers.
#[inline]
fn in_memory<T>(value: &T) -> &T {
    core::hint::black_box(value)
}

/// Adds a * digit to 21 limbs, except for the low half of the lowest product.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_product(t: &mut [__m512i; LIMBS], last: &mut __m512i, a: &Lanes, digit: __m512i) {
    let a = in_memory(a);
    for j in 1..LIMBS {
        t[j] = _mm512_madd52lo_epu64(t[j], load(&a.0[j]), digit);
    }
    let a = in_memory(a);
    for j in 1..LIMBS {
        t[j] = _mm512_madd52hi_epu64(t[j], load(&a.0[j - 1]), digit);
    }
    *last = _mm512_madd52hi_epu64(*last, load(&a.0[LIMBS - 1]), digit);
}

/// The sum of N products, reduced.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn dot<const N: usize>(a: [&Lanes; N], b: [&Lanes; N]) -> Lanes {
    let zero = _mm512_setzero_si512();
    let mut t = [zero; LIMBS];
    for i in 0..LIMBS {
        // What the quotient digit m needs comes first, so that the other products hide the wait for it.
        for n in 0..N {
            t[0] = _mm512_madd52lo_epu64(t[0], load(&a[n].0[0]), load(&b[n].0[i]));
        }
        let m = _mm512_madd52lo_epu64(zero, t[0], all(N0));
        let mut last = zero;
        for n in 0..N {
            add_product(&mut t, &mut last, a[n], load(&b[n].0[i]));
        }
        for j in 0..LIMBS {
            t[j] = _mm512_madd52lo_epu64(t[j], all(P[j]), m);
        }
        // One limb down: limb 0 is now a multiple of 2^52, the rest of which is carried.
        let carry = _mm512_srli_epi64::<52>(t[0]);
        let mut next = [zero; LIMBS];
        for j in 0..LIMBS {
            let above = if j + 1 < LIMBS { t[j + 1] } else { last };
            next[j] = _mm512_madd52hi_epu64(above, all(P[j]), m);
        }
        next[0] = _mm512_add_epi64(next[0], carry);
        t = next;
    }
    carry(|j| t[j])
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn mul(a: &Lanes, b: &Lanes) -> Lanes {
    dot([a], [b])
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn dot2(a: [&Lanes; 2], b: [&Lanes; 2]) -> Lanes {
    dot(a, b)
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn dot4(a: [&Lanes; 4], b: [&Lanes; 4]) -> Lanes {
    dot(a, b)
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn add(a: &Lanes, b: &Lanes) -> Lanes {
    carry(|j| _mm512_add_epi64(load(&a.0[j]), load(&b.0[j])))
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn sub(a: &Lanes, b: &Lanes) -> Lanes {
    carry(|j| {
        let lifted = _mm512_add_epi64(load(&a.0[j]), all(P_TIMES_32[j]));
        _mm512_sub_epi64(lifted, load(&b.0[j]))
    })
}

/// The number of times that p goes into a - b + 64p is estimated from the highest limbs: at most the true number, and at
/// most one less. What remains is below 2p.
#[target_feature(enable = "avx512f,avx512ifma")]
fn reduced_sub(a: &Lanes, b: &Lanes) -> Lanes {
    const TOP: usize = LIMBS - 1;
    const RECIPROCAL: u64 = (1 << 52) / (P[TOP] + 1);
    let zero = _mm512_setzero_si512();
    let difference = |j: usize| _mm512_sub_epi64(load(&a.0[j]), load(&b.0[j]));
    let lifted = _mm512_add_epi64(difference(TOP), all(64 * P[TOP]));
    let times = _mm512_madd52hi_epu64(zero, lifted, all(RECIPROCAL));
    // a - b + 64p - times * p, with a factor that is not negative: 64p + (128 - times) * p - 128p.
    let times = _mm512_sub_epi64(all(128), times);
    carry(|j| {
        let mut sum = _mm512_sub_epi64(difference(j), all(P_TIMES_64[j]));
        sum = _mm512_madd52lo_epu64(sum, all(P[j]), times);
        if j > 0 {
            sum = _mm512_madd52hi_epu64(sum, all(P[j - 1]), times);
        }
        sum
    })
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn negate_where(a: &mut Lanes, negative: &[u64; LANES]) {
    let negative = load(&Vector(*negative));
    let negative = _mm512_test_epi64_mask(negative, negative);
    *a = carry(|j| {
        let a = load(&a.0[j]);
        _mm512_mask_sub_epi64(a, negative, all(P_TIMES_32[j]), a)
    });
}

// SAFETY of every call below: `self` proves that the processor has the features the functions are compiled for.
impl Kernel for Ifma {
    type Lanes = Lanes;
    type Cell = Vector;

    fn shared() -> &'static SharedTables<Self> {
        &SHARED
    }

    fn pack(self, values: &[Fp; LANES]) -> Lanes {
        let mut out = Lanes::ZERO;
        for (lane, value) in values.iter().enumerate() {
            for (vector, limb) in out.0.iter_mut().zip(cut(value.raw())) {
                vector.0[lane] = limb;
            }
        }
        self.mul(&out, &Lanes::all(&INTO))
    }

    fn unpack(self, lanes: &Lanes) -> [Fp; LANES] {
        let out = self.mul(lanes, &Lanes::all(&OUT_OF));
        core::array::from_fn(|lane| {
            let mut joined = [0u64; 16];
            for (j, vector) in out.0.iter().enumerate() {
                let (limb, shift) = (52 * j / 64, 52 * j % 64);
                let wide = u128::from(vector.0[lane]) << shift;
                joined[limb] |= wide as u64;
                if limb < 15 {
                    joined[limb + 1] |= (wide >> 64) as u64;
                }
            }
            // A product with a factor below p is below p + 2^1015, so it fits, and one subtraction reduces it.
            let (reduced, borrow) = uint::sub(&joined, &FieldPrime::M);
            Fp::from_raw(uint::select(&reduced, &joined, borrow))
        })
    }

    fn mul(self, a: &Lanes, b: &Lanes) -> Lanes {
        unsafe { mul(a, b) }
    }

    fn square(self, a: &Lanes) -> Lanes {
        unsafe { mul(a, a) }
    }

    fn dot2(self, a: [&Lanes; 2], b: [&Lanes; 2]) -> Lanes {
        unsafe { dot2(a, b) }
    }

    fn dot4(self, a: [&Lanes; 4], b: [&Lanes; 4]) -> Lanes {
        unsafe { dot4(a, b) }
    }

    fn add(self, a: &Lanes, b: &Lanes) -> Lanes {
        unsafe { add(a, b) }
    }

    fn sub(self, a: &Lanes, b: &Lanes) -> Lanes {
        unsafe { sub(a, b) }
    }

    fn reduced_sub(self, a: &Lanes, b: &Lanes) -> Lanes {
        unsafe { reduced_sub(a, b) }
    }

    fn negate_where(self, a: &mut Lanes, negative: &[u64; LANES]) {
        unsafe { negate_where(a, negative) }
    }

    fn swap(self, a: &Lanes, distance: usize) -> Lanes {
        Lanes(a.0.map(|vector| Vector(core::array::from_fn(|i| vector.0[i ^ distance]))))
    }

    /// A row holds its entries limb by limb, eight entries a vector.
    fn table(rows: usize, entries: usize) -> Vec<Vector> {
        vec![Vector::ZERO; rows * LIMBS * entries / LANES]
    }

    fn write(self, row: &mut [Vector], at: usize, lanes: &Lanes, lane: usize) {
        let part = row.len() / LIMBS;
        for (part, limb) in row.chunks_exact_mut(part).zip(&lanes.0) {
            part[at / LANES].0[at % LANES] = limb.0[lane];
        }
    }

    fn prefetch(self, row: &[Vector]) {
        for vector in row {
            // A prefetch reads nothing that the program would see, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(core::ptr::from_ref(vector).cast()) }
        }
    }

    fn look_up(self, rows: &[&[Vector]; LANES], index: &[u64; LANES]) -> Lanes {
        unsafe { ifma_table::look_up(rows, index) }
    }

    fn look_up_one<'a, 'b>(
        self,
        row: &[Vector],
        mut wanted: impl Iterator<Item = (&'a [u64; LANES], &'b mut Lanes)>,
    ) {
        // Two at a time share what is read, and their masks fit the mask registers.
        while let Some((index, out)) = wanted.next() {
            match wanted.next() {
                Some((other, to)) => unsafe {
                    ifma_table::look_up_one(row, [index, other], [out, to]);
                },
                None => unsafe { ifma_table::look_up_one(row, [index], [out]) },
            }
        }
    }

    fn chain(self, squarings: &[u8], factors: &[(Lanes, Lanes)]) -> (Fp, Fp) {
        let mut lanes = unsafe { ifma_chain::chain(squarings, factors) };
        let out = self.unpack(&lanes);
        lanes.zeroize();
        (out[0], out[1])
    }
}
