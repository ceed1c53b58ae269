//! Inversion modulo an odd number in constant time: Bernstein and Yang's "safegcd" (2019) with delta starting at 1/2,
//! 62 division steps at a time.
//!
//! f and g start as the modulus and the value and end as plus or minus 1 and 0; d and e are kept so that f = d * value
//! and g = e * value up to a constant factor. For b-bit numbers (45907 b + 26313) / 19929 steps suffice (Aranha, Hvass,
//! Spitters and Tibouchi): 2,360 for 1024 bits. Every inversion makes all [`BATCHES`] * 62 steps.

use zeroize::Zeroize;

use super::uint::{self, Limbs};

/// 17 digits of 62 bits, the last one signed.
type Digits = [i64; 17];

const BATCHES: usize = 39;
const MASK: u64 = u64::MAX >> 2;

/// scale / value modulo the odd `modulus`, or zero for zero. Both arguments are below the modulus.
pub(crate) fn invert(value: &Limbs, modulus: &Limbs, scale: &Limbs) -> Limbs {
    let m = cut(modulus);
    let inverse = inverse_of_low_digit(modulus[0]);
    let (mut f, mut g) = (m, cut(value));
    let (mut d, mut e) = ([0; 17], cut(scale));
    let mut zeta = -1;
    for _ in 0..BATCHES {
        let steps = divide_steps(&mut zeta, f[0], g[0]);
        steps.apply_modular(&mut d, &mut e, &m, inverse);
        steps.apply(&mut f, &mut g);
    }
    // d is in (-2m, m), and to be negated where f is -1.
    let negative = sign_mask(&f);
    add_where_negative(&mut d, &m);
    for digit in &mut d {
        *digit = (*digit ^ negative).wrapping_sub(negative);
    }
    carry(&mut d);
    add_where_negative(&mut d, &m);
    carry(&mut d);
    let out = join(&d);
    f.zeroize();
    g.zeroize();
    d.zeroize();
    e.zeroize();
    out
}

/// What 62 division steps do to (f, g), times 2^62.
struct Steps {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

fn divide_steps(zeta: &mut i64, f: i64, g: i64) -> Steps {
    let (mut f, mut g) = (f as u64, g as u64);
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    for _ in 0..62 {
        let below = (*zeta >> 63) as u64;
        let odd = (g & 1).wrapping_neg();
        g = g.wrapping_add((f ^ below).wrapping_sub(below) & odd);
        q = q.wrapping_add((u ^ below).wrapping_sub(below) & odd);
        r = r.wrapping_add((v ^ below).wrapping_sub(below) & odd);
        let swap = below & odd;
        *zeta = (*zeta ^ swap as i64).wrapping_sub(1);
        f = f.wrapping_add(g & swap);
        u = u.wrapping_add(q & swap);
        v = v.wrapping_add(r & swap);
        g >>= 1;
        u <<= 1;
        v <<= 1;
    }
    Steps {
        u: u as i64,
        v: v as i64,
        q: q as i64,
        r: r as i64,
    }
}

#[inline(always)]
fn product(a: i64, b: i64) -> i128 {
    i128::from(a).wrapping_mul(i128::from(b))
}

impl Steps {
    /// (f, g) becomes (u f + v g, q f + r g) / 2^62, exactly.
    fn apply(&self, f: &mut Digits, g: &mut Digits) {
        let (mut cf, mut cg) = (0i128, 0i128);
        for i in 0..17 {
            cf = cf
                .wrapping_add(product(self.u, f[i]))
                .wrapping_add(product(self.v, g[i]));
            cg = cg
                .wrapping_add(product(self.q, f[i]))
                .wrapping_add(product(self.r, g[i]));
            if i > 0 {
                f[i - 1] = (cf as u64 & MASK) as i64;
                g[i - 1] = (cg as u64 & MASK) as i64;
            }
            cf >>= 62;
            cg >>= 62;
        }
        f[16] = cf as i64;
        g[16] = cg as i64;
    }

    /// The same for (d, e) modulo m, both kept in (-2m, m).
    fn apply_modular(&self, d: &mut Digits, e: &mut Digits, m: &Digits, inverse: u64) {
        let (sd, se) = (d[16] >> 63, e[16] >> 63);
        let mut md = (self.u & sd).wrapping_add(self.v & se);
        let mut me = (self.q & sd).wrapping_add(self.r & se);
        let (mut cd, mut ce) = (0i128, 0i128);
        for i in 0..17 {
            cd = cd
                .wrapping_add(product(self.u, d[i]))
                .wrapping_add(product(self.v, e[i]));
            ce = ce
                .wrapping_add(product(self.q, d[i]))
                .wrapping_add(product(self.r, e[i]));
            if i == 0 {
                // The multiples of m that make the lowest digits zero.
                md = md.wrapping_sub(lacking(cd, md, inverse));
                me = me.wrapping_sub(lacking(ce, me, inverse));
            }
            cd = cd.wrapping_add(product(m[i], md));
            ce = ce.wrapping_add(product(m[i], me));
            if i > 0 {
                d[i - 1] = (cd as u64 & MASK) as i64;
                e[i - 1] = (ce as u64 & MASK) as i64;
            }
            cd >>= 62;
            ce >>= 62;
        }
        d[16] = cd as i64;
        e[16] = ce as i64;
    }
}

fn lacking(low: i128, multiple: i64, inverse: u64) -> i64 {
    (inverse
        .wrapping_mul(low as u64)
        .wrapping_add(multiple as u64)
        & MASK) as i64
}

/// 1/m modulo 2^62 by Newton's iteration.
fn inverse_of_low_digit(m: u64) -> u64 {
    let mut inverse = m;
    for _ in 0..6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(m.wrapping_mul(inverse)));
    }
    inverse & MASK
}

/// All ones for a negative number.
fn sign_mask(d: &Digits) -> i64 {
    uint::opaque((d[16] >> 63).cast_unsigned()).cast_signed()
}

/// Adds m to a negative d.
fn add_where_negative(d: &mut Digits, m: &Digits) {
    let all_ones = sign_mask(d);
    for (d, m) in d.iter_mut().zip(m) {
        *d = d.wrapping_add(m & all_ones);
    }
}

fn carry(d: &mut Digits) {
    for i in 0..16 {
        d[i + 1] = d[i + 1].wrapping_add(d[i] >> 62);
        d[i] = (d[i] as u64 & MASK) as i64;
    }
}

fn cut(value: &Limbs) -> Digits {
    core::array::from_fn(|i| uint::bits(value, 62 * i, 62) as i64)
}

fn join(d: &Digits) -> Limbs {
    let mut out = [0; 16];
    for (i, digit) in d.iter().enumerate() {
        let (limb, shift) = (62 * i / 64, 62 * i % 64);
        let wide = (*digit as u128) << shift;
        out[limb] |= wide as u64;
        if limb < 15 {
            out[limb + 1] |= (wide >> 64) as u64;
        }
    }
    out
}
