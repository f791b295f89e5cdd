//! What `vector` and `halfvec` have in common: text and binary form, casts, and functions of one vector, over the type of
//! the elements. `dense_functions!` declares the SQL functions.

use super::array::Array;
use super::checks::*;
use super::text;
use super::varlena::{
    Dense, DenseElement, Dimensional, Message, NewBits, NewBytes, NewCString, NewDense, TextBuilder, Value,
    shortest_text,
};

/// A dense vector argument.
pub type Argument<'a, E> = Value<'a, Dense<E>>;

/// The text form of a vector.
pub fn read<E: DenseElement>(literal: &[u8], typmod: i32) -> NewDense<E> {
    let elements = text::parse_dense::<E>(literal, Dense::<E>::MAX_DIMENSIONS)
        .unwrap_or_else(|problem| raise_parse_error::<Dense<E>>(literal, problem));
    check_typmod(elements.len(), typmod);
    NewDense::from_elements(elements.into_iter())
}

/// `[1,2,3]`
pub fn write<E: DenseElement>(elements: &[E]) -> NewCString {
    // The room that most elements need.
    let mut text = TextBuilder::with_capacity(16 + 12 * elements.len());
    for (index, element) in elements.iter().enumerate() {
        text.push(if index == 0 { b'[' } else { b',' });
        text.push_f32(element.to_f32());
    }
    text.push(b']');
    text.finish()
}

/// The binary form of a vector: its length, two bytes that must be zero, its elements.
pub fn receive<E: DenseElement>(message: &mut Message, typmod: i32) -> NewDense<E> {
    let dimensions = message.read_i16().max(0) as usize;
    let unused = message.read_i16();
    check_dimensions::<Dense<E>>(dimensions);
    check_typmod(dimensions, typmod);
    check_unused(unused.into());
    let words = message.available_words(dimensions, size_of::<E>());
    let elements: Vec<E> = words.map(E::from_be_bytes).collect();
    check_elements(&elements);
    if elements.len() < dimensions {
        message.raise_insufficient();
    }
    NewDense::from_elements(elements.into_iter())
}

/// What [`receive`] reads.
pub fn send<E: DenseElement>(vector: &Argument<'_, E>) -> NewBytes {
    let [d1, d0] = (vector.dimensions() as u16).to_be_bytes();
    let [u1, u0] = vector.unused().to_be_bytes();
    NewBytes::concat(&[d1, d0, u1, u0], vector.elements().iter().map(|x| x.to_be_bytes()))
}

/// An ERROR if an element is not a finite number.
pub fn check_elements<E: DenseElement>(elements: &[E]) {
    elements.iter().for_each(|x| check_finite::<Dense<E>>(x.to_f32()));
}

/// The element nearest to `x`; an ERROR if `x` is finite and the element is not.
pub fn convert<E: DenseElement>(x: f32) -> E {
    let element = E::from_f32(x);
    if element.to_f32().is_infinite() && !x.is_infinite() {
        raise_out_of_range::<Dense<E>>(&shortest_text(x));
    }
    element
}

/// The cast from `vector` to a type of fewer digits.
pub fn narrow<E: DenseElement>(vector: &Argument<'_, f32>, typmod: i32) -> NewDense<E> {
    check_dimensions::<Dense<E>>(vector.dimensions());
    check_typmod(vector.dimensions(), typmod);
    NewDense::from_elements(vector.elements().iter().map(|&x| convert(x)))
}

/// The cast to `vector` from a type of fewer digits.
pub fn widen<E: DenseElement>(vector: &Argument<'_, E>, typmod: i32) -> NewDense<f32> {
    check_dimensions::<Dense<f32>>(vector.dimensions());
    check_typmod(vector.dimensions(), typmod);
    let mut result = NewDense::zeroed(vector.dimensions());
    E::widen(vector.elements(), result.elements_mut());
    result
}

/// The cast from an array.
pub fn from_array<E: DenseElement>(array: &Array, typmod: i32) -> NewDense<E> {
    let elements = array_elements::<Dense<E>>(array, typmod);
    let mut vector = NewDense::from_elements(elements.into_iter().map(convert));
    check_elements(vector.elements_mut());
    vector
}

/// The cast to `real[]`.
pub fn to_array<E: DenseElement>(elements: &[E]) -> Array {
    Array::from_f32s(elements.iter().map(|x| x.to_f32()))
}

/// Euclidean norm.
pub fn norm<E: DenseElement>(elements: &[E]) -> f64 {
    E::norm_squared(elements).sqrt()
}

/// The vector scaled to norm 1; a zero vector stays one.
pub fn normalize<E: DenseElement>(elements: &[E]) -> NewDense<E> {
    let norm = norm(elements);
    let mut result = NewDense::zeroed(elements.len());
    if norm > 0.0 {
        for (normalized, x) in result.elements_mut().iter_mut().zip(elements) {
            *normalized = E::from_f32((f64::from(x.to_f32()) / norm) as f32);
            check_overflow(normalized.to_f32());
        }
    }
    result
}

/// One bit per element: is it positive?
pub fn quantize<E: DenseElement>(elements: &[E]) -> NewBits {
    NewBits::from_bits(elements.iter().map(|x| x.to_f32() > 0.0))
}

/// The elements from the `start`-th (counted from one) on, `count` of them, as far as the vector has such elements.
pub fn part<E: DenseElement>(elements: &[E], start: i32, count: i32) -> NewDense<E> {
    let end = (i64::from(start) + i64::from(count.max(0))).clamp(1, elements.len() as i64 + 1) as usize;
    let start = i64::from(start).clamp(1, end as i64) as usize;
    check_dimensions::<Dense<E>>(end - start);
    NewDense::from_elements(elements[start - 1..end - 1].iter().copied())
}

/// Declares the SQL functions of a dense type: `pg_extern` takes no generic functions. To the left stands what a function
/// does, to the right the name of its wrapper in the library.
macro_rules! dense_functions {
    (
        type $Argument:ident, $New:ident, $Element:ident;
        input $input:ident; output $output:ident; receive $receive:ident; send $send:ident;
        typmod $typmod:ident; coerce $coerce:ident; from_array $from_array:ident; to_array $to_array:ident;
        dimensions $dimensions:ident; norm $norm:ident; normalize $normalize:ident;
        quantize $quantize:ident; part $part:ident;
        add $add:ident; subtract $subtract:ident; multiply $multiply:ident; concatenate $concatenate:ident;
        accumulate $accumulate:ident; average $average:ident;
    ) => {
        #[pg_extern(sql = false)]
        fn $input(literal: &CStr, _type: pg_sys::Oid, typmod: i32) -> $New {
            dense::read(literal.to_bytes(), typmod)
        }

        #[pg_extern(sql = false)]
        fn $output(vector: $Argument<'_>) -> NewCString {
            dense::write(vector.elements())
        }

        #[pg_extern(sql = false)]
        fn $receive(mut message: Message, _type: pg_sys::Oid, typmod: i32) -> $New {
            dense::receive(&mut message, typmod)
        }

        #[pg_extern(sql = false)]
        fn $send(vector: $Argument<'_>) -> NewBytes {
            dense::send(&vector)
        }

        #[pg_extern(sql = false)]
        fn $typmod(modifiers: Array) -> i32 {
            read_typmod::<Dense<$Element>>(&modifiers)
        }

        /// The cast to the type with a modifier. Casts get a third argument, whether they are explicit, which changes
        /// nothing.
        #[pg_extern(sql = false)]
        fn $coerce<'a>(vector: $Argument<'a>, typmod: i32, _explicit: bool) -> $Argument<'a> {
            check_typmod(vector.dimensions(), typmod);
            vector
        }

        #[pg_extern(sql = false)]
        fn $from_array(array: Array, typmod: i32, _explicit: bool) -> $New {
            dense::from_array(&array, typmod)
        }

        #[pg_extern(sql = false)]
        fn $to_array(vector: $Argument<'_>, _typmod: i32, _explicit: bool) -> Array {
            dense::to_array(vector.elements())
        }

        #[pg_extern(sql = false)]
        fn $dimensions(vector: $Argument<'_>) -> i32 {
            vector.dimensions() as i32
        }

        #[pg_extern(sql = false)]
        fn $norm(vector: $Argument<'_>) -> f64 {
            dense::norm(vector.elements())
        }

        #[pg_extern(sql = false)]
        fn $normalize(vector: $Argument<'_>) -> $New {
            dense::normalize(vector.elements())
        }

        #[pg_extern(sql = false)]
        fn $quantize(vector: $Argument<'_>) -> NewBits {
            dense::quantize(vector.elements())
        }

        #[pg_extern(sql = false)]
        fn $part(vector: $Argument<'_>, start: i32, count: i32) -> $New {
            dense::part(vector.elements(), start, count)
        }

        #[pg_extern(sql = false)]
        fn $add(a: $Argument<'_>, b: $Argument<'_>) -> $New {
            operators::combine(a.elements(), b.elements(), |x, y| x + y)
        }

        #[pg_extern(sql = false)]
        fn $subtract(a: $Argument<'_>, b: $Argument<'_>) -> $New {
            operators::combine(a.elements(), b.elements(), |x, y| x - y)
        }

        #[pg_extern(sql = false)]
        fn $multiply(a: $Argument<'_>, b: $Argument<'_>) -> $New {
            operators::multiply(a.elements(), b.elements())
        }

        #[pg_extern(sql = false)]
        fn $concatenate(a: $Argument<'_>, b: $Argument<'_>) -> $New {
            operators::concatenate(a.elements(), b.elements())
        }

        #[pg_extern(sql = false)]
        fn $accumulate(state: Array, vector: $Argument<'_>, fcinfo: pg_sys::FunctionCallInfo) -> Array {
            aggregates::accumulate(state, vector.elements(), stringify!($accumulate), fcinfo)
        }

        #[pg_extern(sql = false)]
        fn $average(state: Array) -> Option<$New> {
            aggregates::average(&state, stringify!($average))
        }
    };
}
pub(super) use dense_functions;
