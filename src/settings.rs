//! Settings, with pgvector's ranges, defaults, descriptions and, but for the prefix beside pgvector, names; and one of ours.

use crate::edition::{Edition, edition};
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};

/// Whether a scan goes on when its first candidates are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PostgresGucEnum)]
#[allow(non_camel_case_types)] // the names are what the user writes
pub enum IterativeScan {
    off,
    relaxed_order,
    strict_order,
}

/// The same for indexes asked for as `ivfflat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PostgresGucEnum)]
#[allow(non_camel_case_types)] // as above
pub enum ListScan {
    off,
    relaxed_order,
}

/// Width of a scan's beam.
pub static EF_SEARCH: GucSetting<i32> = GucSetting::<i32>::new(40);
/// Whether and how a scan goes on.
pub static ITERATIVE_SCAN: GucSetting<IterativeScan> = GucSetting::<IterativeScan>::new(IterativeScan::off);
/// Nodes an iterative scan visits at the most.
pub static MAX_SCAN_TUPLES: GucSetting<i32> = GucSetting::<i32>::new(20_000);
/// Memory of an iterative scan, in multiples of `work_mem`.
pub static SCAN_MEM_MULTIPLIER: GucSetting<f64> = GucSetting::<f64>::new(1.0);
/// Whether plans compute no distances that only sort.
pub static SKIP_UNREAD_DISTANCES: GucSetting<bool> = GucSetting::<bool>::new(true);
/// Lists that a scan of an `ivfflat` index is to be worth.
pub static PROBES: GucSetting<i32> = GucSetting::<i32>::new(1);
/// Whether such a scan goes on.
pub static LIST_SCAN: GucSetting<ListScan> = GucSetting::<ListScan>::new(ListScan::off);
/// Lists that it is then to be worth at the most.
pub static MAX_PROBES: GucSetting<i32> = GucSetting::<i32>::new(MOST_LISTS);

/// The most lists an `ivfflat` index can be asked to have.
pub const MOST_LISTS: i32 = 32768;

/// Declares the settings; called once, when the library is loaded.
pub fn define() {
    let edition = edition();
    GucRegistry::define_int_guc(
        edition.choose(c"hnsw.ef_search", c"quartz.ef_search"),
        c"Sets the size of the dynamic candidate list for search",
        c"Valid range is 1..1000.",
        &EF_SEARCH,
        1,
        1000,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        edition.choose(c"hnsw.iterative_scan", c"quartz.iterative_scan"),
        c"Sets the mode for iterative scans",
        c"",
        &ITERATIVE_SCAN,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        edition.choose(c"hnsw.max_scan_tuples", c"quartz.max_scan_tuples"),
        c"Sets the max number of tuples to visit for iterative scans",
        c"",
        &MAX_SCAN_TUPLES,
        1,
        i32::MAX,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_float_guc(
        edition.choose(c"hnsw.scan_mem_multiplier", c"quartz.scan_mem_multiplier"),
        c"Sets the multiple of work_mem to use for iterative scans",
        c"",
        &SCAN_MEM_MULTIPLIER,
        1.0,
        1000.0,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        edition.choose(c"quartzdb.skip_unread_distances", c"quartz.skip_unread_distances"),
        c"Leaves distances out of plans that only order the rows of an index scan",
        c"Rows come in order from the index, so that nothing needs them.",
        &SKIP_UNREAD_DISTANCES,
        GucContext::Userset,
        GucFlags::default(),
    );
    if edition == Edition::Own {
        define_of_lists();
    }
}

/// Those of `ivfflat`.
fn define_of_lists() {
    GucRegistry::define_int_guc(
        c"ivfflat.probes",
        c"Sets the number of probes",
        c"Valid range is 1..lists.",
        &PROBES,
        1,
        MOST_LISTS,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"ivfflat.iterative_scan",
        c"Sets the mode for iterative scans",
        c"",
        &LIST_SCAN,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"ivfflat.max_probes",
        c"Sets the max number of probes for iterative scans",
        c"",
        &MAX_PROBES,
        1,
        MOST_LISTS,
        GucContext::Userset,
        GucFlags::default(),
    );
}
