//! Virtual environments for what is written in Python.

use crate::process;
use crate::workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of the virtual environment of this name with these packages; made, or made anew, when the list has changed.
pub fn environment(name: &str, requirements: &Path) -> Result<PathBuf> {
    let dir = workspace::target_dir().join("quartzdb").join(name);
    let python = dir.join("bin/python");
    let wanted = fs::read_to_string(requirements)?;
    let note = dir.join("requirements.txt");
    let ready = fs::read_to_string(&note).is_ok_and(|noted| noted == wanted);
    if !ready || !process::succeeds(Command::new(&python).arg("--version")) {
        let shown = requirements.strip_prefix(workspace::root()).unwrap_or(requirements).display();
        println!("Installing the packages of {shown} into a virtual environment");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        process::output(Command::new("python3").args(["-m", "venv"]).arg(&dir))
            .context("could not make a virtual environment")?;
        process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))
            .with_context(|| format!("could not install the Python packages of {shown}"))?;
        fs::write(&note, wanted)?;
    }
    Ok(python)
}
