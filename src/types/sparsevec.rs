//! The type `sparsevec`: single-precision numbers, of which only those that are not zero are stored.

use super::array::Array;
use super::checks::*;
use super::dense::{Argument, convert};
use super::operators::comparison_functions;
use super::text::{self, ParsedSparse};
use super::varlena::{
    Dense, DenseElement, HalfVector, Message, NewBytes, NewCString, NewDense, NewHalfVector, NewSparseVector,
    NewVector, SparseLayout, SparseVector, SparseView, TextBuilder, Vector,
};
use crate::error::raise_message;
use crate::kernels;
use crate::kernels::sparse;
use pgrx::PgSqlErrorCode::*;
use pgrx::{pg_extern, pg_sys};
use std::ffi::CStr;

/// The order of two vectors is that of the dense vectors they stand for.
fn compare(a: SparseView<'_>, b: SparseView<'_>) -> std::cmp::Ordering {
    sparse::compare(a.elements, a.dimensions, b.elements, b.dimensions)
}

comparison_functions! {
    SparseVector, compare;
    sparsevec_lt, sparsevec_le, sparsevec_eq, sparsevec_ne, sparsevec_ge, sparsevec_gt, sparsevec_cmp
}

/// An ERROR unless `index`, counted from zero, is one of the vector's and larger than the one before it.
fn check_index(index: i32, before: Option<i32>, dimensions: usize) {
    if usize::try_from(index).map_or(true, |index| index >= dimensions) {
        raise_message(ERRCODE_DATA_EXCEPTION, "sparsevec index out of bounds");
    }
    if before.is_some_and(|before| before > index) {
        raise_message(ERRCODE_DATA_EXCEPTION, "sparsevec indices must be in ascending order");
    }
    if before == Some(index) {
        raise_message(ERRCODE_DATA_EXCEPTION, "sparsevec indices must not contain duplicates");
    }
}

#[pg_extern(sql = false)]
fn sparsevec_in(literal: &CStr, _type: pg_sys::Oid, typmod: i32) -> NewSparseVector {
    let literal = literal.to_bytes();
    let ParsedSparse { mut elements, dimensions } =
        text::parse_sparse(literal, NewSparseVector::MAX_ELEMENTS)
            .unwrap_or_else(|problem| raise_parse_error::<SparseLayout>(literal, problem));
    let dimensions = dimensions.max(0) as usize;
    check_dimensions::<SparseLayout>(dimensions);
    check_typmod(dimensions, typmod);
    elements.sort_by_key(|&(index, _)| index);
    let mut before = None;
    for (index, _) in &mut elements {
        *index = index.saturating_sub(1);
        check_index(*index, before, dimensions);
        before = Some(*index);
    }
    NewSparseVector::from_elements(dimensions, &elements)
}

#[pg_extern(sql = false)]
fn sparsevec_out(vector: SparseVector<'_>) -> NewCString {
    let SparseView { dimensions, elements, .. } = vector.view();
    // The room that most elements need.
    let mut text = TextBuilder::with_capacity(32 + 16 * elements.indices.len());
    text.push(b'{');
    for (at, (&index, &value)) in elements.indices.iter().zip(elements.values).enumerate() {
        if at > 0 {
            text.push(b',');
        }
        text.push_integer(index as u32 as usize + 1);
        text.push(b':');
        text.push_f32(value);
    }
    text.push(b'}');
    text.push(b'/');
    text.push_integer(dimensions);
    text.finish()
}

#[pg_extern(sql = false)]
fn sparsevec_typmod_in(modifiers: Array) -> i32 {
    read_typmod::<SparseLayout>(&modifiers)
}

/// Dimensions, number of elements, a field that must be zero, the indices counted from zero, the values.
#[pg_extern(sql = false)]
fn sparsevec_recv(mut message: Message, _type: pg_sys::Oid, typmod: i32) -> NewSparseVector {
    let [dimensions, count, unused] = [(); 3].map(|()| message.read_i32());
    let dimensions = dimensions.max(0) as usize;
    check_dimensions::<SparseLayout>(dimensions);
    let Ok(count) = usize::try_from(count) else {
        raise_message(ERRCODE_DATA_EXCEPTION, "sparsevec cannot have negative number of elements");
    };
    check_count(count);
    if count > dimensions {
        raise_message(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "sparsevec cannot have more elements than dimensions");
    }
    check_typmod(dimensions, typmod);
    check_unused(unused);

    let mut indices: Vec<i32> = Vec::with_capacity(count);
    for word in message.available_words(count, 4) {
        let index = u32::from_be_bytes([word[0], word[1], word[2], word[3]]) as i32;
        check_index(index, indices.last().copied(), dimensions);
        indices.push(index);
    }
    if indices.len() < count {
        message.raise_insufficient();
    }
    let mut elements = Vec::with_capacity(count);
    for (index, word) in indices.into_iter().zip(message.available_words(count, 4)) {
        let value = f32::from_be_bytes([word[0], word[1], word[2], word[3]]);
        check_finite::<SparseLayout>(value);
        if value == 0.0 {
            raise_message(
                ERRCODE_DATA_EXCEPTION,
                "binary representation of sparsevec cannot contain zero values",
            );
        }
        elements.push((index, value));
    }
    if elements.len() < count {
        message.raise_insufficient();
    }
    NewSparseVector::from_elements(dimensions, &elements)
}

/// What [`sparsevec_recv`] reads.
#[pg_extern(sql = false)]
fn sparsevec_send(vector: SparseVector<'_>) -> NewBytes {
    let SparseView { dimensions, elements, unused } = vector.view();
    let mut words = vec![dimensions as i32, elements.indices.len() as i32, unused];
    words.extend(elements.indices);
    words.extend(elements.values.iter().map(|value| value.to_bits() as i32));
    NewBytes::concat(&[], words.into_iter().map(i32::to_be_bytes))
}

/// The cast to the type with a modifier.
#[pg_extern(sql = false)]
fn sparsevec<'a>(vector: SparseVector<'a>, typmod: i32, _explicit: bool) -> SparseVector<'a> {
    check_typmod(vector.view().dimensions, typmod);
    vector
}

/// The elements that are not zero.
fn from_elements(elements: impl ExactSizeIterator<Item = f32>) -> NewSparseVector {
    let dimensions = elements.len();
    let elements: Vec<(i32, f32)> = (0..).zip(elements).filter(|(_, x)| *x != 0.0).collect();
    check_count(elements.len());
    elements.iter().for_each(|(_, x)| check_finite::<SparseLayout>(*x));
    NewSparseVector::from_elements(dimensions, &elements)
}

fn from_dense<E: DenseElement>(vector: &Argument<'_, E>, typmod: i32) -> NewSparseVector {
    check_typmod(vector.dimensions(), typmod);
    from_elements(vector.elements().iter().map(|x| x.to_f32()))
}

#[pg_extern(sql = false)]
fn vector_to_sparsevec(vector: Vector<'_>, typmod: i32, _explicit: bool) -> NewSparseVector {
    from_dense(&vector, typmod)
}

#[pg_extern(sql = false)]
fn halfvec_to_sparsevec(vector: HalfVector<'_>, typmod: i32, _explicit: bool) -> NewSparseVector {
    from_dense(&vector, typmod)
}

#[pg_extern(sql = false)]
fn array_to_sparsevec(array: Array, typmod: i32, _explicit: bool) -> NewSparseVector {
    from_elements(array_elements::<SparseLayout>(&array, typmod).into_iter())
}

fn to_dense<E: DenseElement>(vector: SparseView<'_>, typmod: i32) -> NewDense<E> {
    check_dimensions::<Dense<E>>(vector.dimensions);
    check_typmod(vector.dimensions, typmod);
    let mut dense = NewDense::zeroed(vector.dimensions);
    let slots = dense.elements_mut();
    for (&index, &value) in vector.elements.indices.iter().zip(vector.elements.values) {
        match slots.get_mut(index as usize) {
            Some(slot) => *slot = convert(value),
            None => raise_message(ERRCODE_DATA_CORRUPTED, "sparsevec index out of bounds"),
        }
    }
    dense
}

#[pg_extern(sql = false)]
fn sparsevec_to_vector(vector: SparseVector<'_>, typmod: i32, _explicit: bool) -> NewVector {
    to_dense(vector.view(), typmod)
}

#[pg_extern(sql = false)]
fn sparsevec_to_halfvec(vector: SparseVector<'_>, typmod: i32, _explicit: bool) -> NewHalfVector {
    to_dense(vector.view(), typmod)
}

#[pg_extern(sql = false)]
fn sparsevec_l2_norm(vector: SparseVector<'_>) -> f64 {
    kernels::norm_squared(vector.view().elements.values).sqrt()
}

/// The vector scaled to norm 1, without the elements that become zero by it; a zero vector stays one.
#[pg_extern(sql = false)]
fn sparsevec_l2_normalize(vector: SparseVector<'_>) -> NewSparseVector {
    let SparseView { dimensions, elements, .. } = vector.view();
    let norm = kernels::norm_squared(elements.values).sqrt();
    let mut normalized = Vec::with_capacity(elements.values.len());
    for (&index, &value) in elements.indices.iter().zip(elements.values) {
        let value = (f64::from(value) / norm) as f32;
        check_overflow(value);
        if value != 0.0 {
            normalized.push((index, value));
        }
    }
    NewSparseVector::from_elements(dimensions, &normalized)
}
