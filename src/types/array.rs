//! Core's arrays as arguments and results: what the casts and the aggregates' states need of them.

use super::varlena::RawDatum;
use crate::error;
use pgrx::PgSqlErrorCode::*;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pg_sys;
use std::ptr::NonNull;
use std::slice;

/// An array argument of any element type, de-toasted.
pub struct Array(NonNull<pg_sys::ArrayType>);

// SAFETY: the argument is declared as an array type, so its datum is an array.
unsafe impl<'fcx> ArgAbi<'fcx> for Array {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: strict functions only, so the datum is a non-null varlena.
        let array = unsafe { pg_sys::pg_detoast_datum(RawDatum::of(arg).cast_mut_ptr()) };
        match NonNull::new(array.cast()) {
            Some(array) => Array(array),
            None => error::raise_message(ERRCODE_DATA_CORRUPTED, "array has no value"),
        }
    }
}

impl Array {
    fn header(&self) -> &pg_sys::ArrayType {
        // SAFETY: a de-toasted array datum starts with this header, palloc-aligned or aligned by the tuple.
        unsafe { self.0.as_ref() }
    }

    /// Number of array dimensions; zero for the empty array.
    pub fn array_dimensions(&self) -> i32 {
        self.header().ndim
    }

    /// Whether the array may hold a null (it has a null bitmap with a bit unset).
    pub fn contains_nulls(&self) -> bool {
        // SAFETY: a valid array.
        unsafe { pg_sys::array_contains_nulls(self.0.as_ptr()) }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        let header = self.header();
        // SAFETY: `ndim` lengths follow the header of an array.
        unsafe {
            let lengths = self.0.as_ptr().cast::<i32>().byte_add(size_of::<pg_sys::ArrayType>());
            pg_sys::ArrayGetNItems(header.ndim, lengths) as usize
        }
    }

    /// The elements of a one-dimensional or empty array without nulls, converted to `f32` as a cast does; `None` for an
    /// element type that has no such cast.
    pub fn to_f32s(&self) -> Option<Vec<f32>> {
        match self.header().elemtype {
            pg_sys::INT4OID => Some(self.fixed_width::<i32>().iter().map(|&x| x as f32).collect()),
            pg_sys::FLOAT4OID => Some(self.fixed_width::<f32>().to_vec()),
            pg_sys::FLOAT8OID => Some(self.fixed_width::<f64>().iter().map(|&x| x as f32).collect()),
            pg_sys::NUMERICOID => Some(self.numerics_to_f32s()),
            _ => None,
        }
    }

    /// The elements as a slice. `T` is the Rust type of the array's fixed-width element type, and there are no nulls.
    fn fixed_width<T: Copy>(&self) -> &[T] {
        let header = self.header();
        // Without nulls the elements lie behind the header, the lengths and the lower bounds, maximally aligned.
        let offset = match header.dataoffset {
            0 => (size_of::<pg_sys::ArrayType>() + 8 * header.ndim as usize).next_multiple_of(8),
            offset => offset as usize,
        };
        // SAFETY: a de-toasted array holds `len` elements there; the elements' alignment is at most 8.
        unsafe { slice::from_raw_parts(self.0.as_ptr().byte_add(offset).cast::<T>(), self.len()) }
    }

    fn numerics_to_f32s(&self) -> Vec<f32> {
        let mut datums = std::ptr::null_mut();
        let mut count = 0;
        // SAFETY: `numeric` is a varlena (-1) passed by reference and aligned like an integer; the outputs are valid
        // places. `numeric_float4` is a plain V1 function of one argument.
        unsafe {
            pg_sys::deconstruct_array(
                self.0.as_ptr(),
                pg_sys::NUMERICOID,
                -1,
                false,
                b'i' as _,
                &mut datums,
                std::ptr::null_mut(),
                &mut count,
            );
            let values = slice::from_raw_parts(datums, count as usize);
            let floats = values
                .iter()
                .filter_map(|&numeric| {
                    pgrx::direct_function_call::<f32>(pg_sys::numeric_float4, &[Some(numeric)])
                })
                .collect();
            pg_sys::pfree(datums.cast());
            floats
        }
    }

    /// The elements of a one-dimensional, non-empty `double precision[]` without nulls, or `None` for anything else.
    pub fn as_f64s(&self) -> Option<&[f64]> {
        let valid = self.array_dimensions() == 1
            && self.len() > 0
            && !self.contains_nulls()
            && self.header().elemtype == pg_sys::FLOAT8OID;
        valid.then(|| self.fixed_width())
    }

    /// The integers of a type modifier list; an ERROR if they are not integers.
    pub fn typmods(&self) -> &[i32] {
        let mut count = 0;
        // SAFETY: the argument is a `cstring[]`; the result is a palloc'd array of `count` integers, which lives as long
        // as the call's memory context.
        unsafe {
            let typmods = pg_sys::ArrayGetIntegerTypmods(self.0.as_ptr(), &mut count);
            slice::from_raw_parts(typmods, count as usize)
        }
    }

    /// The elements of [`Array::as_f64s`], writable, if Postgres is calling on behalf of an aggregate whose state this
    /// array is: then, and only then, an argument may be changed in place.
    pub fn as_aggregate_state(&mut self, fcinfo: pg_sys::FunctionCallInfo) -> Option<&mut [f64]> {
        // SAFETY: `fcinfo` is the current call's; passing no place for the context is allowed.
        let in_aggregate = unsafe { pg_sys::AggCheckCallContext(fcinfo, std::ptr::null_mut()) } != 0;
        let state = self.as_f64s()?;
        // SAFETY: an aggregate's state belongs to the aggregate alone, and `self` is borrowed exclusively.
        in_aggregate.then(|| unsafe { slice::from_raw_parts_mut(state.as_ptr().cast_mut(), state.len()) })
    }
}

// SAFETY: returns the argument itself, which Postgres keeps alive.
unsafe impl BoxRet for Array {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: a whole array datum.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(self.0.as_ptr())) }
    }
}

pgrx::impl_sql_translatable!(Array, "anyarray");

/// Makes a new one-dimensional array of 8-byte or 4-byte floats.
trait ArrayElement: Copy {
    const TYPE: pg_sys::Oid;
    fn datum(self) -> pg_sys::Datum;
}

impl ArrayElement for f64 {
    const TYPE: pg_sys::Oid = pg_sys::FLOAT8OID;
    fn datum(self) -> pg_sys::Datum {
        pg_sys::Datum::from(self.to_bits())
    }
}

impl ArrayElement for f32 {
    const TYPE: pg_sys::Oid = pg_sys::FLOAT4OID;
    fn datum(self) -> pg_sys::Datum {
        pg_sys::Datum::from(self.to_bits())
    }
}

impl Array {
    fn new<T: ArrayElement>(elements: impl Iterator<Item = T>) -> Self {
        let mut datums: Vec<pg_sys::Datum> = elements.map(T::datum).collect();
        let alignment = if size_of::<T>() == 8 { b'd' } else { b'i' };
        // SAFETY: the type's length, passing (by value on 64-bit platforms) and alignment are those of the catalogue.
        let array = unsafe {
            pg_sys::construct_array(
                datums.as_mut_ptr(),
                datums.len() as i32,
                T::TYPE,
                size_of::<T>() as i32,
                true,
                alignment as _,
            )
        };
        match NonNull::new(array) {
            Some(array) => Array(array),
            None => error::raise_message(ERRCODE_OUT_OF_MEMORY, "out of memory"),
        }
    }

    /// A new `double precision[]` in the current memory context.
    pub fn from_f64s(elements: impl Iterator<Item = f64>) -> Self {
        Self::new(elements)
    }

    /// A new `real[]` in the current memory context.
    pub fn from_f32s(elements: impl Iterator<Item = f32>) -> Self {
        Self::new(elements)
    }
}
