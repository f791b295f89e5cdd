//! Where things are: the checkout, cargo's target directory, and the directory xtask keeps its own things in.

use crate::process;
use crate::server_user::ServerUser;
use anyhow::{Context, Result, bail};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the checkout this xtask was built from.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Cargo's target directory: the one the running program lies in, whatever configuration put it there.
pub fn target_dir() -> PathBuf {
    let marked = |dir: &&Path| dir.join("CACHEDIR.TAG").is_file();
    match std::env::current_exe().ok().as_deref().and_then(|exe| exe.ancestors().find(marked)) {
        Some(dir) => dir.to_path_buf(),
        None => root().join("target"),
    }
}

/// The version in the extension's `Cargo.toml`, asked of cargo.
pub fn version() -> Result<String> {
    let id = process::output(cargo().args(["pkgid", "--package", "quartzdb"]))?;
    let version = id.trim().rsplit(['#', '@']).next().unwrap_or_default();
    Ok(version.to_owned())
}

/// A cargo command on this checkout which uses the same target directory as the running program.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).env("CARGO_TARGET_DIR", target_dir());
    cargo
}

/// The directory of private PostgreSQL copies, clusters and logs: `target/quartzdb`, unless PostgreSQL's servers run
/// as another user (we are root) and that user cannot reach the checkout; then a directory below `/var/tmp`.
pub fn state_dir(servers: &ServerUser) -> Result<PathBuf> {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    if let Some(dir) = DIR.get() {
        return Ok(dir.clone());
    }
    let near = target_dir().join("quartzdb");
    make_dir(&near)?;
    let dir = match servers {
        ServerUser::Other { name, .. } if !servers.can_enter(&near)? => {
            let dir = PathBuf::from(format!("/var/tmp/quartzdb-{:016x}", hash(&near)));
            make_own_dir(&dir)?;
            eprintln!(
                "User {name}, who runs the servers, cannot enter this checkout: private PostgreSQL and data go to {}",
                dir.display()
            );
            dir
        }
        _ => near,
    };
    Ok(DIR.get_or_init(|| dir).clone())
}

/// Creates a directory (and its parents) that others may enter, whatever the umask says.
pub fn make_dir(dir: &Path) -> Result<()> {
    let make = || -> std::io::Result<()> {
        if !dir.is_dir() {
            fs::create_dir_all(dir)?;
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    };
    make().with_context(|| format!("could not create the directory {}", dir.display()))
}

/// Creates a directory in a place where everyone may write, or makes sure that the one there is ours alone.
fn make_own_dir(dir: &Path) -> Result<()> {
    match fs::DirBuilder::new().mode(0o755).create(dir) {
        Ok(()) => {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
            return Ok(());
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e).with_context(|| format!("could not create {}", dir.display())),
    }
    let found = fs::symlink_metadata(dir)?;
    if !found.is_dir() || found.uid() != 0 || found.mode() & 0o022 != 0 {
        bail!("{} exists and is not root's alone; remove it, then try again", dir.display());
    }
    Ok(())
}

fn hash(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}
