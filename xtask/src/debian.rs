//! A PostgreSQL with pgvector from a newer Debian release, unpacked privately: nothing is installed, and apt's own
//! lists stay as they are.
//!
//! The programs bring their release's C library with them, so they are pointed at it (by patchelf) and run on any
//! release of the same architecture.

use crate::process;
use crate::testing;
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release, and the PostgreSQL it has.
const RELEASE: &str = "forky";
const MAJOR: u16 = 18;
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Packages that others depend on, but a server of ours does without: compilers for JIT, tools of the installation.
const NOT_UNPACKED: [&str; 8] = ["perl", "libperl", "debconf", "dpkg", "ucf", "libllvm", "libz3", "ssl-cert"];

/// The `pg_config` of the unpacked PostgreSQL, downloaded if this is the first time. It takes what `Needs::unpacking` brings.
pub fn pg_config(state: &Path) -> Result<PathBuf> {
    // A benchmark and tests at once would unpack into the same place.
    let _alone = testing::locked(&state.join("unpacking.lock"))?;
    let dir = state.join(format!("debian-{RELEASE}-{MAJOR}"));
    let bin = dir.join(format!("root/usr/lib/postgresql/{MAJOR}/bin"));
    let done = dir.join("done");
    if !done.is_file() {
        println!(
            "Downloading PostgreSQL {MAJOR} with pgvector from Debian {RELEASE} (about 70 MB), to run it privately"
        );
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        workspace::make_dir(&dir)?;
        let made = Archive::new(&dir).and_then(|archive| archive.unpack(&dir.join("root")));
        made.and_then(|()| adapt(&dir.join("root"), &bin))
            .context("there is no server with pgvector; name one that has it with --pg-config PATH")?;
        fs::remove_dir_all(dir.join("apt"))?;
        fs::write(&done, "")?;
    }
    Ok(bin.join("pg_config"))
}

/// apt with a state of its own, that knows the one release.
struct Archive {
    apt: PathBuf,
    options: Vec<OsString>,
}

impl Archive {
    fn new(dir: &Path) -> Result<Self> {
        let apt = dir.join("apt");
        for part in ["lists/partial", "archives/partial"] {
            workspace::make_dir(&apt.join(part))?;
        }
        fs::write(apt.join("status"), "")?;
        let source = format!("deb [signed-by={KEYRING}] {} {RELEASE} main\n", mirror()?);
        fs::write(apt.join("sources.list"), source)?;
        let paths = [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State", ""),
            ("Dir::State::status", "status"),
            ("Dir::State::lists", "lists"),
            ("Dir::Cache", ""),
            ("Dir::Cache::archives", "archives"),
        ];
        let mut options: Vec<OsString> = ["-q", "-y"].map(OsString::from).to_vec();
        let values = paths.map(|(name, path)| format!("{name}={}", apt.join(path).display()));
        let others = [
            "Dir::Etc::sourceparts=/dev/null",
            "Dir::Etc::preferencesparts=/dev/null",
            "Debug::NoLocking=1",
            "Acquire::Languages=none",
            "APT::Install-Recommends=0",
            // As root, apt would download as a user who cannot write here.
            "APT::Sandbox::User=root",
        ];
        for option in values.into_iter().chain(others.map(str::to_owned)) {
            options.extend(["-o".into(), option.into()]);
        }
        Ok(Self { apt, options })
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.args(&self.options).current_dir(self.apt.join("archives"));
        command
    }

    /// Downloads and unpacks server, pgvector, headers, and the libraries they need.
    fn unpack(&self, root: &Path) -> Result<()> {
        process::output(self.apt_get().arg("update"))?;
        let (server, pgvector) = (format!("postgresql-{MAJOR}"), format!("postgresql-{MAJOR}-pgvector"));
        process::output(self.apt_get().args(["--download-only", "install", &server, &pgvector]))?;
        process::output(self.apt_get().args(["download", &format!("postgresql-server-dev-{MAJOR}")]))?;
        workspace::make_dir(root)?;
        for entry in fs::read_dir(self.apt.join("archives"))? {
            let package = entry?.path();
            let name = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_wanted = !NOT_UNPACKED.iter().any(|unwanted| name.starts_with(unwanted));
            if is_wanted && package.extension().is_some_and(|extension| extension == "deb") {
                process::output(Command::new("dpkg").arg("-x").arg(&package).arg(root))?;
            }
        }
        Ok(())
    }
}

/// The Debian mirror this machine uses.
fn mirror() -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI) $(ORIGIN)", "Created-By: Packages"]);
    let shown = process::output(&mut targets).context("this is no Debian with apt")?;
    let mirrors = shown.lines().filter_map(|line| line.split_whitespace().next());
    match mirrors.filter(|uri| !uri.contains("security")).find(|uri| uri.contains("debian")) {
        Some(uri) if Path::new(KEYRING).is_file() => Ok(uri.to_owned()),
        _ => bail!("this machine's packages are not Debian's"),
    }
}

/// Points the programs at the C library they came with, and lets everyone enter.
fn adapt(root: &Path, bin: &Path) -> Result<()> {
    let multiarch = process::output(Command::new("cc").arg("-print-multiarch"))?;
    let libraries = root.join("usr/lib").join(multiarch.trim());
    let files = fs::read_dir(&libraries).with_context(|| format!("no {}", libraries.display()))?;
    let loader = files
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux")))
        .context("no dynamic loader among the packages")?;
    for entry in fs::read_dir(bin)? {
        let program = entry?.path();
        if is_elf(&program)? {
            let mut patchelf = Command::new("patchelf");
            patchelf.arg("--set-interpreter").arg(&loader).args(["--force-rpath", "--set-rpath"]);
            process::output(patchelf.arg(&libraries).arg(&program))?;
        }
    }
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn is_elf(path: &Path) -> Result<bool> {
    let mut magic = [0; 4];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    Ok(read.is_ok() && magic == *b"\x7fELF")
}
