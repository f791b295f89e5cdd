//! The access methods by which an index is asked for. All make the same graph.

use crate::edition::edition;
use std::ffi::CStr;

/// What stands after `USING`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Hnsw,
    /// pgvector's inverted lists. The graph has the default parameters, and a scan goes about as far as one of lists would.
    Ivfflat,
    /// What hnsw is called beside pgvector, which has one of its own.
    Quartz,
}

impl Method {
    /// Those of the extension for which the library was loaded.
    pub fn all() -> &'static [Self] {
        edition().choose(&[Self::Hnsw, Self::Ivfflat], &[Self::Quartz])
    }

    /// The one whose parameters are the graph's.
    pub fn of_graph() -> Self {
        edition().choose(Self::Hnsw, Self::Quartz)
    }

    pub const fn name(self) -> &'static CStr {
        match self {
            Self::Hnsw => c"hnsw",
            Self::Ivfflat => c"ivfflat",
            Self::Quartz => c"quartz",
        }
    }

    /// The highest number of a support function, as with pgvector. It tells the methods of one extension apart.
    pub const fn support_functions(self) -> u16 {
        match self {
            Self::Hnsw | Self::Quartz => 3,
            Self::Ivfflat => 5,
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name().to_string_lossy())
    }
}

/// How many of `rows` lie in `probes` of `lists`, if these are of equal length.
pub fn rows_in_lists(rows: f64, probes: i32, lists: i32) -> u64 {
    if probes >= lists { u64::MAX } else { (rows * f64::from(probes) / f64::from(lists)).ceil() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_differ_in_what_tells_them_apart() {
        let [one, other] = [Method::Hnsw, Method::Ivfflat].map(Method::support_functions);
        assert_ne!(one, other);
        assert_eq!(Method::all(), [Method::Hnsw, Method::Ivfflat]);
        assert_ne!(Method::Hnsw.to_string(), Method::Ivfflat.to_string());
    }

    #[test]
    fn a_scan_of_all_lists_has_no_end_and_one_of_some_lists_their_share() {
        assert_eq!(rows_in_lists(100_000.0, 1, 100), 1000);
        assert_eq!(rows_in_lists(100_001.0, 10, 100), 10_001);
        assert_eq!(rows_in_lists(0.0, 1, 100), 0);
        assert_eq!(rows_in_lists(7.0, 100, 100), u64::MAX);
        assert_eq!(rows_in_lists(7.0, 32768, 1), u64::MAX);
    }
}
