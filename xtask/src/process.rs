//! Running other programs, with errors that say what was run and what it said.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the command with its output going to ours; an error if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs the command silently and returns what it printed; the error carries what it said on stderr.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("could not start `{}`", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let also = String::from_utf8_lossy(&output.stdout);
        bail!("`{}` failed ({}):\n{}{}", shown(command), output.status, also, said.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs the command silently; whether it succeeded. A program that is not there counts as failure.
pub fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The command as a person would type it.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

/// The word as a shell wants it.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The program of that name on `PATH`.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Removes from the command's environment what would change how PostgreSQL's programs behave: the caller's own `PG*`
/// settings, and the request for backtraces, which would put one into every ERROR's detail.
pub fn with_neutral_environment(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("PG") && !shown.starts_with("PGRX") || shown.starts_with("RUST_") {
            command.env_remove(&name);
        }
    }
    // `cargo run` points this at directories of the toolchain, which do not concern a server.
    command.env_remove("LD_LIBRARY_PATH").env("LC_MESSAGES", "C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_the_way_a_shell_reads_them() {
        let mut command = Command::new("psql");
        command.args(["-c", "SELECT 'it''s'", "", "a=b"]);
        assert_eq!(shown(&command), r"psql -c 'SELECT '\''it'\'''\''s'\''' '' a=b");
    }

    #[test]
    fn a_failing_command_tells_what_it_said() {
        let error = output(Command::new("sh").args(["-c", "echo oops >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("oops"), "{error}");
    }
}
