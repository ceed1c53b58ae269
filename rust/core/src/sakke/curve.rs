//! Points of y^2 = x^3 - 3x over F_p.

use subtle::Choice;
use zeroize::Zeroize;

use super::modular::{Fp, invert_all};
use super::params;
use super::uint;
use crate::error::{Error, Result};

/// Octets of a point: 04, x, y.
pub const POINT_OCTETS: usize = 257;

/// A point of the curve other than infinity.
#[derive(Clone, Copy)]
pub(crate) struct Affine {
    pub(crate) x: Fp,
    pub(crate) y: Fp,
}

impl Zeroize for Affine {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
    }
}

impl Affine {
    /// The base point P.
    pub(crate) fn base() -> Self {
        Self {
            x: Fp::from_limbs(&params::BASE_X),
            y: Fp::from_limbs(&params::BASE_Y),
        }
    }

    /// From 257 octets `04||x||y`, checked: coordinates below p, on the curve.
    pub(crate) fn from_octets(octets: &[u8], what: &'static str) -> Result<Self> {
        let octets: &[u8; POINT_OCTETS] = octets
            .try_into()
            .map_err(|_| Error::Size(what, POINT_OCTETS, octets.len()))?;
        let (first, x, y) = split(octets);
        // public: what is no point is refused.
        let point = match (first, Fp::from_octets(x), Fp::from_octets(y)) {
            (4, Some(x), Some(y)) => Self { x, y },
            _ => return Err(Error::Invalid(what)),
        };
        // public: what is not on the curve is refused.
        if bool::from(point.on_curve()) {
            Ok(point)
        } else {
            Err(Error::Invalid(what))
        }
    }

    /// To 257 octets.
    pub(crate) fn to_octets(self) -> [u8; POINT_OCTETS] {
        let mut out = [4; POINT_OCTETS];
        out[1..129].copy_from_slice(&self.x.to_octets());
        out[129..].copy_from_slice(&self.y.to_octets());
        out
    }

    fn on_curve(&self) -> Choice {
        let three = Fp::ONE.triple();
        let right = self.x.square().sub(&three).mul(&self.x);
        self.y.square().equal(&right)
    }

    /// Whether the point has order q. Uniform in the point, whose order is all that shows.
    pub(crate) fn has_order_q(&self) -> bool {
        let mut sum = Projective::from(*self);
        for i in (0..ORDER_BITS - 1).rev() {
            sum = sum.add(&sum);
            if uint::bits(&params::Q, i, 1) == 1 {
                sum = sum.add(&Projective::from(*self));
            }
        }
        bool::from(sum.is_infinity())
    }
}

/// Bits of q.
pub(crate) const ORDER_BITS: usize = 1022;

fn split(octets: &[u8; POINT_OCTETS]) -> (u8, &[u8; 128], &[u8; 128]) {
    let (first, rest) = (octets[0], &octets[1..]);
    match (rest.first_chunk(), rest.last_chunk()) {
        (Some(x), Some(y)) => (first, x, y),
        // Never taken: the size is in the type. A first octet of zero is refused by the caller.
        _ => (0, &[0; 128], &[0; 128]),
    }
}

/// (X : Y : Z) with x = X/Z, y = Y/Z; infinity is (0 : 1 : 0).
#[derive(Clone, Copy)]
pub(crate) struct Projective {
    pub(crate) x: Fp,
    pub(crate) y: Fp,
    pub(crate) z: Fp,
}

impl Zeroize for Projective {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
        self.z.zeroize();
    }
}

impl From<Affine> for Projective {
    fn from(point: Affine) -> Self {
        Self {
            x: point.x,
            y: point.y,
            z: Fp::ONE,
        }
    }
}

impl Projective {
    /// The sum. Renes, Costello and Batina's complete formulas (2016) for a = -3, b = 0: right for every pair of points
    /// whose difference is not the point of order 2, hence for all points of order q and infinity.
    pub(crate) fn add(&self, other: &Self) -> Self {
        let xx = self.x.mul(&other.x);
        let yy = self.y.mul(&other.y);
        let zz = self.z.mul(&other.z);
        let xy = cross(&self.x, &self.y, &other.x, &other.y, &xx, &yy);
        let yz = cross(&self.y, &self.z, &other.y, &other.z, &yy, &zz);
        let xz3 = cross(&self.x, &self.z, &other.x, &other.z, &xx, &zz).triple();
        let plus = yy.add(&xz3);
        let minus = yy.sub(&xz3);
        let e = xx.add(&zz.triple()).triple();
        let f = xx.sub(&zz).triple();
        Self {
            x: xy.mul(&plus).add(&yz.mul(&e)),
            y: plus.mul(&minus).sub(&f.mul(&e)),
            z: yz.mul(&minus).add(&xy.mul(&f)),
        }
    }

    /// Whether this is infinity. Where the formulas are not complete they give (0 : 0 : 0), which is no point.
    fn is_infinity(&self) -> Choice {
        self.z.is_zero() & !self.y.is_zero()
    }

    /// Whether this is `point`; infinity is no affine point. Needs no inversion.
    pub(crate) fn equals(&self, point: &Affine) -> Choice {
        self.x.equal(&point.x.mul(&self.z))
            & self.y.equal(&point.y.mul(&self.z))
            & !self.z.is_zero()
    }

    /// The affine point, unless it is infinity.
    pub(crate) fn to_affine(self) -> Option<Affine> {
        if bool::from(self.z.is_zero()) {
            return None;
        }
        let inverse = self.z.invert();
        Some(Affine {
            x: self.x.mul(&inverse),
            y: self.y.mul(&inverse),
        })
    }
}

/// a*d' + b*c' of (a, b) and (c', d'), from the products a*c' and b*d' already known.
fn cross(a: &Fp, b: &Fp, c: &Fp, d: &Fp, ac: &Fp, bd: &Fp) -> Fp {
    a.add(b).mul(&c.add(d)).sub(&ac.add(bd))
}

/// Affine forms with one shared inversion. None may be infinity.
pub(crate) fn to_affine_all(points: &[Projective]) -> Vec<Affine> {
    let mut inverses: Vec<Fp> = points.iter().map(|point| point.z).collect();
    invert_all(&mut inverses);
    let affine = points
        .iter()
        .zip(&inverses)
        .map(|(point, inverse)| Affine {
            x: point.x.mul(inverse),
            y: point.y.mul(inverse),
        })
        .collect();
    inverses.zeroize();
    affine
}
