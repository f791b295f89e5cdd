//! For which extension the library was loaded. Its file is installed under two names, one of each.
//!
//! Where pgvector's library is loaded too, settings named `hnsw.` are pgvector's, and to define one a second time is an error.
//! Which library comes first cannot be known, so what is defined may not depend on what is there: it depends on the file.

use std::ffi::{CStr, OsStr, c_void};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

/// An extension that the library serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// One with types of ours and the access method `hnsw`.
    Own,
    /// `quartzdb_pgvector`: the access method `quartz` on pgvector's types.
    BesidePgvector,
}

/// The file's name, without its ending, for the extension beside pgvector.
const BESIDE_PGVECTOR: &str = "quartzdb_pgvector";

impl Edition {
    /// The one of a library file.
    fn of_file(path: &Path) -> Self {
        match path.file_stem() == Some(OsStr::new(BESIDE_PGVECTOR)) {
            true => Self::BesidePgvector,
            false => Self::Own,
        }
    }

    /// Of two things, this edition's.
    pub fn choose<T>(self, own: T, beside_pgvector: T) -> T {
        match self {
            Self::Own => own,
            Self::BesidePgvector => beside_pgvector,
        }
    }
}

/// The edition of this copy of the library. A process may hold both, each with variables of its own.
pub fn edition() -> Edition {
    static EDITION: OnceLock<Edition> = OnceLock::new();
    *EDITION.get_or_init(|| own_file().map_or(Edition::Own, Edition::of_file))
}

/// The file from which the loader mapped this code.
fn own_file() -> Option<&'static Path> {
    static HERE: u8 = 0;
    let here: *const c_void = (&raw const HERE).cast();
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `dladdr` takes any address and fills the structure if it knows it. The name belongs to the loader, which keeps it
    // as long as the library is loaded: PostgreSQL never unloads one.
    let name = unsafe {
        if libc::dladdr(here, info.as_mut_ptr()) == 0 {
            return None;
        }
        let name = info.assume_init().dli_fname;
        if name.is_null() {
            return None;
        }
        CStr::from_ptr(name)
    };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_tells_the_edition() {
        for (file, edition) in [
            ("/usr/lib/postgresql/18/lib/quartzdb_pgvector.so", Edition::BesidePgvector),
            ("/opt/quartzdb_pgvector.dylib", Edition::BesidePgvector),
            ("/usr/lib/postgresql/18/lib/quartzdb.so", Edition::Own),
            ("/usr/lib/quartzdb_pgvector/vector.so", Edition::Own),
        ] {
            assert_eq!(Edition::of_file(Path::new(file)), edition, "{file}");
        }
        assert_eq!(edition(), Edition::Own);
        assert!(own_file().is_some_and(Path::is_file), "the loader knows the test program's file");
    }
}
