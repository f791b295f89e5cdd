//! The indexed column: what its operator class makes of it, and how its datums become [values](crate::storage::value).

use super::method::Method;
use crate::error;
use crate::kernels::Element;
use crate::metric::Metric;
use crate::storage::ValueType;
use crate::storage::value;
use crate::types::{BitString, HalfVector, IndexedType, SparseVector, Vector, check_expected};
use pgrx::PgSqlErrorCode::*;
use pgrx::pg_sys;

/// The most bits of an indexed `bit`, as with pgvector. The other types' own limits are enough.
const MAX_BITS: usize = 64_000;

/// The most elements that are not zero of an indexed `sparsevec`, as with pgvector. A query may have more.
const MAX_ELEMENTS: usize = 1000;

/// A type, and the metric by which an index orders its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub indexed: IndexedType,
    pub metric: Metric,
}

impl Column {
    /// What the index's values consist of. Where nodes hold codes, these are made from floats.
    pub fn value_type(self) -> ValueType {
        match self.indexed {
            IndexedType::Vector => ValueType::Floats,
            IndexedType::HalfVector if self.metric.estimable() => ValueType::Floats,
            IndexedType::HalfVector => ValueType::Halves,
            IndexedType::Bits => ValueType::Bits,
            IndexedType::SparseVector => ValueType::Sparse,
        }
    }

    /// An ERROR unless an index can be made of a column with so many dimensions.
    pub fn check_dimensions(self, dimensions: usize, method: Method) {
        if self.indexed == IndexedType::Bits && dimensions > MAX_BITS {
            error::raise_message(
                ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("column cannot have more than {MAX_BITS} dimensions for {method} index"),
            );
        }
    }

    /// Makes `out` the value of a row; an ERROR if it cannot be in the index.
    ///
    /// # Safety
    /// As for [`query`](Self::query).
    pub unsafe fn row(self, datum: pg_sys::Datum, dimensions: usize, out: &mut Vec<u8>) {
        // SAFETY: passed on to the caller.
        let elements = unsafe { self.value(datum, dimensions, out) };
        if elements > MAX_ELEMENTS {
            error::raise_message(
                ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("sparsevec cannot have more than {MAX_ELEMENTS} non-zero elements for hnsw index"),
            );
        }
    }

    /// The value of a query.
    ///
    /// # Safety
    /// `datum` is a non-null datum of the column's type.
    pub unsafe fn query(self, datum: pg_sys::Datum, dimensions: usize) -> Vec<u8> {
        let mut out = Vec::new();
        // SAFETY: passed on to the caller.
        unsafe { self.value(datum, dimensions, &mut out) };
        out
    }

    /// Makes `out` the value of a datum, with an ERROR unless it has the index's number of dimensions; returns the number of
    /// a sparse vector's elements, otherwise 0.
    ///
    /// # Safety
    /// As for [`query`](Self::query).
    unsafe fn value(self, datum: pg_sys::Datum, dimensions: usize, out: &mut Vec<u8>) -> usize {
        out.clear();
        // SAFETY: passed on to the caller: the datum is of the type that belongs to the class.
        unsafe {
            match self.indexed {
                IndexedType::Vector => {
                    let vector = Vector::from_datum(datum);
                    check_expected(dimensions, vector.dimensions());
                    value::append(vector.elements(), out);
                }
                IndexedType::HalfVector => {
                    let vector = HalfVector::from_datum(datum);
                    check_expected(dimensions, vector.dimensions());
                    match self.value_type() {
                        ValueType::Floats => {
                            let mut floats = vec![0.0; dimensions];
                            Element::widen(vector.elements(), &mut floats);
                            value::append(&floats, out);
                        }
                        _ => value::append(vector.elements(), out),
                    }
                }
                IndexedType::Bits => {
                    let bits = BitString::from_datum(datum);
                    let (length, bytes) = bits.view();
                    if length != dimensions {
                        error::raise_message(
                            ERRCODE_DATA_EXCEPTION,
                            format!("different bit lengths {dimensions} and {length}"),
                        );
                    }
                    out.extend_from_slice(bytes);
                }
                IndexedType::SparseVector => {
                    let vector = SparseVector::from_datum(datum);
                    check_expected(dimensions, vector.view().dimensions);
                    value::append_sparse(vector.view().elements, out);
                    return vector.view().elements.values.len();
                }
            }
        }
        0
    }
}
