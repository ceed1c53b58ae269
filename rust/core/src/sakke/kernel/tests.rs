//! Every kernel against plain arithmetic on the same random inputs, those at the edges included.

#[cfg(target_arch = "x86_64")]
use super::ifma::Ifma;
use super::portable::Portable;
use super::*;
use crate::sakke::modular::{FieldPrime, Modulus};
use crate::sakke::uint;
use crate::secret::Secret;

/// Random elements, among them 0, 1, -1 and numbers just below p.
fn samples(count: usize) -> Vec<Fp> {
    let mut out = vec![Fp::ZERO, Fp::ONE, Fp::ONE.neg(), Fp::ONE.neg().double()];
    while out.len() < count {
        let octets = Secret::random(128).unwrap();
        let octets: [u8; 128] = octets.expose().try_into().unwrap();
        let value = uint::from_octets(&octets);
        let (reduced, borrow) = uint::sub(&value, &FieldPrime::M);
        out.push(Fp::from_limbs(&uint::select(&reduced, &value, borrow)));
    }
    out
}

fn eight(from: &[Fp], at: usize) -> [Fp; LANES] {
    core::array::from_fn(|lane| from[(at + 7 * lane) % from.len()])
}

fn assert_lanes<K: Kernel>(k: K, got: &K::Lanes, want: impl Fn(usize) -> Fp, what: &str) {
    for (lane, got) in k.unpack(got).iter().enumerate() {
        assert_eq!(got.raw(), want(lane).raw(), "{what}, lane {lane}");
    }
}

fn arithmetic<K: Kernel>(k: K) {
    let values = samples(64);
    for at in 0..values.len() {
        let [a, b, c, d] = [0, 1, 5, 11].map(|n| eight(&values, at * (n + 1)));
        let [ka, kb, kc, kd] = [&a, &b, &c, &d].map(|lanes| k.pack(lanes));
        assert_lanes(k, &ka, |i| a[i], "pack");
        assert_lanes(k, &k.mul(&ka, &kb), |i| a[i].mul(&b[i]), "mul");
        assert_lanes(k, &k.square(&ka), |i| a[i].mul(&a[i]), "square");
        assert_lanes(k, &k.add(&ka, &kb), |i| a[i].add(&b[i]), "add");
        assert_lanes(k, &k.sub(&ka, &kb), |i| a[i].sub(&b[i]), "sub");
        assert_lanes(
            k,
            &k.reduced_sub(&ka, &kb),
            |i| a[i].sub(&b[i]),
            "reduced_sub",
        );
        let two = |i: usize| a[i].mul(&b[i]).add(&c[i].mul(&d[i]));
        assert_lanes(k, &k.dot2([&ka, &kc], [&kb, &kd]), two, "dot2");
        let four = k.dot4([&ka, &kc, &ka, &kd], [&kb, &kd, &ka, &kd]);
        let want = |i: usize| two(i).add(&a[i].square()).add(&d[i].square());
        assert_lanes(k, &four, want, "dot4");
        for distance in [1, 2, 4] {
            assert_lanes(k, &k.swap(&ka, distance), |i| a[i ^ distance], "swap");
        }
        let signs = core::array::from_fn(|i| u64::from(i * at % 3 == 1));
        let mut negated = ka;
        k.negate_where(&mut negated, &signs);
        let want = |i: usize| if signs[i] == 1 { a[i].neg() } else { a[i] };
        assert_lanes(k, &negated, want, "negate_where");
    }
}

/// Factors, minuends and subtrahends at the limits of the rules of magnitudes.
fn large_values<K: Kernel>(k: K) {
    let values = samples(32);
    for at in 0..values.len() {
        let (a, b) = (eight(&values, at), eight(&values, at + 3));
        let (ka, kb) = (k.pack(&a), k.pack(&b));
        let sum = |value: &Fp, n: u32| (0..n).fold(*value, |sum, _| sum.double());
        let lanes = |lanes: &K::Lanes, n: u32| (0..n).fold(*lanes, |sum, _| k.add(&sum, &sum));
        // 2^6 times a value below 2p; 2^4 and 2^5 times.
        let (a64, b64) = (lanes(&ka, 6), lanes(&kb, 6));
        let product = |i: usize| sum(&a[i], 6).mul(&sum(&b[i], 6));
        assert_lanes(k, &k.mul(&a64, &b64), product, "mul");
        let four = k.dot4([&a64; 4], [&b64; 4]);
        assert_lanes(k, &four, |i| sum(&product(i), 2), "dot4");
        let (a32, b16) = (lanes(&ka, 5), lanes(&kb, 4));
        let difference = |i: usize| sum(&a[i], 5).sub(&sum(&b[i], 4));
        let reduced = k.reduced_sub(&a32, &b16);
        assert_lanes(k, &reduced, difference, "reduced_sub");
        // Were the result not below 2p, it would not stand 64 doublings and differences.
        let again = k.reduced_sub(&lanes(&reduced, 5), &k.pack(&[Fp::ZERO; LANES]));
        assert_lanes(k, &again, |i| sum(&difference(i), 5), "reduced_sub twice");
        assert_lanes(k, &k.sub(&ka, &b16), |i| a[i].sub(&sum(&b[i], 4)), "sub");
    }
}

fn look_ups<K: Kernel>(k: K) {
    for entries in [16, 32, 64, 128] {
        let values = samples(entries * LANES);
        let mut table = K::table(LANES, entries);
        let size = table.len() / LANES;
        for (at, eight) in values.chunks_exact(LANES).enumerate() {
            let lanes = k.pack(&core::array::from_fn(|i| eight[i]));
            for (lane, row) in table.chunks_exact_mut(size).enumerate() {
                k.write(row, at, &lanes, lane);
            }
        }
        let rows: [&[K::Cell]; LANES] = core::array::from_fn(|i| &table[i * size..(i + 1) * size]);
        for first in 0..entries as u64 {
            let index = core::array::from_fn(|i| (first + 37 * i as u64) % entries as u64);
            let entry = |row: usize, lane: usize| values[index[lane] as usize * LANES + row];
            assert_lanes(k, &k.look_up(&rows, &index), |i| entry(i, i), "look_up");
            for count in 1..=3 {
                let mut out = vec![k.pack(&[Fp::ZERO; LANES]); count];
                k.look_up_one(rows[3], out.iter_mut().map(|out| (&index, out)));
                for out in &out {
                    assert_lanes(k, out, |i| entry(3, i), "look_up_one");
                }
            }
        }
    }
}

fn chains<K: Kernel>(k: K) {
    let values = samples(200);
    let factors: Vec<(K::Lanes, K::Lanes)> = (0..4)
        .map(|n| (k.pack(&eight(&values, n)), k.pack(&eight(&values, 50 + n))))
        .collect();
    for steps in [1, 2, 7, 8, 9, 30, 32] {
        let squarings: Vec<u8> = (0..steps).map(|i| (i % 4) as u8).collect();
        let (a, b) = k.chain(&squarings, &factors);
        let (mut c, mut d) = (Fp::ONE, Fp::ZERO);
        for (j, squarings) in squarings.iter().enumerate() {
            for _ in 0..*squarings {
                (c, d) = (c.square().sub(&d.square()), c.mul(&d).double());
            }
            let real = eight(&values, j / LANES)[j % LANES];
            let imag = eight(&values, 50 + j / LANES)[j % LANES];
            (c, d) = (
                c.mul(&real).sub(&d.mul(&imag)),
                c.mul(&imag).add(&d.mul(&real)),
            );
        }
        assert_eq!((a.raw(), b.raw()), (c.raw(), d.raw()), "{steps} steps");
    }
}

fn everything<K: Kernel>(k: K) {
    arithmetic(k);
    large_values(k);
    look_ups(k);
    chains(k);
}

#[test]
fn portable() {
    everything(Portable);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn ifma() {
    // On a processor without it there is nothing that could be wrong.
    if let Some(k) = Ifma::detect() {
        everything(k);
    }
}
