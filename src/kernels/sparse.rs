//! Sums over vectors that are mostly zero. Their elements are found by merging two sorted lists, which no instruction
//! set has a better way for at these lengths, so there is one version of each; sums are in `f32`, in ascending order.

use std::cmp::Ordering;

/// A vector without its zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sparse<'a> {
    /// Where the elements stand that are not zero, ascending.
    pub indices: &'a [i32],
    /// Those elements.
    pub values: &'a [f32],
}

impl Sparse<'_> {
    /// The elements with their indices.
    fn iter(self) -> impl Iterator<Item = (i32, f32)> {
        self.indices.iter().copied().zip(self.values.iter().copied())
    }
}

/// Calls `each` with the elements of both at every index where one of them is not zero, in ascending order of the index,
/// until it says `true`.
fn merge_until(a: Sparse<'_>, b: Sparse<'_>, mut each: impl FnMut(f32, f32) -> bool) {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (Some((i, _)), Some((j, _))) => i.cmp(j),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let x = if order.is_le() { a.next() } else { None };
        let y = if order.is_ge() { b.next() } else { None };
        if each(x.map_or(0.0, |(_, x)| x), y.map_or(0.0, |(_, y)| y)) {
            return;
        }
    }
}

fn sum(a: Sparse<'_>, b: Sparse<'_>, term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sum = 0.0;
    merge_until(a, b, |x, y| {
        sum += term(x, y);
        false
    });
    sum
}

/// Squared Euclidean distance.
pub fn l2_squared(a: Sparse<'_>, b: Sparse<'_>) -> f32 {
    sum(a, b, |x, y| (x - y) * (x - y))
}

/// Inner product.
pub fn dot(a: Sparse<'_>, b: Sparse<'_>) -> f32 {
    let (mut sum, mut at) = (0.0, 0);
    for (index, x) in a.iter() {
        at += b.indices[at..].iter().take_while(|&&j| j < index).count();
        match b.indices.get(at) {
            Some(&j) if j == index => sum += x * b.values[at],
            Some(_) => {}
            None => break,
        }
    }
    sum
}

/// Taxicab distance.
pub fn l1(a: Sparse<'_>, b: Sparse<'_>) -> f32 {
    sum(a, b, |x, y| (x - y).abs())
}

/// Inner product and the squares of both norms.
pub fn dot_and_norms(a: Sparse<'_>, b: Sparse<'_>) -> (f32, f32, f32) {
    let square = |v: Sparse<'_>| v.values.iter().map(|x| x * x).sum();
    (dot(a, b), square(a), square(b))
}

/// The order of the dense vectors of `a_dimensions` and `b_dimensions` elements, as core orders arrays: element by
/// element, then the shorter first.
pub fn compare(a: Sparse<'_>, a_dimensions: usize, b: Sparse<'_>, b_dimensions: usize) -> Ordering {
    // Elements past the end of the shorter are not compared.
    let common = a_dimensions.min(b_dimensions);
    let head = |v: Sparse<'_>| v.indices.partition_point(|&i| (i as usize) < common);
    let (a_head, b_head) = (head(a), head(b));
    let a = Sparse { indices: &a.indices[..a_head], values: &a.values[..a_head] };
    let b = Sparse { indices: &b.indices[..b_head], values: &b.values[..b_head] };
    let mut order = Ordering::Equal;
    merge_until(a, b, |x, y| {
        order = x.partial_cmp(&y).unwrap_or(Ordering::Equal); // elements are finite: none is NaN
        order.is_ne()
    });
    order.then(a_dimensions.cmp(&b_dimensions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels;
    use proptest::prelude::*;

    fn sparse(dense: &[f32]) -> (Vec<i32>, Vec<f32>) {
        dense.iter().enumerate().filter(|(_, x)| **x != 0.0).map(|(i, x)| (i as i32, *x)).unzip()
    }

    fn view(parts: &(Vec<i32>, Vec<f32>)) -> Sparse<'_> {
        Sparse { indices: &parts.0, values: &parts.1 }
    }

    /// Vectors of small integers, most of them zero, whose sums are exact in any order.
    fn mostly_zero(length: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(prop_oneof![3 => Just(0.0), 2 => (-9..10i32).prop_map(|x| x as f32)], length)
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_dense_vectors(
            (a, b) in (1..40usize).prop_flat_map(|n| (mostly_zero(n), mostly_zero(n)))
        ) {
            let (x, y) = (sparse(&a), sparse(&b));
            prop_assert_eq!(l2_squared(view(&x), view(&y)), kernels::l2_squared(&a, &b));
            prop_assert_eq!(dot(view(&x), view(&y)), kernels::dot(&a, &b));
            prop_assert_eq!(l1(view(&x), view(&y)), kernels::l1(&a, &b));
            prop_assert_eq!(dot_and_norms(view(&x), view(&y)), kernels::dot_and_norms(&a, &b));
        }

        #[test]
        fn the_order_is_that_of_the_dense_vectors(
            (a, b) in (1..6usize, 1..6usize).prop_flat_map(|(n, m)| (mostly_zero(n), mostly_zero(m)))
        ) {
            let (x, y) = (sparse(&a), sparse(&b));
            prop_assert_eq!(Some(compare(view(&x), a.len(), view(&y), b.len())), a.partial_cmp(&b));
            prop_assert_eq!(compare(view(&x), a.len(), view(&x), a.len()), Ordering::Equal);
        }
    }
}
