//! Sums of many points, eight lanes at a time.
//!
//! Most additions are affine: one inversion serves a whole level of a tree over all lists, so an addition costs five
//! multiplications and a squaring. They are wrong for two points with the same x, so they are used only where that cannot
//! be (see [`super::multiply`]). The last additions use complete projective formulas.

use zeroize::Zeroize;

use super::curve::Projective;
use super::kernel::Kernel;
use super::modular::Fp;

/// Eight points other than infinity.
#[derive(Clone, Copy)]
pub(crate) struct Points<K: Kernel> {
    pub(crate) x: K::Lanes,
    pub(crate) y: K::Lanes,
}

impl<K: Kernel> Zeroize for Points<K> {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
    }
}

/// Eight points in projective coordinates.
#[derive(Clone, Copy)]
pub(crate) struct Sums<K: Kernel> {
    pub(crate) x: K::Lanes,
    pub(crate) y: K::Lanes,
    pub(crate) z: K::Lanes,
}

impl<K: Kernel> Zeroize for Sums<K> {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
        self.z.zeroize();
    }
}

impl<K: Kernel> Sums<K> {
    /// From affine points; `one` is 1 in all lanes.
    pub(crate) fn new(points: &Points<K>, one: &K::Lanes) -> Self {
        Self {
            x: points.x,
            y: points.y,
            z: *one,
        }
    }

    /// The sums: the formulas of [`Projective::add`], lane by lane.
    pub(crate) fn add(&self, k: K, other: &Self) -> Self {
        let xx = k.mul(&self.x, &other.x);
        let yy = k.mul(&self.y, &other.y);
        let zz = k.mul(&self.z, &other.z);
        let cross = |a, b, c, d, ac, bd| {
            let product = k.mul(&k.add(a, b), &k.add(c, d));
            k.reduced_sub(&product, &k.add(ac, bd))
        };
        let xy = cross(&self.x, &self.y, &other.x, &other.y, &xx, &yy);
        let yz = cross(&self.y, &self.z, &other.y, &other.z, &yy, &zz);
        let xz = cross(&self.x, &self.z, &other.x, &other.z, &xx, &zz);
        let xz = triple(k, &xz);
        let plus = k.add(&yy, &xz);
        let minus = k.sub(&yy, &xz);
        let e = triple(k, &k.add(&xx, &triple(k, &zz)));
        let f = triple(k, &k.sub(&xx, &zz));
        let negated_f = triple(k, &k.sub(&zz, &xx));
        Self {
            x: k.dot2([&xy, &yz], [&plus, &e]),
            y: k.dot2([&plus, &negated_f], [&minus, &e]),
            z: k.dot2([&yz, &xy], [&minus, &f]),
        }
    }

    /// Every lane i becomes the sum of the lanes that differ from i only in the bits of `lanes - 1`, a power of two.
    pub(crate) fn fold(mut self, k: K, lanes: usize) -> Self {
        let mut distance = 1;
        while distance < lanes {
            let other = Self {
                x: k.swap(&self.x, distance),
                y: k.swap(&self.y, distance),
                z: k.swap(&self.z, distance),
            };
            self = self.add(k, &other);
            distance *= 2;
        }
        self
    }

    /// The point in lane 0.
    pub(crate) fn first(&self, k: K) -> Projective {
        Projective {
            x: k.unpack(&self.x)[0],
            y: k.unpack(&self.y)[0],
            z: k.unpack(&self.z)[0],
        }
    }
}

fn triple<K: Kernel>(k: K, a: &K::Lanes) -> K::Lanes {
    k.add(a, &k.add(a, a))
}

/// The inverse of a product of many values, lane by lane, with one inversion. No lane may be zero.
fn invert<K: Kernel>(k: K, product: &K::Lanes) -> K::Lanes {
    // In each lane, the product over the others.
    let mut others = k.all(&Fp::ONE);
    let mut whole = *product;
    for distance in [1, 2, 4] {
        let swapped = k.swap(&whole, distance);
        others = k.mul(&others, &swapped);
        whole = k.mul(&whole, &swapped);
    }
    let mut total = k.unpack(&whole)[0].invert();
    let inverse = k.mul(&k.all(&total), &others);
    others.zeroize();
    whole.zeroize();
    total.zeroize();
    inverse
}

/// Inverts everything in place with one inversion. Nothing may be zero.
pub(crate) fn invert_all<K: Kernel>(k: K, values: &mut [K::Lanes]) {
    let mut product = k.all(&Fp::ONE);
    let mut before: Vec<K::Lanes> = Vec::with_capacity(values.len());
    for value in values.iter() {
        before.push(product);
        product = k.mul(&product, value);
    }
    let mut inverse = invert(k, &product);
    for (value, before) in values.iter_mut().zip(&before).rev() {
        let next = k.mul(&inverse, value);
        *value = k.mul(&inverse, before);
        inverse = next;
    }
    before.zeroize();
    product.zeroize();
    inverse.zeroize();
}

/// Lists of one length, one after the other, and room for what adding takes. It is wiped after use.
pub(crate) struct Workspace<K: Kernel> {
    points: Vec<Points<K>>,
    length: usize,
    before: Vec<K::Lanes>,
}

impl<K: Kernel> Default for Workspace<K> {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            length: 1,
            before: Vec::new(),
        }
    }
}

impl<K: Kernel> Workspace<K> {
    /// Makes room for `count` lists of `length` points.
    pub(crate) fn resize(&mut self, k: K, count: usize, length: usize) {
        let zero = k.all(&Fp::ZERO);
        self.length = length;
        self.points
            .resize(count * length, Points { x: zero, y: zero });
        self.before.resize(count * length / 2, zero);
    }

    /// The lists.
    pub(crate) fn lists(&mut self) -> core::slice::ChunksExactMut<'_, Points<K>> {
        self.points.chunks_exact_mut(self.length)
    }

    /// In every list, adds the point at each odd multiple of `step` to the one `step` before it, with one inversion for
    /// all. No two such points may have the same x in a lane.
    pub(crate) fn add_neighbours(&mut self, k: K, step: usize) {
        let mut product = k.all(&Fp::ONE);
        let mut before = self.before.iter_mut();
        for list in self.points.chunks_exact(self.length) {
            let pairs = list.chunks(2 * step).filter(|pair| pair.len() > step);
            for (pair, before) in pairs.zip(&mut before) {
                *before = product;
                product = k.mul(&product, &k.sub(&pair[step].x, &pair[0].x));
            }
        }
        let unused = before.len();
        let used = self.before.len() - unused;
        let mut inverse = invert(k, &product);
        let mut before = self.before[..used].iter().rev();
        for list in self.points.chunks_exact_mut(self.length).rev() {
            let pairs = list.chunks_mut(2 * step).rev();
            for (pair, before) in pairs.filter(|pair| pair.len() > step).zip(&mut before) {
                let (a, b) = pair.split_at_mut(step);
                let (a, b) = (&mut a[0], &b[0]);
                let run = k.sub(&b.x, &a.x);
                let slope = k.mul(&k.sub(&b.y, &a.y), &k.mul(&inverse, before));
                inverse = k.mul(&inverse, &run);
                let x = k.reduced_sub(&k.square(&slope), &k.add(&a.x, &b.x));
                let y = k.mul(&slope, &k.sub(&a.x, &x));
                a.y = k.reduced_sub(&y, &a.y);
                a.x = x;
            }
        }
        product.zeroize();
        inverse.zeroize();
    }

    /// The sum of every list, the last few additions of each by complete formulas.
    pub(crate) fn sum(&mut self, k: K) -> Vec<Sums<K>> {
        // A level of the tree saves about four multiplications for each of its additions and costs an inversion.
        const WORTH_AN_INVERSION: usize = 6;
        let mut step = 1;
        let lists = self.points.len() / self.length;
        while lists * (self.length.div_ceil(step) / 2) >= WORTH_AN_INVERSION {
            self.add_neighbours(k, step);
            step *= 2;
        }
        let one = k.all(&Fp::ONE);
        self.points
            .chunks_exact(self.length)
            .map(|list| {
                let first = Sums::new(&list[0], &one);
                list.iter()
                    .step_by(step)
                    .skip(1)
                    .fold(first, |sum, points| sum.add(k, &Sums::new(points, &one)))
            })
            .collect()
    }
}

impl<K: Kernel> Zeroize for Workspace<K> {
    fn zeroize(&mut self) {
        // What is allocated stays, for the next user.
        self.points.iter_mut().for_each(Zeroize::zeroize);
        self.before.iter_mut().for_each(Zeroize::zeroize);
    }
}
