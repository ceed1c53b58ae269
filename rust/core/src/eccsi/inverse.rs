//! Inversion modulo a 256-bit prime in constant time, by division steps (Bernstein and Yang, "Fast constant-time gcd
//! computation and modular inversion", 2019), in the variant that starts at delta = 1/2.
//!
//! A division step works on the lowest bits of (f, g) only. So 59 of them are done on single words and collected in
//! a 2 by 2 matrix, which is then applied to the long numbers. 590 steps bring g to zero for every input of 256
//! bits; ten rounds are always done. Numbers are signed, in five limbs of 62 bits.

use super::limbs::Limbs;

const LIMB_BITS: u32 = 62;
const LIMB_MASK: i64 = (1 << LIMB_BITS) - 1;
const STEPS: u32 = 59;
const ROUNDS: u32 = 10;

/// A number in radix 2^62; every limb but the last is in [0, 2^62), the last carries the sign.
type Signed = [i64; 5];

/// What a round of division steps does to (f, g): `[u v; q r] / 2^62`.
struct Matrix {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

/// The inverse of `number` modulo `prime`, both below 2^256; zero for zero. `prime_inverse` is 1/prime mod 2^62.
pub(super) fn invert(number: &Limbs, prime: &Limbs, prime_inverse: u64) -> Limbs {
    let modulus = to_signed(prime);
    let (mut f, mut g) = (modulus, to_signed(number));
    let (mut d, mut e): (Signed, Signed) = ([0; 5], [1, 0, 0, 0, 0]);
    // zeta = -(delta + 1/2), so that a swap is due where zeta is negative.
    let mut zeta = -1;
    for _ in 0..ROUNDS {
        let matrix;
        (matrix, zeta) = division_steps(zeta, f[0], g[0]);
        (d, e) = apply_modulo(&matrix, &d, &e, &modulus, prime_inverse as i64);
        (f, g) = apply_exact(&matrix, &f, &g);
    }
    // Now g = 0 and f = 1 or -1 (or the prime, for zero, and then d is a multiple of it).
    from_signed(&normalise(d, f[4] >> 63, &modulus))
}

/// 59 division steps on the lowest words of f and g, in two halves whose matrices fit into half words.
#[inline(always)]
fn division_steps(zeta: i64, f: i64, g: i64) -> (Matrix, i64) {
    const FIRST: u32 = STEPS / 2;
    let (one, zeta, f, g) = half_of_the_steps::<FIRST>(zeta, f, g);
    let (two, zeta, _, _) = half_of_the_steps::<{ STEPS - FIRST }>(zeta, f, g);
    // 59 doublings are three short of 2^62.
    let entry = |a: i64, x: i64, b: i64, y: i64| {
        a.wrapping_mul(x).wrapping_add(b.wrapping_mul(y)) << (LIMB_BITS - STEPS)
    };
    let product = Matrix {
        u: entry(two.u, one.u, two.v, one.q),
        v: entry(two.u, one.v, two.v, one.r),
        q: entry(two.q, one.u, two.r, one.q),
        r: entry(two.q, one.v, two.r, one.r),
    };
    (product, zeta)
}

/// At most 31 division steps. Beside their matrix, scaled by 2^N, what is left of zeta, f and g.
///
/// Each row of the matrix is one number, u + v 2^32: sums, differences and doublings of rows are those of the numbers.
#[inline(always)]
fn half_of_the_steps<const N: u32>(
    mut zeta: i64,
    mut f: i64,
    mut g: i64,
) -> (Matrix, i64, i64, i64) {
    let (mut upper, mut lower) = (1_i64, 1_i64 << 32);
    for _ in 0..N {
        let swap = zeta >> 63;
        let odd = (g & 1).wrapping_neg();
        // Where g is odd, add f to it, or subtract f where a swap is due.
        g = g.wrapping_add((f ^ swap).wrapping_sub(swap) & odd);
        lower = lower.wrapping_add((upper ^ swap).wrapping_sub(swap) & odd);
        // The swap takes the old g: the new one plus f.
        let swap = swap & odd;
        zeta = (zeta ^ swap).wrapping_sub(1);
        f = f.wrapping_add(g & swap);
        upper = upper.wrapping_add(lower & swap);
        g >>= 1;
        upper = upper.wrapping_shl(1);
    }
    let ((u, v), (q, r)) = (unpack(upper), unpack(lower));
    (Matrix { u, v, q, r }, zeta, f, g)
}

/// u and v of u + v 2^32, both of at most 31 bits and a sign.
fn unpack(row: i64) -> (i64, i64) {
    let u = i64::from(row as i32);
    (u, row.wrapping_sub(u) >> 32)
}

#[inline(always)]
fn product(a: i64, b: i64) -> i128 {
    i128::from(a).wrapping_mul(i128::from(b))
}

/// `a x + b y`
#[inline(always)]
fn combine(a: i64, x: i64, b: i64, y: i64) -> i128 {
    product(a, x).wrapping_add(product(b, y))
}

/// The matrix applied to (f, g); the division by 2^62 leaves no rest.
#[inline(always)]
fn apply_exact(m: &Matrix, f: &Signed, g: &Signed) -> (Signed, Signed) {
    (row_exact(m.u, m.v, f, g), row_exact(m.q, m.r, f, g))
}

#[inline(always)]
fn row_exact(a: i64, b: i64, f: &Signed, g: &Signed) -> Signed {
    let mut out = [0; 5];
    let mut sum = combine(a, f[0], b, g[0]) >> LIMB_BITS;
    for i in 1..5 {
        sum = sum.wrapping_add(combine(a, f[i], b, g[i]));
        out[i - 1] = sum as i64 & LIMB_MASK;
        sum >>= LIMB_BITS;
    }
    out[4] = sum as i64;
    out
}

/// The matrix applied to (d, e) modulo the prime. Both stay in (-2 prime, prime).
#[inline(always)]
fn apply_modulo(
    m: &Matrix,
    d: &Signed,
    e: &Signed,
    prime: &Signed,
    prime_inverse: i64,
) -> (Signed, Signed) {
    (
        row_modulo(m.u, m.v, d, e, prime, prime_inverse),
        row_modulo(m.q, m.r, d, e, prime, prime_inverse),
    )
}

#[inline(always)]
fn row_modulo(
    a: i64,
    b: i64,
    d: &Signed,
    e: &Signed,
    prime: &Signed,
    prime_inverse: i64,
) -> Signed {
    // Adding the prime to negative numbers first keeps the range; the rest of the factor clears the lowest limb.
    let sign_fix = (a & (d[4] >> 63)).wrapping_add(b & (e[4] >> 63));
    let mut sum = combine(a, d[0], b, e[0]);
    let clear = prime_inverse
        .wrapping_mul(sum as i64)
        .wrapping_add(sign_fix)
        & LIMB_MASK;
    let factor = sign_fix.wrapping_sub(clear);
    sum = sum.wrapping_add(product(prime[0], factor)) >> LIMB_BITS;
    let mut out = [0; 5];
    for i in 1..5 {
        sum = sum
            .wrapping_add(combine(a, d[i], b, e[i]))
            .wrapping_add(product(prime[i], factor));
        out[i - 1] = sum as i64 & LIMB_MASK;
        sum >>= LIMB_BITS;
    }
    out[4] = sum as i64;
    out
}

/// A number in (-2 prime, prime), negated where `negative` is all ones, brought into [0, prime).
fn normalise(number: Signed, negative: i64, prime: &Signed) -> Signed {
    let number = add_masked(&number, prime, number[4] >> 63);
    let number = carry(number.map(|limb| (limb ^ negative).wrapping_sub(negative)));
    add_masked(&number, prime, number[4] >> 63)
}

fn add_masked(number: &Signed, prime: &Signed, mask: i64) -> Signed {
    let mut sum = *number;
    for (limb, part) in sum.iter_mut().zip(prime) {
        *limb = limb.wrapping_add(part & mask);
    }
    carry(sum)
}

/// Brings every limb but the last into [0, 2^62).
fn carry(mut number: Signed) -> Signed {
    for i in 0..4 {
        number[i + 1] = number[i + 1].wrapping_add(number[i] >> LIMB_BITS);
        number[i] &= LIMB_MASK;
    }
    number
}

fn to_signed(number: &Limbs) -> Signed {
    let [a, b, c, d] = *number;
    [
        a,
        a >> 62 | b << 2,
        b >> 60 | c << 4,
        c >> 58 | d << 6,
        d >> 56,
    ]
    .map(|limb| limb as i64 & LIMB_MASK)
}

fn from_signed(number: &Signed) -> Limbs {
    let [a, b, c, d, e] = number.map(|limb| limb as u64);
    [
        a | b << 62,
        b >> 2 | c << 60,
        c >> 4 | d << 58,
        d >> 6 | e << 56,
    ]
}
