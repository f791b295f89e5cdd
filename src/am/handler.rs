//! What PostgreSQL asks an access method first: what it can do, and which functions do it.

use super::{build, cost, insert, options, scan, vacuum};
use pgrx::{pg_guard, pg_sys};

/// `hnswhandler(internal)`.
///
/// # Safety
/// To be called by Postgres's function manager.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn hnswhandler_wrapper(_call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: palloc0 gives zeroed memory of that size, and all fields may be zero.
    let routine: *mut pg_sys::IndexAmRoutine =
        unsafe { pg_sys::palloc0(size_of::<pg_sys::IndexAmRoutine>()).cast() };
    // SAFETY: just allocated.
    unsafe { *routine = routine_of() };
    pg_sys::Datum::from(routine)
}

/// Tells the function manager that the function follows the V1 convention.
#[unsafe(no_mangle)]
#[doc(hidden)]
pub extern "C" fn pg_finfo_hnswhandler_wrapper() -> &'static pg_sys::Pg_finfo_record {
    const V1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &V1
}

fn routine_of() -> pg_sys::IndexAmRoutine {
    pg_sys::IndexAmRoutine {
        type_: pg_sys::NodeTag::T_IndexAmRoutine,
        amsupport: 3,
        amcanorderbyop: true,
        amoptionalkey: true,
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        amcanbuildparallel: true,
        amparallelvacuumoptions: pg_sys::VACUUM_OPTION_PARALLEL_BULKDEL as u8,
        amkeytype: pg_sys::InvalidOid,
        ambuild: Some(build::ambuild),
        ambuildempty: Some(build::ambuildempty),
        aminsert: Some(insert::aminsert),
        ambulkdelete: Some(vacuum::ambulkdelete),
        amvacuumcleanup: Some(vacuum::amvacuumcleanup),
        amcostestimate: Some(cost::amcostestimate),
        amoptions: Some(options::amoptions),
        ambuildphasename: Some(build::ambuildphasename),
        amvalidate: Some(amvalidate),
        ambeginscan: Some(scan::ambeginscan),
        amrescan: Some(scan::amrescan),
        amgettuple: Some(scan::amgettuple),
        amendscan: Some(scan::amendscan),
        ..Default::default()
    }
}

/// Operator classes are checked when an index is built, where the error can name the index.
#[pg_guard]
unsafe extern "C-unwind" fn amvalidate(_class: pg_sys::Oid) -> bool {
    true
}
