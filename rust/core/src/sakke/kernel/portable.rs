//! The kernel for every processor: lanes are field elements side by side.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::super::modular::Fp;
use super::super::shared::SharedTables;
use super::{Kernel, LANES};

/// Needs no proof.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// Eight elements, each fully reduced.
#[derive(Clone, Copy)]
pub(crate) struct Lanes([Fp; LANES]);

impl Zeroize for Lanes {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

static SHARED: SharedTables<Portable> = SharedTables::new();

fn each(f: impl FnMut(usize) -> Fp) -> Lanes {
    Lanes(core::array::from_fn(f))
}

impl Kernel for Portable {
    type Lanes = Lanes;
    type Cell = Fp;

    fn shared() -> &'static SharedTables<Self> {
        &SHARED
    }

    fn pack(self, values: &[Fp; LANES]) -> Lanes {
        Lanes(*values)
    }

    fn unpack(self, lanes: &Lanes) -> [Fp; LANES] {
        lanes.0
    }

    fn mul(self, a: &Lanes, b: &Lanes) -> Lanes {
        each(|i| a.0[i].mul(&b.0[i]))
    }

    fn square(self, a: &Lanes) -> Lanes {
        each(|i| a.0[i].square())
    }

    fn dot2(self, a: [&Lanes; 2], b: [&Lanes; 2]) -> Lanes {
        each(|i| dot(a, b, i))
    }

    fn dot4(self, a: [&Lanes; 4], b: [&Lanes; 4]) -> Lanes {
        each(|i| dot(a, b, i))
    }

    fn add(self, a: &Lanes, b: &Lanes) -> Lanes {
        each(|i| a.0[i].add(&b.0[i]))
    }

    fn sub(self, a: &Lanes, b: &Lanes) -> Lanes {
        each(|i| a.0[i].sub(&b.0[i]))
    }

    fn reduced_sub(self, a: &Lanes, b: &Lanes) -> Lanes {
        self.sub(a, b)
    }

    fn negate_where(self, a: &mut Lanes, negative: &[u64; LANES]) {
        for (a, negative) in a.0.iter_mut().zip(negative) {
            a.assign(&a.neg(), negative.ct_eq(&1));
        }
    }

    fn swap(self, a: &Lanes, distance: usize) -> Lanes {
        each(|i| a.0[i ^ distance])
    }

    fn table(rows: usize, entries: usize) -> Vec<Fp> {
        vec![Fp::ZERO; rows * entries]
    }

    fn write(self, row: &mut [Fp], at: usize, lanes: &Lanes, lane: usize) {
        row[at] = lanes.0[lane];
    }

    fn look_up(self, rows: &[&[Fp]; LANES], index: &[u64; LANES]) -> Lanes {
        each(|lane| {
            let mut out = Fp::ZERO;
            for (i, entry) in (0u64..).zip(rows[lane]) {
                out.assign(entry, i.ct_eq(&index[lane]));
            }
            out
        })
    }

    fn look_up_one<'a, 'b>(
        self,
        row: &[Fp],
        wanted: impl Iterator<Item = (&'a [u64; LANES], &'b mut Lanes)>,
    ) {
        for (index, out) in wanted {
            *out = self.look_up(&[row; LANES], index);
        }
    }

    fn chain(self, squarings: &[u8], factors: &[(Lanes, Lanes)]) -> (Fp, Fp) {
        let (mut a, mut b) = (Fp::ONE, Fp::ZERO);
        for (j, count) in squarings.iter().enumerate() {
            for _ in 0..*count {
                (a, b) = (a.add(&b).mul(&a.sub(&b)), a.double().mul(&b));
            }
            if let Some((real, imag)) = factors.get(j / LANES) {
                let (c, d) = (&real.0[j % LANES], &imag.0[j % LANES]);
                (a, b) = (a.mul(c).sub(&b.mul(d)), a.mul(d).add(&b.mul(c)));
            }
        }
        (a, b)
    }
}

fn dot<const N: usize>(a: [&Lanes; N], b: [&Lanes; N], lane: usize) -> Fp {
    a.iter()
        .zip(b)
        .fold(Fp::ZERO, |sum, (a, b)| sum.add(&a.0[lane].mul(&b.0[lane])))
}
