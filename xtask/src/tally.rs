//! Counting passed and failed tests from what the test programs print.

use crate::process;
use anyhow::{Context, Result, bail};
use std::fmt;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, Stdio};

/// Counted tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    passed: usize,
    failed: usize,
    left_out: bool,
}

impl Tally {
    /// Runs a test program, shows what it prints, counts; an error if it fails.
    pub fn watch(&mut self, command: &mut Command) -> Result<()> {
        let out = std::io::stdout();
        if out.is_terminal() {
            command.env("CARGO_TERM_COLOR", "always").env("PY_COLORS", "1");
        }
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("could not start `{}`", process::shown(command)))?;
        if let Some(pipe) = child.stdout.take() {
            for line in BufReader::new(pipe).split(b'\n') {
                let line = line?;
                out.lock().write_all(&[&line, b"\n".as_slice()].concat())?;
                self.read(&String::from_utf8_lossy(&line));
            }
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("`{}` failed ({status})", process::shown(command));
        }
        Ok(())
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Notes that the whole failed. It is one failure, unless it was single tests that failed.
    pub fn count_failure(&mut self) {
        self.failed = self.failed.max(1);
    }

    /// Notes that the whole was not run, for want of something that this machine cannot have.
    pub fn leave_out(&mut self) {
        self.left_out = true;
    }

    /// Whether the whole was not run.
    pub fn is_left_out(&self) -> bool {
        self.left_out
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.passed + self.failed == 0
    }

    /// Reads one line of output: cargo's `test result:`, pytest's last line, or pg_regress's verdict on a test, in its
    /// old form (`test vector ... ok`) or as TAP (`ok 1 - vector`, `not ok 2 - halfvec`).
    fn read(&mut self, line: &str) {
        let line = without_colours(line);
        let words: Vec<&str> = line.split([' ', ',', ';', '=']).filter(|word| !word.is_empty()).collect();
        let is_number = |word: &&str| word.parse::<usize>().is_ok();
        let is_pytest = || words.first().is_some_and(is_number) && line.contains(" in ") && words.len() > 1;
        if line.starts_with("test result:") || is_pytest() {
            for pair in words.windows(2) {
                let Ok(count) = pair[0].parse::<usize>() else { continue };
                match pair[1] {
                    "passed" => self.passed += count,
                    "failed" | "error" | "errors" => self.failed += count,
                    _ => {}
                }
            }
            return;
        }
        match words.as_slice() {
            ["ok", number, ..] if is_number(number) => self.passed += 1,
            ["not", "ok", number, ..] if is_number(number) => self.failed += 1,
            [.., _, "...", "ok", _, "ms"] => self.passed += 1,
            [.., _, "...", "FAILED", _, "ms"] => self.failed += 1,
            _ => {}
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find("\x1b[") {
        plain.push_str(&rest[..start]);
        let end = rest[start..].find('m').map_or(rest.len(), |end| start + end + 1);
        rest = &rest[end..];
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> (usize, usize) {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        (tally.passed, tally.failed)
    }

    #[test]
    fn cargo_is_counted_by_binary_and_not_by_test() {
        let output = "running 2 tests\n\
            test a::b ... ok\n\
            test a::c ... FAILED\n\
            test result: \x1b[31mFAILED\x1b[0m. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: ok. 7 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        assert_eq!(tally(output), (8, 1));
    }

    #[test]
    fn pytest_is_counted_by_its_last_line() {
        let output = "test_a.py ....F\n\
            FAILED test_a.py::test_x - assert 1 in (2, 3)\n\
            \x1b[31m======= \x1b[1m1 failed\x1b[0m, 4 passed, 2 skipped, 1 error in 0.12s ======\x1b[0m\n";
        assert_eq!(tally(output), (4, 2));
    }

    #[test]
    fn pg_regress_is_counted_in_both_its_forms() {
        let old = "test vector                       ... ok           12 ms\n\
            parallel group (2 tests):  vector_io vector_copy\n     \
                 vector_io                    ... ok           32 ms\n     \
                 vector_copy                  ... FAILED       10 ms\n";
        assert_eq!(tally(old), (2, 1));
        let tap = "# using postmaster on /tmp\n\
            ok 1         - vector                                     12 ms\n\
            not ok 2     - halfvec                                    10 ms\n1..2\n";
        assert_eq!(tally(tap), (1, 1));
    }
}
