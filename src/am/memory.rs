//! PostgreSQL's limits of memory.

use pgrx::pg_sys;

/// `work_mem` in bytes.
pub fn work_mem() -> usize {
    // SAFETY: a setting, read in the session's only thread.
    (unsafe { pg_sys::work_mem }).max(0) as usize * 1024
}

/// `maintenance_work_mem` in bytes.
pub fn maintenance_work_mem() -> usize {
    // SAFETY: a setting, read in the session's only thread.
    (unsafe { pg_sys::maintenance_work_mem }).max(0) as usize * 1024
}
