//! Who runs PostgreSQL's servers. PostgreSQL refuses to run as root, so root hands over to user `postgres`.

use crate::process;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where [`ServerUser::short_dir`] makes directories, whatever TMPDIR says: the path of a socket has 107 bytes.
const SHORT_PARENT: &str = "/tmp";
const SHORT_PREFIX: &str = "quartzdb-";

/// The operating-system user that owns data directories and runs servers.
#[derive(Clone, Debug)]
pub enum ServerUser {
    /// Ourselves: an ordinary user.
    Ourselves,
    /// We are root, so somebody else.
    Other {
        /// Name, as `runuser` wants it.
        name: String,
        /// Numeric user id.
        uid: u32,
        /// Numeric id of the user's main group.
        gid: u32,
    },
}

impl ServerUser {
    /// Ourselves, or user `postgres` if we are root. The `postgresql` packages create that user.
    pub fn choose() -> Result<Self> {
        if !is_root()? {
            return Ok(Self::Ourselves);
        }
        const NAME: &str = "postgres";
        let id = |what: &str| -> Result<u32> {
            let shown = process::output(Command::new("id").args([what, NAME])).context(
                "PostgreSQL's servers must not run as root, and there is no user postgres to run them; \
                 create one (useradd --system postgres) or work as an ordinary user",
            )?;
            shown.trim().parse().context("`id` printed no number")
        };
        Ok(Self::Other { name: NAME.to_owned(), uid: id("-u")?, gid: id("-g")? })
    }

    /// A command that will run as this user, with a neutral environment, in a directory the user can be in.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = match self {
            Self::Ourselves => Command::new(program.as_ref()),
            Self::Other { name, .. } => {
                let mut command = Command::new("runuser");
                command.args(["-u", name, "--"]).arg(program.as_ref());
                command
            }
        };
        process::with_neutral_environment(&mut command).current_dir("/");
        command
    }

    /// Whether this user can enter the directory.
    pub fn can_enter(&self, dir: &Path) -> Result<bool> {
        Ok(process::succeeds(self.command("test").arg("-d").arg(dir.join("."))))
    }

    /// Makes the file or directory this user's own.
    pub fn own(&self, path: &Path) -> Result<()> {
        if let Self::Other { uid, gid, name } = self {
            std::os::unix::fs::chown(path, Some(*uid), Some(*gid))
                .with_context(|| format!("could not give {} to user {name}", path.display()))?;
        }
        Ok(())
    }

    /// A new private directory of this user with a path short enough for a socket in it, to be removed by the caller.
    pub fn short_dir(&self) -> Result<PathBuf> {
        let dir = tempfile::Builder::new().prefix(SHORT_PREFIX).tempdir_in(SHORT_PARENT)?.keep();
        self.own(&dir)?;
        Ok(dir)
    }
}

/// Whether this is the path of a directory that [`ServerUser::short_dir`] may have made.
pub fn is_short_dir(path: &Path) -> bool {
    let named = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(SHORT_PREFIX);
    path.parent() == Some(Path::new(SHORT_PARENT)) && path.file_name().is_some_and(named)
}

/// Whether this process is root's.
pub fn is_root() -> Result<bool> {
    Ok(process::output(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Our own name, for programs which take it from the environment.
pub fn own_name() -> Result<String> {
    let name = process::output(Command::new("id").arg("-un"))?.trim().to_owned();
    if name.is_empty() {
        bail!("this user has no name; PostgreSQL needs one");
    }
    Ok(name)
}
