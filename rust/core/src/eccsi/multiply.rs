//! Scalar multiplication: by tables for points that stay (G and each KPAK), by a doubling chain for others (a PVT).

use std::sync::LazyLock;

use zeroize::Zeroizing;

use super::curve::{Affine, GENERATOR, Jacobian, Xyzz, odd_multiples, to_affine_all};
use super::field::{Fp, Scalar};
use super::limbs::Limbs;

/// Bits per window of a fixed-base table.
const WINDOW: usize = 6;
/// Windows in 256 bits, and where the last one starts.
const WINDOWS: usize = 256_usize.div_ceil(WINDOW);
/// A digit is made of the bits of its window and the lowest of the next.
const DIGIT_MASK: u8 = (2 << WINDOW) as u8 - 1;
/// Odd multiples 1, 3, ... 63 in a window.
const ENTRIES: usize = 1 << (WINDOW - 1);
/// Window of the doubling chain: odd multiples up to 15.
const CHAIN_WINDOW: u32 = 5;
const CHAIN_ENTRIES: usize = 1 << (CHAIN_WINDOW - 2);

/// The table of G, made at first use.
pub(super) static GENERATOR_TABLE: LazyLock<FixedBase> =
    LazyLock::new(|| FixedBase::new(&GENERATOR));

/// A point with its odd multiples in every window: 43 times 32 points, 88 kB.
///
/// A scalar is made odd (k or q - k, which only turns the sign of the result) and written with odd digits in
/// [-63, 63]. So no digit is zero, no partial sum is infinity, and the pattern of operations is always the same.
pub(super) struct FixedBase {
    windows: Box<[[Entry; ENTRIES]]>,
}

/// A point as eight limbs in one piece, which the processor can mask in a few wide steps.
type Entry = [u64; 8];

fn entry_of(point: &Affine) -> Entry {
    let (x, y) = (point.x.montgomery(), point.y.montgomery());
    core::array::from_fn(|i| if i < 4 { x[i] } else { y[i - 4] })
}

#[inline(always)]
fn point_of(entry: &Entry) -> Affine {
    let [a, b, c, d, e, f, g, h] = *entry;
    Affine {
        x: Fp::from_montgomery([a, b, c, d]),
        y: Fp::from_montgomery([e, f, g, h]),
    }
}

impl FixedBase {
    /// Builds the table.
    pub(super) fn new(base: &Affine) -> Self {
        let mut multiples = Vec::with_capacity(WINDOWS * ENTRIES);
        let mut base = *base;
        for _ in 0..WINDOWS {
            multiples.extend(odd_multiples(&base, ENTRIES));
            // 64 times the base is the greatest of them and the base.
            let next = multiples
                .last()
                .map(|greatest| greatest.add_unequal(&base).to_affine());
            base = next.unwrap_or(base);
        }
        let entries: Vec<Entry> = to_affine_all(&multiples).iter().map(entry_of).collect();
        let (windows, _) = entries.as_chunks::<ENTRIES>();
        Self {
            windows: windows.into(),
        }
    }

    /// `[k]` base for a secret k, which is not zero. Neither branches nor addresses depend on k.
    ///
    /// In every addition but the last the table point is a greater multiple of the base than the sum so far, and
    /// their sum and difference are below q: they are neither equal nor opposite. In the last one they are equal for
    /// exactly one scalar, which has to come out right as well.
    pub(super) fn multiply(&self, k: &Scalar) -> Xyzz {
        let (odd, negated) = make_odd(k);
        let last = WINDOWS - 1;
        let mut sum = Zeroizing::new(Xyzz::from(lookup(&self.windows[0], digit(&odd, 0))));
        for i in 1..last {
            *sum = sum.add_unequal(&lookup(&self.windows[i], digit(&odd, i)));
        }
        let mut product = sum.add_or_double(&lookup(&self.windows[last], digit(&odd, last)));
        product.y = product.y.select(&product.y.negate(), negated);
        product
    }

    /// `sum + [k]` base for a public k.
    pub(super) fn multiply_add_public(&self, k: &Scalar, sum: Xyzz) -> Xyzz {
        if k.is_zero() {
            return sum;
        }
        let (odd, negated) = make_odd(k);
        let mut sum = sum;
        for (i, window) in self.windows.iter().enumerate() {
            let digit = digit(&odd, i);
            let entry = point_of(&window[usize::from(digit.unsigned_abs() >> 1)]);
            sum = sum.add_public(&entry.negate_masked(negated ^ sign_mask(digit)));
        }
        sum
    }
}

/// k where it is odd, else q - k, and all ones where it was negated.
fn make_odd(k: &Scalar) -> (Zeroizing<Limbs>, u64) {
    let limbs = Zeroizing::new(k.to_limbs());
    let even = (limbs[0] & 1).wrapping_sub(1);
    (Zeroizing::new(k.select(&k.negate(), even).to_limbs()), even)
}

/// The odd digit of window `i` of an odd number.
///
/// Subtracting 64 from seven bits with the lowest set leaves the next window's lowest bit set in turn; the last
/// window takes what is left.
#[inline(always)]
pub(super) fn digit(odd: &Limbs, i: usize) -> i8 {
    let (limb, shift) = (i * WINDOW / 64, i * WINDOW % 64);
    let mut bits = odd[limb] >> shift;
    if shift > 64 - (WINDOW + 1) && limb + 1 < odd.len() {
        bits |= odd[limb + 1] << (64 - shift);
    }
    let window = (bits as u8 & DIGIT_MASK) | 1;
    let low = if i == WINDOWS - 1 { 0 } else { 1 << WINDOW };
    window.wrapping_sub(low) as i8
}

/// All ones where the digit is negative.
#[inline(always)]
fn sign_mask(digit: i8) -> u64 {
    i64::from(digit >> 7) as u64
}

/// The multiple for an odd digit. Neither branches nor addresses depend on it.
#[inline(always)]
fn lookup(window: &[Entry; ENTRIES], digit: i8) -> Affine {
    let sign = sign_mask(digit);
    let index = ((digit as u64 ^ sign).wrapping_sub(sign) & 0x7f) >> 1;
    point_of(&read_all(window, index)).negate_masked(sign)
}

/// The entry at an index that is secret: all of them are read. Not inlined, so that whole entries stay in wide registers.
#[inline(never)]
fn read_all(window: &[Entry; ENTRIES], index: u64) -> Entry {
    // A compiler that knew the masks to be all or nothing would branch on them. To its knowledge this may not be zero.
    let zero = core::hint::black_box(0);
    let mut found = [0; 8];
    for (i, entry) in window.iter().enumerate() {
        // All ones where i is the index: only zero goes below zero.
        let mask = ((i as u64 ^ index).wrapping_sub(1) as i64 >> 63) as u64 | zero;
        for (limb, part) in found.iter_mut().zip(entry) {
            *limb |= part & mask;
        }
    }
    found
}

/// `[k]` point for a public k and a public point that is seen once.
pub(super) fn multiply_public(k: &Scalar, point: &Affine) -> Xyzz {
    let table = to_affine_all(&odd_multiples(point, CHAIN_ENTRIES));
    let mut sum = Jacobian::INFINITY;
    for digit in non_adjacent_form(k.to_limbs()).into_iter().rev() {
        sum = sum.double();
        if digit != 0 {
            let entry = table[usize::from(digit.unsigned_abs() >> 1)];
            sum = sum.add_public(&entry.negate_masked(sign_mask(digit)));
        }
    }
    sum.into()
}

/// Digits of a public number in base 2, zero or odd in [-15, 15], lowest first: at most one of five is not zero.
pub(super) fn non_adjacent_form(number: Limbs) -> [i8; 257] {
    let mut digits = [0; 257];
    let bits = |position: usize| {
        let (limb, shift) = (position / 64, position % 64);
        let low = number.get(limb).map_or(0, |limb| limb >> shift);
        let high = number
            .get(limb + 1)
            .map_or(0, |next| next.checked_shl(64 - shift as u32).unwrap_or(0));
        (low | high) & ((1 << CHAIN_WINDOW) - 1)
    };
    let (mut position, mut carry) = (0, 0);
    while position < digits.len() {
        if bits(position) & 1 == carry {
            // The digit is zero, and a pending carry meets a one and stays.
            position += 1;
            continue;
        }
        let window = (bits(position).wrapping_add(carry)) as i8;
        let half = 1 << (CHAIN_WINDOW - 1);
        (digits[position], carry) = if window > half {
            (window - 2 * half, 1)
        } else {
            (window, 0)
        };
        position += CHAIN_WINDOW as usize;
    }
    digits
}
