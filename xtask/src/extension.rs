//! Building the extension and putting it where a PostgreSQL looks for extensions.
//!
//! pgrx leaves the SQL of everything declared in Rust in a section of the library; what `cargo pgrx` does with it is
//! little enough to be done here, and saves everyone eight minutes of compiling it.

use crate::postgres::Postgres;
use crate::process;
use crate::workspace;
use anyhow::{Context, Result, anyhow, bail};
use object::{Object, ObjectSection};
use pgrx_sql_entity_graph::{ControlFile, PgrxSql, SqlGraphEntity, section};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An extension this repository provides: `NAME.control` in its root, and the script that creates it.
struct Extension {
    name: &'static str,
    /// Files in `sql/`, which follow one another in the script.
    script: &'static [&'static str],
    /// Whether it is installed without being asked for.
    is_default: bool,
}

/// All extensions of this repository. They share one library.
const EXTENSIONS: [Extension; 2] = [
    Extension { name: "quartzdb", script: &["quartzdb.sql"], is_default: true },
    Extension { name: DROP_IN, script: &["drop-in.sql", "ivfflat.sql"], is_default: false },
];

/// The extension that goes by pgvector's name, so that what asks for pgvector gets us.
pub const DROP_IN: &str = "vector";

/// In a file of a script, the line in whose place comes the SQL of all that the Rust code declares.
const DECLARED: &str = "@DECLARED@";

/// The library's name, for `$libdir`.
const LIBRARY: &str = "quartzdb";

/// How to build the library.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Optimised, as users get it.
    pub release: bool,
    /// Cargo features besides the one of the PostgreSQL major.
    pub features: Vec<String>,
    /// Extensions besides those that are installed without being asked for.
    pub also: Vec<&'static str>,
}

/// The files of a built extension, ready to be installed.
#[derive(Debug)]
pub struct Built {
    library: PathBuf,
    /// File name and content of everything that belongs into `SHAREDIR/extension`.
    texts: Vec<(String, String)>,
}

/// Who writes the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// We may write there ourselves.
    Ourselves,
    /// The directories are root's.
    Sudo,
}

/// Compiles the library against this PostgreSQL and generates its SQL.
pub fn build(postgres: &Postgres, options: &Options) -> Result<Built> {
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--package", "quartzdb", "--lib", "--no-default-features"]);
    let features = [&[postgres.feature()], options.features.as_slice()].concat();
    cargo.args(["--features", &features.join(",")]);
    cargo.env("PGRX_PG_CONFIG_PATH", &postgres.pg_config);
    if options.release {
        cargo.arg("--release");
        let hint = if library(true).is_file() { "" } else { ": the first time this takes some minutes" };
        eprintln!("Building the extension, optimised{hint}");
    }
    process::run(&mut cargo).context("the extension does not build")?;

    let library = library(options.release);
    let texts = texts(&library, &options.also)?;
    Ok(Built { library, texts })
}

/// Where cargo puts the library.
fn library(release: bool) -> PathBuf {
    let profile = if release { "release" } else { "debug" };
    let file = format!("{}{LIBRARY}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    workspace::target_dir().join(profile).join(file)
}

/// Everything textual: control files, scripts, upgrade scripts.
fn texts(library: &Path, also: &[&str]) -> Result<Vec<(String, String)>> {
    let declared = declared_sql(library)?;
    let mut texts = Vec::new();
    for extension in EXTENSIONS.iter().filter(|found| found.is_default || also.contains(&found.name)) {
        let name = extension.name;
        let control = control(name)?;
        let version = version_in(&control).with_context(|| format!("{name}.control has no version"))?;
        texts.push((format!("{name}--{version}.sql"), script(extension, &declared)?));
        texts.push((format!("{name}.control"), control));
        texts.extend(upgrade_scripts(name)?);
    }
    Ok(texts)
}

/// An extension's control file.
fn control(name: &str) -> Result<String> {
    let path = workspace::root().join(format!("{name}.control"));
    let control = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    Ok(control.replace("@CARGO_VERSION@", &workspace::version()?))
}

/// What a control file says of `default_version`.
fn version_in(control: &str) -> Option<&str> {
    let lines = control.lines().filter_map(|line| line.split_once('='));
    let mut versions = lines.filter(|(key, _)| key.trim() == "default_version");
    versions.next().map(|(_, value)| value.trim().trim_matches('\''))
}

/// The script that creates an extension.
fn script(extension: &Extension, declared: &str) -> Result<String> {
    let mut script = String::new();
    for file in extension.script {
        let path = workspace::root().join("sql").join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
        for line in text.lines() {
            script.push_str(if line == DECLARED { declared } else { line });
            script.push('\n');
        }
    }
    Ok(script)
}

/// `sql/NAME--A--B.sql`, as they are.
fn upgrade_scripts(name: &str) -> Result<Vec<(String, String)>> {
    let dir = workspace::root().join("sql");
    let mut scripts = Vec::new();
    if !dir.is_dir() {
        return Ok(scripts);
    }
    for entry in fs::read_dir(&dir)? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let versions = file.strip_prefix(&format!("{name}--")).and_then(|rest| rest.strip_suffix(".sql"));
        if versions.is_some_and(|versions| versions.contains("--")) {
            scripts.push((file, fs::read_to_string(&path)?));
        }
    }
    Ok(scripts)
}

/// The SQL of everything the library declares, in an order in which it can be created.
fn declared_sql(library: &Path) -> Result<String> {
    let shown = library.display();
    let bytes = fs::read(library).with_context(|| format!("could not read {shown}"))?;
    let file = object::File::parse(bytes.as_slice()).with_context(|| format!("could not read {shown}"))?;
    let mut sections = file.sections();
    let schema = sections
        .find(|found| found.name().is_ok_and(section::is_schema_section_name))
        .with_context(|| format!("{shown} has no section {}: was it stripped?", section::ELF_SECTION_NAME))?;
    let declared = section::decode_entities(schema.data()?).map_err(|e| anyhow!("{e:#}"))?;

    // pgrx wants to see a control file, with a line that PostgreSQL takes for granted.
    let control = format!("{}\nsuperuser = true\n", control(LIBRARY)?);
    let root = ControlFile::from_str(&control).context("the control file is incomplete")?;
    let entities = std::iter::once(SqlGraphEntity::ExtensionRoot(root)).chain(declared);
    PgrxSql::build(entities, LIBRARY.to_owned(), false)
        .and_then(|sql| sql.to_sql())
        .map_err(|e| anyhow!("could not put the extension's SQL in order: {e:#}"))
}

/// Whether the control file of our extension of that name is in this PostgreSQL.
pub fn is_installed(postgres: &Postgres, name: &str) -> bool {
    let control = postgres.sharedir.join(format!("extension/{name}.control"));
    fs::read_to_string(control).is_ok_and(|control| is_ours(&control))
}

/// Whether a control file or script is one of ours: it says so.
pub fn is_ours(text: &str) -> bool {
    text.to_ascii_lowercase().contains(LIBRARY)
}

/// Puts the files where this PostgreSQL looks for them and returns their paths.
///
/// Each is written beside its place and renamed into it: a server that has the old library mapped keeps it.
pub fn install(built: &Built, postgres: &Postgres, writer: Writer) -> Result<Vec<PathBuf>> {
    let staging = tempfile::tempdir()?;
    let extension_dir = postgres.sharedir.join("extension");
    let mut installed = Vec::new();
    // The library first: scripts may name functions which only the new one has.
    put(&built.library, &postgres.library(LIBRARY), 0o755, writer, &mut installed)?;
    for (name, text) in &built.texts {
        let staged = staging.path().join(name);
        fs::write(&staged, text)?;
        put(&staged, &extension_dir.join(name), 0o644, writer, &mut installed)?;
    }
    Ok(installed)
}

fn put(from: &Path, to: &Path, mode: u32, writer: Writer, installed: &mut Vec<PathBuf>) -> Result<()> {
    let beside = to.with_file_name(format!(".{}.new", to.file_name().unwrap_or_default().to_string_lossy()));
    let done = match writer {
        Writer::Ourselves => fs::copy(from, &beside)
            .and_then(|_| fs::set_permissions(&beside, fs::Permissions::from_mode(mode)))
            .and_then(|()| fs::rename(&beside, to))
            .map_err(Into::into),
        Writer::Sudo => {
            let mode = format!("{mode:o}");
            process::run(Command::new("sudo").args(["install", "-m", &mode]).arg(from).arg(&beside))
                .and_then(|()| process::run(Command::new("sudo").args(["mv", "-f"]).arg(&beside).arg(to)))
        }
    };
    done.with_context(|| format!("could not write {}", to.display()))?;
    installed.push(to.to_owned());
    Ok(())
}

/// Who has to write the files of this PostgreSQL; an error if nobody here can.
pub fn writer_for(postgres: &Postgres) -> Result<Writer> {
    let writable = |dir: &Path| tempfile::tempfile_in(dir).is_ok();
    if writable(&postgres.pkglibdir) && writable(&postgres.sharedir.join("extension")) {
        return Ok(Writer::Ourselves);
    }
    if process::on_path("sudo").is_none() {
        bail!(
            "{} is not ours to write, and there is no sudo: run this as root or as the owner of that directory",
            postgres.pkglibdir.display()
        );
    }
    Ok(Writer::Sudo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_extension_has_a_control_file_with_a_version_and_the_files_of_its_script() {
        for extension in &EXTENSIONS {
            let control = control(extension.name).unwrap();
            assert!(version_in(&control).is_some_and(|version| !version.contains('@')), "{}", extension.name);
            assert!(control.contains(&format!("$libdir/{LIBRARY}")), "{}", extension.name);
            let script = script(extension, "CREATE EVERYTHING;").unwrap();
            assert!(script.contains("\nCREATE EVERYTHING;\n"), "{}", extension.name);
        }
    }

    #[test]
    fn a_version_is_read_as_postgres_reads_it() {
        assert_eq!(version_in("comment = 'x'\ndefault_version = '1.2.3'\n"), Some("1.2.3"));
        assert_eq!(version_in("default_version='0.8.7'"), Some("0.8.7"));
        assert_eq!(version_in("comment = 'default_version'"), None);
    }
}
