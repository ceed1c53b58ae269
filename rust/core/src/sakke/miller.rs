//! The functions that Miller's loop multiplies, for a fixed point.
//!
//! Miller's loop for n = q - 1 (a multiple of the point that differs from q by a vertical line only) walks the signed
//! digits of n. One step of ours does one or two doublings and then perhaps one addition, and needs *one* function: the
//! product of their lines (squared where a doubling follows) over the vertical lines at the points in between. As a
//! function on the curve it is A(x) + y*B(x) with A of degree 3 at most and B of degree 1 at most.
//!
//! Factors in F_p do not count in PF_p. So a function may be divided by the leading coefficient of B, and where B is
//! constant it may be multiplied by x (a vertical line through (0, 0)), after which all have the form
//! `a0 + a1*x + a2*x^2 + a3*x^3 + y*(b0 + x)`.

use zeroize::{Zeroize, Zeroizing};

use super::curve::{Affine, Projective, to_affine_all};
use super::modular::{Fp, invert_all};
use super::params;
use super::uint::{self, Limbs};

/// a0, a1, a2, a3 and b0 of a step's function.
pub(crate) type Coefficients = [Fp; 5];

/// The functions of a point, with the number of squarings before each.
pub(crate) struct Functions {
    pub(crate) squarings: Vec<u8>,
    pub(crate) coefficients: Zeroizing<Vec<Coefficients>>,
}

/// One or two doublings, then the addition of `digit` times the start (none for 0).
struct Step {
    doublings: u8,
    digit: i8,
}

const ONE: Limbs = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Digits -1, 0, 1 of q - 1 below the leading one, of which no two neighbours are both non-zero; highest first.
fn digits() -> Vec<i8> {
    let mut rest = uint::sub(&params::Q, &ONE).0;
    let mut digits = Vec::new();
    while rest != ONE {
        let digit = match rest[0] & 3 {
            1 => 1,
            3 => -1,
            _ => 0,
        };
        rest = match digit {
            1 => uint::sub(&rest, &ONE).0,
            -1 => uint::add(&rest, &ONE).0,
            _ => rest,
        };
        digits.push(digit);
        rest = uint::shr(&rest, 1);
    }
    digits.reverse();
    digits
}

/// Steps that end with a digit wherever it is not zero.
fn steps() -> Vec<Step> {
    let mut digits = digits().into_iter();
    let mut steps = Vec::new();
    while let Some(first) = digits.next() {
        let (doublings, digit) = match first {
            0 => digits.next().map_or((1, 0), |second| (2, second)),
            _ => (1, first),
        };
        steps.push(Step { doublings, digit });
    }
    steps
}

/// A(x) + y*B(x) while it is being made.
#[derive(Clone, Copy, Zeroize)]
struct Function {
    a: [Fp; 5],
    b: [Fp; 4],
}

impl Function {
    fn one() -> Self {
        let mut out = Self {
            a: [Fp::ZERO; 5],
            b: [Fp::ZERO; 4],
        };
        out.a[0] = Fp::ONE;
        out
    }

    /// Multiplies by y - (slope * x + offset), with y^2 = x^3 - 3x.
    fn multiply(&mut self, line: &Line) {
        let times_line = |f: &[Fp], i: usize| {
            let low = f.get(i).map_or(Fp::ZERO, |f| f.mul(&line.offset));
            let high = i.checked_sub(1).and_then(|i| f.get(i));
            high.map_or(low, |f| f.mul(&line.slope).add(&low))
        };
        let cubed = |f: &[Fp], i: usize| {
            let cube = i.checked_sub(3).and_then(|i| f.get(i));
            let linear = i.checked_sub(1).and_then(|i| f.get(i));
            let linear = linear.map_or(Fp::ZERO, Fp::triple);
            cube.map_or(linear.neg(), |cube| cube.sub(&linear))
        };
        *self = Self {
            a: core::array::from_fn(|i| cubed(&self.b, i).sub(&times_line(&self.a, i))),
            b: core::array::from_fn(|i| self.a[i].sub(&times_line(&self.b, i))),
        };
    }

    /// Divides by x - root, which divides both parts.
    fn divide(&mut self, root: &Fp) {
        divide(&mut self.a, root);
        divide(&mut self.b, root);
    }
}

/// Synthetic division, without the remainder.
fn divide(f: &mut [Fp], root: &Fp) {
    let mut carried = Fp::ZERO;
    for f in f.iter_mut().rev() {
        let next = f.add(&carried.mul(root));
        *f = carried;
        carried = next;
    }
}

/// y = slope * x + offset.
#[derive(Clone, Copy, Zeroize)]
struct Line {
    slope: Fp,
    offset: Fp,
}

/// The points at which lines are drawn, with the digit that is added there (0: the tangent), and where the walk ends.
fn walk(start: &Projective, steps: &[Step]) -> (Vec<(Projective, i8)>, Projective) {
    let minus = Projective {
        y: start.y.neg(),
        ..*start
    };
    let mut at = Vec::new();
    let mut current = *start;
    for step in steps {
        for _ in 0..step.doublings {
            at.push((current, 0));
            current = current.add(&current);
        }
        if step.digit != 0 {
            at.push((current, step.digit));
            current = current.add(if step.digit > 0 { start } else { &minus });
        }
    }
    (at, current)
}

/// The lines of a walk and the x of the points at which they are drawn.
fn lines(start: &Affine, at: &[(Projective, i8)]) -> Vec<(Line, Fp)> {
    let projective: Zeroizing<Vec<Projective>> =
        Zeroizing::new(at.iter().map(|(point, _)| *point).collect());
    let mut points = to_affine_all(&projective);
    let mut runs: Vec<Fp> = points
        .iter()
        .zip(at)
        .map(|(point, (_, digit))| match digit {
            0 => point.y.double(),
            _ => point.x.sub(&start.x),
        })
        .collect();
    invert_all(&mut runs);
    let lines = points
        .iter()
        .zip(at)
        .zip(&runs)
        .map(|((point, (_, digit)), run)| {
            let rise = match digit {
                0 => point.x.square().sub(&Fp::ONE).triple(),
                1 => point.y.sub(&start.y),
                _ => point.y.add(&start.y),
            };
            let slope = rise.mul(run);
            let offset = point.y.sub(&slope.mul(&point.x));
            (Line { slope, offset }, point.x)
        })
        .collect();
    points.zeroize();
    runs.zeroize();
    lines
}

impl Functions {
    /// The functions of a point of the curve; `None` unless its order is q.
    pub(crate) fn new(point: &Affine) -> Option<Self> {
        let steps = steps();
        let start = Projective::from(*point);
        let (mut at, end) = walk(&start, &steps);
        // [q - 1] of the point is its opposite exactly when [q] of it is infinity.
        let opposite = Affine {
            x: point.x,
            y: point.y.neg(),
        };
        // public: a point of another order is refused.
        if !bool::from(end.equals(&opposite)) {
            return None;
        }
        let lines = Zeroizing::new(lines(point, &at));
        for (point, _) in &mut at {
            point.zeroize();
        }
        let mut made = Zeroizing::new(Vec::with_capacity(steps.len()));
        let mut rest = lines.as_slice();
        for step in &steps {
            let count = usize::from(step.doublings) + usize::from(step.digit != 0);
            let (drawn, after) = rest.split_at(count);
            rest = after;
            let mut function = Function::one();
            // A second doubling squares the first line, and the vertical line after it.
            for _ in 0..step.doublings {
                function.multiply(&drawn[0].0);
            }
            for (n, (line, x)) in drawn.iter().enumerate().skip(1) {
                function.multiply(line);
                function.divide(x);
                if n < usize::from(step.doublings) {
                    function.divide(x);
                }
            }
            made.push(function);
        }
        Some(Self {
            coefficients: normalise(&made, &steps),
            squarings: steps.iter().map(|step| step.doublings).collect(),
        })
    }
}

fn normalise(functions: &[Function], steps: &[Step]) -> Zeroizing<Vec<Coefficients>> {
    let mut leading: Vec<Fp> = functions
        .iter()
        .zip(steps)
        .map(|(function, step)| function.b[usize::from(step.doublings) - 1])
        .collect();
    invert_all(&mut leading);
    let made = functions
        .iter()
        .zip(steps)
        .zip(&leading)
        .map(|((f, step), leading)| {
            let [a0, a1, a2, a3, _] = f.a.map(|a| a.mul(leading));
            match step.doublings {
                1 => [Fp::ZERO, a0, a1, a2, Fp::ZERO],
                _ => [a0, a1, a2, a3, f.b[0].mul(leading)],
            }
        })
        .collect();
    leading.zeroize();
    Zeroizing::new(made)
}
