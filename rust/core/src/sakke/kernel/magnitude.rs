//! A kernel that works on bounds instead of numbers: it panics where an algorithm breaks the rules of magnitudes.

use super::super::modular::Fp;
use super::super::shared::SharedTables;
use super::{Kernel, LANES};

/// Bounds instead of numbers.
#[derive(Clone, Copy)]
pub(crate) struct Magnitude;

static SHARED: SharedTables<Magnitude> = SharedTables::new();

fn product<const N: usize>(a: [&u32; N], b: [&u32; N]) -> u32 {
    for factor in a.iter().chain(&b) {
        assert!(**factor <= 128, "factor of {factor} p");
    }
    2
}

impl Kernel for Magnitude {
    /// The least number of multiples of p that the values are below.
    type Lanes = u32;
    type Cell = u32;

    fn shared() -> &'static SharedTables<Self> {
        &SHARED
    }

    fn pack(self, _: &[Fp; LANES]) -> u32 {
        2
    }

    fn unpack(self, lanes: &u32) -> [Fp; LANES] {
        product([lanes], [lanes]);
        [Fp::ONE; LANES]
    }

    fn mul(self, a: &u32, b: &u32) -> u32 {
        product([a], [b])
    }

    fn square(self, a: &u32) -> u32 {
        product([a], [a])
    }

    fn dot2(self, a: [&u32; 2], b: [&u32; 2]) -> u32 {
        product(a, b)
    }

    fn dot4(self, a: [&u32; 4], b: [&u32; 4]) -> u32 {
        product(a, b)
    }

    fn add(self, a: &u32, b: &u32) -> u32 {
        a + b
    }

    fn sub(self, a: &u32, b: &u32) -> u32 {
        assert!(*b <= 32, "subtrahend of {b} p");
        a + 32
    }

    fn reduced_sub(self, a: &u32, b: &u32) -> u32 {
        assert!(*a <= 64, "minuend of {a} p");
        assert!(*b <= 32, "subtrahend of {b} p");
        2
    }

    fn negate_where(self, a: &mut u32, _: &[u64; LANES]) {
        assert!(*a < 32, "negated value of {a} p");
        *a = 32;
    }

    fn swap(self, a: &u32, _: usize) -> u32 {
        *a
    }

    fn table(rows: usize, entries: usize) -> Vec<u32> {
        vec![2; rows * entries]
    }

    fn write(self, row: &mut [u32], at: usize, lanes: &u32, _: usize) {
        assert!(*lanes <= 2, "table entry of {lanes} p");
        row[at] = *lanes;
    }

    fn look_up(self, _: &[&[u32]; LANES], _: &[u64; LANES]) -> u32 {
        2
    }

    fn look_up_one<'a, 'b>(
        self,
        _: &[u32],
        wanted: impl Iterator<Item = (&'a [u64; LANES], &'b mut u32)>,
    ) {
        for (_, out) in wanted {
            *out = 2;
        }
    }

    fn chain(self, _: &[u8], factors: &[(u32, u32)]) -> (Fp, Fp) {
        for (real, imag) in factors {
            product([real], [imag]);
        }
        (Fp::ONE, Fp::ONE)
    }
}
