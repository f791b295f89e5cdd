//! Storage parameters: `m` and `ef_construction` of `hnsw`, `lists` of `ivfflat`.

use super::method::Method;
use crate::hnsw::Params;
use crate::settings::MOST_LISTS;
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, Ordering};

const DEFAULT_M: i32 = 16;
const DEFAULT_EF_CONSTRUCTION: i32 = 64;
const DEFAULT_LISTS: i32 = 100;

/// What PostgreSQL makes of `WITH (...)` for `hnsw`.
#[repr(C)]
struct Options {
    varlena: i32,
    m: i32,
    ef_construction: i32,
}

/// The same for `ivfflat`.
#[repr(C)]
struct ListOptions {
    varlena: i32,
    lists: i32,
}

static KIND: AtomicU32 = AtomicU32::new(0);
static LIST_KIND: AtomicU32 = AtomicU32::new(0);

/// Declares the storage parameters, and that settings named `hnsw.` and `ivfflat.` are ours, after they were declared. Called
/// once, when the library is loaded.
pub fn define() {
    Method::ALL.iter().for_each(|method| reserve_prefix(method.name()));
    // SAFETY: NUL-terminated strings; called once per process.
    unsafe {
        let lock = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
        let kind = pg_sys::add_reloption_kind();
        KIND.store(kind as u32, Ordering::Relaxed);
        let m = (c"m".as_ptr(), c"Max number of connections".as_ptr());
        pg_sys::add_int_reloption(kind, m.0, m.1, DEFAULT_M, 2, 100, lock);
        let ef =
            (c"ef_construction".as_ptr(), c"Size of the dynamic candidate list for construction".as_ptr());
        pg_sys::add_int_reloption(kind, ef.0, ef.1, DEFAULT_EF_CONSTRUCTION, 4, 1000, lock);
        let kind = pg_sys::add_reloption_kind();
        LIST_KIND.store(kind as u32, Ordering::Relaxed);
        let lists = (c"lists".as_ptr(), c"Number of inverted lists".as_ptr());
        pg_sys::add_int_reloption(kind, lists.0, lists.1, DEFAULT_LISTS, 1, MOST_LISTS, lock);
    }
}

/// `amoptions` of `hnsw`: checks and stores the parameters.
#[pg_guard]
pub unsafe extern "C-unwind" fn amoptions(options: pg_sys::Datum, validate: bool) -> *mut pg_sys::bytea {
    let elements = [
        element(c"m", offset_of!(Options, m)),
        element(c"ef_construction", offset_of!(Options, ef_construction)),
    ];
    // SAFETY: the table describes the struct.
    unsafe { parse::<Options>(options, validate, &KIND, &elements) }
}

/// `amoptions` of `ivfflat`.
#[pg_guard]
pub unsafe extern "C-unwind" fn list_amoptions(options: pg_sys::Datum, validate: bool) -> *mut pg_sys::bytea {
    // SAFETY: the table describes the struct.
    unsafe {
        parse::<ListOptions>(
            options,
            validate,
            &LIST_KIND,
            &[element(c"lists", offset_of!(ListOptions, lists))],
        )
    }
}

/// An integer parameter, and where it goes.
fn element(name: &'static CStr, offset: usize) -> pg_sys::relopt_parse_elt {
    pg_sys::relopt_parse_elt {
        optname: name.as_ptr(),
        opttype: pg_sys::relopt_type::RELOPT_TYPE_INT,
        offset: offset as i32,
        #[cfg(feature = "pg18")]
        isset_offset: 0,
    }
}

/// # Safety
/// `elements` are fields of `T`, which begins like a varlena, and of the parameters that belong to `kind`.
unsafe fn parse<T>(
    options: pg_sys::Datum,
    validate: bool,
    kind: &AtomicU32,
    elements: &[pg_sys::relopt_parse_elt],
) -> *mut pg_sys::bytea {
    let kind = kind.load(Ordering::Relaxed) as pg_sys::relopt_kind::Type;
    let (table, count) = (elements.as_ptr(), elements.len() as i32);
    // SAFETY: passed on to the caller.
    unsafe { pg_sys::build_reloptions(options, validate, kind, size_of::<T>(), table, count).cast() }
}

/// The parameters of the graph of an open index, as its storage parameters have them.
///
/// # Safety
/// `relation` is an open index of `method`.
pub unsafe fn params(relation: pg_sys::Relation, method: Method) -> Params {
    let options = match method {
        // SAFETY: `rd_options` is null or what `amoptions` made.
        Method::Hnsw => unsafe { (*relation).rd_options.cast::<Options>().as_ref() },
        Method::Ivfflat => None,
    };
    let (m, ef_construction) =
        options.map_or((DEFAULT_M, DEFAULT_EF_CONSTRUCTION), |options| (options.m, options.ef_construction));
    Params { m: m as usize, ef_construction: ef_construction as usize }
}

/// The number of lists that an open index was asked to have.
///
/// # Safety
/// `relation` is an open index of [`Method::Ivfflat`].
pub unsafe fn lists(relation: pg_sys::Relation) -> i32 {
    // SAFETY: `rd_options` is null or what `list_amoptions` made.
    let options = unsafe { (*relation).rd_options.cast::<ListOptions>().as_ref() };
    options.map_or(DEFAULT_LISTS, |options| options.lists)
}

#[cfg(not(feature = "pg14"))]
fn reserve_prefix(prefix: &CStr) {
    // SAFETY: a NUL-terminated string; called while the library is loaded, as the function wants.
    unsafe { pg_sys::MarkGUCPrefixReserved(prefix.as_ptr()) }
}

#[cfg(feature = "pg14")]
fn reserve_prefix(prefix: &CStr) {
    // SAFETY: as in later versions.
    unsafe { pg_sys::EmitWarningsOnPlaceholders(prefix.as_ptr()) }
}
