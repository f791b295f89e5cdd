//! Errors for the person at the other end: SQLSTATE, a message that names the offending value, detail and hint.
//!
//! Pure layers return their own error types; the layer that knows Postgres turns them into an [`ErrorReport`] and
//! raises it here. Message style is Postgres's: primary message lower-case without a full stop, detail and hint are
//! sentences.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

/// A report with a primary message; detail and hint are added by the report's own setters.
pub fn report(sqlstate: PgSqlErrorCode, message: impl Into<String>) -> ErrorReport {
    ErrorReport::new(sqlstate, message.into(), "")
}

/// Ends the current statement with `report`. Rust values are dropped on the way out.
#[cold]
#[inline(never)]
pub fn raise(report: ErrorReport) -> ! {
    report.report(PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

/// [`raise`] with only a SQLSTATE and a message.
#[cold]
#[inline(never)]
pub fn raise_message(sqlstate: PgSqlErrorCode, message: impl Into<String>) -> ! {
    raise(report(sqlstate, message))
}
