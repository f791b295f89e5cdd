//! The real pgvector, whose place the drop-in takes.

use crate::extension::{self, DROP_IN};
use crate::postgres::Postgres;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

/// The files by which this PostgreSQL has pgvector: its library, and what bears its name and is not ours.
pub fn files(postgres: &Postgres) -> Result<Vec<PathBuf>> {
    let library = postgres.library(DROP_IN);
    let mut files: Vec<_> = library.is_file().then_some(library).into_iter().collect();
    let dir = postgres.sharedir.join("extension");
    for entry in fs::read_dir(&dir).with_context(|| format!("could not read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let script =
            name.strip_prefix(DROP_IN).is_some_and(|rest| rest.starts_with("--") && rest.ends_with(".sql"));
        if script || name == format!("{DROP_IN}.control") {
            let text = fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
            if !extension::is_ours(&String::from_utf8_lossy(&text)) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// An error if pgvector is there: the drop-in would overwrite part of it.
pub fn refuse(postgres: &Postgres) -> Result<()> {
    let files = files(postgres)?;
    let Some(first) = files.first() else { return Ok(()) };
    let rest = if files.len() > 1 { format!(" and {} more", files.len() - 1) } else { String::new() };
    bail!(
        "pgvector is installed in {} ({}{rest}), and QuartzDB does not overwrite it\n\
         hint: To use QuartzDB's index in databases that have pgvector, install without --drop-in and CREATE \
         EXTENSION quartzdb_pgvector.\n\
         hint: To replace pgvector, dump those databases, drop extension vector in each, uninstall pgvector \
         (apt-get remove postgresql-{}-pgvector), install with --drop-in, and restore: docs/migrating.md",
        postgres.version,
        first.display(),
        postgres.major
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An installation of which no more than its directories exists.
    fn empty(dir: &std::path::Path) -> Postgres {
        let postgres = Postgres::of_directories(dir);
        fs::create_dir_all(&postgres.pkglibdir).unwrap();
        fs::create_dir_all(postgres.sharedir.join("extension")).unwrap();
        postgres
    }

    #[test]
    fn pgvector_is_found_by_its_library_and_by_each_of_its_texts() {
        let dir = tempfile::tempdir().unwrap();
        let postgres = empty(dir.path());
        let extension = postgres.sharedir.join("extension");
        assert!(refuse(&postgres).is_ok());
        for (path, text) in [
            (postgres.library("vector"), "ELF"),
            (extension.join("vector.control"), "module_pathname = '$libdir/vector'"),
            (extension.join("vector--0.8.7.sql"), "CREATE TYPE vector;"),
            (extension.join("vector--0.8.6--0.8.7.sql"), "COMMENT"),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(files(&postgres).unwrap(), std::slice::from_ref(&path));
            let refusal = format!("{:#}", refuse(&postgres).unwrap_err());
            assert!(refusal.contains(&path.display().to_string()), "{refusal}");
            assert!(refusal.contains("quartzdb_pgvector") && refusal.contains("dump"), "{refusal}");
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn neither_our_own_files_nor_other_extensions_are_taken_for_pgvector() {
        let dir = tempfile::tempdir().unwrap();
        let postgres = empty(dir.path());
        let extension = postgres.sharedir.join("extension");
        fs::write(extension.join("vector.control"), "module_pathname = '$libdir/quartzdb'").unwrap();
        fs::write(extension.join("vector--0.8.7.sql"), "-- QuartzDB by pgvector's name").unwrap();
        fs::write(extension.join("vectorscale.control"), "").unwrap();
        fs::write(extension.join("vectorscale--0.8.0.sql"), "").unwrap();
        fs::write(postgres.library("vectorscale"), "").unwrap();
        assert_eq!(files(&postgres).unwrap(), Vec::<PathBuf>::new());
        assert!(extension::is_installed(&postgres, DROP_IN));
    }
}
