//! Storage parameters: `m` and `ef_construction`.

use crate::edition::edition;
use crate::hnsw::Params;
use pgrx::{pg_guard, pg_sys};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, Ordering};

const DEFAULT_M: i32 = 16;
const DEFAULT_EF_CONSTRUCTION: i32 = 64;

/// What PostgreSQL makes of `WITH (...)`.
#[repr(C)]
struct Options {
    varlena: i32,
    m: i32,
    ef_construction: i32,
}

static KIND: AtomicU32 = AtomicU32::new(0);

/// Declares the storage parameters, and that settings with our prefix are ours, after they were declared. Called once, when the
/// library is loaded.
pub fn define() {
    reserve_prefix();
    // SAFETY: NUL-terminated strings; called once per process.
    unsafe {
        let kind = pg_sys::add_reloption_kind();
        KIND.store(kind as u32, Ordering::Relaxed);
        let lock = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
        let m = (c"m".as_ptr(), c"Max number of connections".as_ptr());
        pg_sys::add_int_reloption(kind, m.0, m.1, DEFAULT_M, 2, 100, lock);
        let ef =
            (c"ef_construction".as_ptr(), c"Size of the dynamic candidate list for construction".as_ptr());
        pg_sys::add_int_reloption(kind, ef.0, ef.1, DEFAULT_EF_CONSTRUCTION, 4, 1000, lock);
    }
}

/// `amoptions`: checks and stores the parameters.
#[pg_guard]
pub unsafe extern "C-unwind" fn amoptions(options: pg_sys::Datum, validate: bool) -> *mut pg_sys::bytea {
    let element = |name: &'static std::ffi::CStr, offset: usize| pg_sys::relopt_parse_elt {
        optname: name.as_ptr(),
        opttype: pg_sys::relopt_type::RELOPT_TYPE_INT,
        offset: offset as i32,
        #[cfg(feature = "pg18")]
        isset_offset: 0,
    };
    let elements = [
        element(c"m", offset_of!(Options, m)),
        element(c"ef_construction", offset_of!(Options, ef_construction)),
    ];
    // SAFETY: the table describes the struct whose size is given.
    unsafe {
        pg_sys::build_reloptions(
            options,
            validate,
            KIND.load(Ordering::Relaxed) as pg_sys::relopt_kind::Type,
            size_of::<Options>(),
            elements.as_ptr(),
            elements.len() as i32,
        )
        .cast()
    }
}

/// The parameters of an open index as its storage parameters have them.
///
/// # Safety
/// `relation` is an open index of this access method.
pub unsafe fn params(relation: pg_sys::Relation) -> Params {
    // SAFETY: `rd_options` is null or what `amoptions` made.
    let options = unsafe { (*relation).rd_options.cast::<Options>().as_ref() };
    let (m, ef_construction) =
        options.map_or((DEFAULT_M, DEFAULT_EF_CONSTRUCTION), |options| (options.m, options.ef_construction));
    Params { m: m as usize, ef_construction: ef_construction as usize }
}

#[cfg(not(feature = "pg14"))]
fn reserve_prefix() {
    // SAFETY: a NUL-terminated string; called while the library is loaded, as the function wants.
    unsafe { pg_sys::MarkGUCPrefixReserved(edition().c_method().as_ptr()) }
}

#[cfg(feature = "pg14")]
fn reserve_prefix() {
    // SAFETY: as in later versions.
    unsafe { pg_sys::EmitWarningsOnPlaceholders(edition().c_method().as_ptr()) }
}
