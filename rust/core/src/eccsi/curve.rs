//! Points of P-256: y^2 = x^3 - 3x + b over the field of [`Fp`], in three coordinate systems, each where it is cheapest.
//!
//! [`Affine`] for tables and the wire, [`Xyzz`] (x = X/ZZ, y = Y/ZZZ, ZZ^3 = ZZZ^2) for sums of table points, and
//! [`Jacobian`] (x = X/Z^2, y = Y/Z^3) for chains of doublings. Formulas: Explicit-Formulas Database, short
//! Weierstrass curves. The functions named `_public` branch on their inputs and are for public values only.

use zeroize::Zeroize;

use super::field::Fp;

/// Octets of a point on the wire: 04, x, y.
pub const POINT_SIZE: usize = 65;

const B: Fp = Fp::from_montgomery([
    0xd89c_df62_29c4_bddf,
    0xacf0_05cd_7884_3090,
    0xe5a2_20ab_f721_2ed6,
    0xdc30_061d_0487_4834,
]);

/// The base point G.
pub(super) const GENERATOR: Affine = Affine {
    x: Fp::from_montgomery([
        0x79e7_30d4_18a9_143c,
        0x75ba_95fc_5fed_b601,
        0x79fb_732b_7762_2510,
        0x1890_5f76_a537_55c6,
    ]),
    y: Fp::from_montgomery([
        0xddf2_5357_ce95_560a,
        0x8b4a_b8e4_ba19_e45c,
        0xd2e8_8688_dd21_f325,
        0x8571_ff18_2588_5d85,
    ]),
};

/// A point other than infinity.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    pub(super) x: Fp,
    pub(super) y: Fp,
}

/// A point; infinity where ZZ is zero.
#[derive(Clone, Copy)]
pub(super) struct Xyzz {
    pub(super) x: Fp,
    pub(super) y: Fp,
    pub(super) zz: Fp,
    pub(super) zzz: Fp,
}

/// A point; infinity where Z is zero.
#[derive(Clone, Copy)]
pub(super) struct Jacobian {
    x: Fp,
    y: Fp,
    z: Fp,
}

impl Affine {
    /// The point that `octets` (04, x, y) name, where there is one on the curve. The curve has no cofactor, so every
    /// point on it is in the group; infinity has no such form.
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let (&first, coordinates) = octets.split_first()?;
        let (x, y) = coordinates.split_first_chunk::<32>()?;
        let y: &[u8; 32] = y.try_into().ok()?;
        if first != 4 {
            return None;
        }
        let point = Self {
            x: Fp::from_octets(x)?,
            y: Fp::from_octets(y)?,
        };
        let Self { x, y } = point;
        let three_x = x.double().add(&x);
        let right = x.square().mul(&x).sub(&three_x).add(&B);
        y.square().equals(&right).then_some(point)
    }

    /// 04, x, y.
    pub(super) fn encode(&self) -> [u8; POINT_SIZE] {
        let mut octets = [4; POINT_SIZE];
        octets[1..33].copy_from_slice(&self.x.to_octets());
        octets[33..].copy_from_slice(&self.y.to_octets());
        octets
    }

    /// Twice the point. No point of the curve has order two, so the result is never infinity.
    #[inline(always)]
    pub(super) fn double(&self) -> Xyzz {
        let u = self.y.double();
        let zz = u.square();
        let zzz = u.mul(&zz);
        let s = self.x.mul(&zz);
        let squared = self.x.square().sub(&Fp::ONE);
        let m = squared.double().add(&squared);
        let x = m.square().sub(&s.double());
        let y = m.mul(&s.sub(&x)).sub(&zzz.mul(&self.y));
        Xyzz { x, y, zz, zzz }
    }

    /// The opposite point where `mask` is all ones.
    #[inline(always)]
    pub(super) fn negate_masked(&self, mask: u64) -> Self {
        Self {
            x: self.x,
            y: self.y.select(&self.y.negate(), mask),
        }
    }
}

impl From<Affine> for Xyzz {
    #[inline(always)]
    fn from(point: Affine) -> Self {
        Self {
            x: point.x,
            y: point.y,
            zz: Fp::ONE,
            zzz: Fp::ONE,
        }
    }
}

impl From<Jacobian> for Xyzz {
    fn from(point: Jacobian) -> Self {
        let zz = point.z.square();
        Self {
            x: point.x,
            y: point.y,
            zz,
            zzz: zz.mul(&point.z),
        }
    }
}

impl Xyzz {
    /// Whether this is the neutral element. The answer is public.
    pub(super) fn is_infinity(&self) -> bool {
        self.zz.is_zero()
    }

    /// Sum with a table point, for two points that are neither equal nor opposite nor infinity: otherwise the result
    /// is wrong. Beside it the two differences that are zero exactly where x and where y agree.
    #[inline(always)]
    fn add_distinct(&self, other: &Affine) -> (Self, Fp, Fp) {
        let p = other.x.mul(&self.zz).sub(&self.x);
        let r = other.y.mul(&self.zzz).sub(&self.y);
        let pp = p.square();
        let ppp = p.mul(&pp);
        let q = self.x.mul(&pp);
        let x = r.square().sub(&ppp).sub(&q.double());
        let y = r.mul(&q.sub(&x)).sub(&self.y.mul(&ppp));
        (
            Self {
                x,
                y,
                zz: self.zz.mul(&pp),
                zzz: self.zzz.mul(&ppp),
            },
            p,
            r,
        )
    }

    /// Sum with a table point from which `self` is known to differ in x. `self` is not infinity.
    #[inline(always)]
    pub(super) fn add_unequal(&self, other: &Affine) -> Self {
        self.add_distinct(other).0
    }

    /// Sum with a table point that may be `self`, in the time of a sum and a doubling. `self` is not infinity.
    pub(super) fn add_or_double(&self, other: &Affine) -> Self {
        let (sum, p, r) = self.add_distinct(other);
        sum.select(&other.double(), p.zero_mask() & r.zero_mask())
    }

    /// Sum with any table point, for public values.
    #[inline(always)]
    pub(super) fn add_public(&self, other: &Affine) -> Self {
        if self.is_infinity() {
            return Self::from(*other);
        }
        let (sum, p, r) = self.add_distinct(other);
        if p.is_zero() && r.is_zero() {
            return other.double();
        }
        // For opposite points p is zero and r is not: ZZ is zero, as it should be.
        sum
    }

    #[inline(always)]
    fn select(&self, other: &Self, mask: u64) -> Self {
        Self {
            x: self.x.select(&other.x, mask),
            y: self.y.select(&other.y, mask),
            zz: self.zz.select(&other.zz, mask),
            zzz: self.zzz.select(&other.zzz, mask),
        }
    }

    /// The same point in affine coordinates; in constant time. Not for infinity.
    pub(super) fn to_affine(self) -> Affine {
        self.scaled(&self.zzz.invert())
    }

    /// Affine coordinates by way of the inverse of ZZZ.
    #[inline(always)]
    fn scaled(&self, zzz_inverse: &Fp) -> Affine {
        let z_inverse = self.zz.mul(zzz_inverse);
        Affine {
            x: self.x.mul(&z_inverse.square()),
            y: self.y.mul(zzz_inverse),
        }
    }

    /// Whether the affine x coordinate is `x`, for public values.
    pub(super) fn has_x(&self, x: &Fp) -> bool {
        !self.is_infinity() && x.mul(&self.zz).equals(&self.x)
    }

    /// Whether this is `point`, for public values.
    pub(super) fn is(&self, point: &Affine) -> bool {
        self.has_x(&point.x) && point.y.mul(&self.zzz).equals(&self.y)
    }
}

impl Zeroize for Xyzz {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
        self.zz.zeroize();
        self.zzz.zeroize();
    }
}

/// The odd multiples 1, 3, 5 ... of a point, `count` of them, with ten products each.
///
/// Twice the point has a Z of its own. On the curve that is stretched by it, twice the point is affine, and so is the
/// point itself after two products. Additions do not depend on the coefficients of a curve, so they are done there.
pub(super) fn odd_multiples(point: &Affine, count: usize) -> Vec<Xyzz> {
    let twice = point.double();
    let step = Affine {
        x: twice.x,
        y: twice.y,
    };
    let first = Affine {
        x: point.x.mul(&twice.zz),
        y: point.y.mul(&twice.zzz),
    };
    // An odd multiple never is twice the point, nor the opposite of it: the order is a great prime.
    core::iter::successors(Some(Xyzz::from(first)), |multiple| {
        Some(multiple.add_unequal(&step))
    })
    .take(count)
    // Back on the curve itself.
    .map(|multiple| Xyzz {
        zz: multiple.zz.mul(&twice.zz),
        zzz: multiple.zzz.mul(&twice.zzz),
        ..multiple
    })
    .collect()
}

/// The points in affine coordinates, with one inversion for all of them. None may be infinity.
pub(super) fn to_affine_all(points: &[Xyzz]) -> Vec<Affine> {
    let mut products = Vec::with_capacity(points.len());
    let mut product = Fp::ONE;
    for point in points {
        products.push(product);
        product = product.mul(&point.zzz);
    }
    let mut inverse = product.invert();
    let mut out: Vec<Affine> = points
        .iter()
        .zip(products)
        .rev()
        .map(|(point, before)| {
            let affine = point.scaled(&inverse.mul(&before));
            inverse = inverse.mul(&point.zzz);
            affine
        })
        .collect();
    out.reverse();
    out
}

impl Jacobian {
    /// The neutral element.
    pub(super) const INFINITY: Self = Self {
        x: Fp::ONE,
        y: Fp::ONE,
        z: Fp::ZERO,
    };

    /// Twice the point; infinity stays infinity.
    #[inline(always)]
    pub(super) fn double(&self) -> Self {
        let zz = self.z.square();
        let y2 = self.y.double();
        let yy4 = y2.square();
        let z = y2.mul(&self.z);
        let product = self.x.sub(&zz).mul(&self.x.add(&zz));
        let s = yy4.mul(&self.x);
        let m = product.double().add(&product);
        let yyyy16 = yy4.square();
        let x = m.square().sub(&s.double());
        let y = m.mul(&s.sub(&x)).sub(&yyyy16.half());
        Self { x, y, z }
    }

    /// Sum with any table point, for public values.
    #[inline(always)]
    pub(super) fn add_public(&self, other: &Affine) -> Self {
        if self.z.is_zero() {
            return Self {
                x: other.x,
                y: other.y,
                z: Fp::ONE,
            };
        }
        let zz = self.z.square();
        let h = other.x.mul(&zz).sub(&self.x);
        let r = other.y.mul(&zz).mul(&self.z).sub(&self.y);
        if h.is_zero() && r.is_zero() {
            return self.double();
        }
        let hh = h.square();
        let hhh = h.mul(&hh);
        let v = self.x.mul(&hh);
        let x = r.square().sub(&hhh).sub(&v.double());
        let y = r.mul(&v.sub(&x)).sub(&self.y.mul(&hhh));
        Self {
            x,
            y,
            z: self.z.mul(&h),
        }
    }
}
