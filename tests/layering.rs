//! Fences that no compiler watches: which folders may know PostgreSQL, and which files may hold `unsafe`.

#![allow(clippy::expect_used)] // a test

use std::fs;
use std::path::{Path, PathBuf};

/// Folders and files that know nothing of PostgreSQL.
const PURE: &[&str] = &["kernels", "metric.rs", "quantizer", "hnsw", "storage", "types/text"];

/// What in a pure folder does know PostgreSQL.
const NOT_PURE: &[&str] = &["storage/buffers.rs"];

/// The only files with `unsafe`, outside tests: where bytes become values, SIMD, PostgreSQL's interface, and a question to the loader.
const UNSAFE: &[&str] = &[
    "kernels/mod.rs",
    "kernels/huge.rs",
    "kernels/prefetch.rs",
    "kernels/avx2.rs",
    "kernels/avx512.rs",
    "edition.rs",
    "types/varlena",
    "types/array.rs",
    "types/fmgr.rs",
    "storage/buffers.rs",
    "am/column.rs",
    "am/handler.rs",
    "am/heap.rs",
    "am/index.rs",
    "am/memory.rs",
    "am/options.rs",
    "am/plan.rs",
    "am/cost.rs",
];

fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 30, "the sources were found");
    let relative =
        |path: &PathBuf| path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
    files.iter().map(|path| (relative(path), fs::read_to_string(path).expect("UTF-8"))).collect()
}

/// The text without its comments and without a test module at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_among(file: &str, list: &[&str]) -> bool {
    list.iter().any(|entry| file == *entry || file.starts_with(&format!("{entry}/")))
}

fn mentions(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|token| token == word)
}

#[test]
fn pure_folders_do_not_name_postgres() {
    for (file, text) in sources() {
        if is_among(&file, PURE) && !is_among(&file, NOT_PURE) {
            for word in ["pgrx", "pg_sys"] {
                assert!(!mentions(&code(&text), word), "src/{file} names {word}");
            }
        }
    }
}

#[test]
fn the_algorithm_names_no_layer_below_it() {
    for (file, text) in sources() {
        let forbidden: &[&str] = match file.split('/').next() {
            Some("kernels") => &["quantizer", "hnsw", "storage", "am", "types", "metric"],
            Some("quantizer") | Some("metric.rs") => &["hnsw", "storage", "am", "types"],
            Some("hnsw") => &["kernels", "metric", "quantizer", "storage", "am", "types"],
            Some("storage") => &["am", "types"],
            Some("types") => &["am", "storage", "hnsw"],
            _ => &[],
        };
        for layer in forbidden {
            assert!(!code(&text).contains(&format!("crate::{layer}")), "src/{file} names {layer}");
        }
    }
}

#[test]
fn unsafe_code_stays_where_it_belongs() {
    for (file, text) in sources() {
        let is_allowed = is_among(&file, UNSAFE) || file.ends_with("tests.rs"); // tests may
        assert!(is_allowed || !mentions(&code(&text), "unsafe"), "src/{file} holds unsafe code");
    }
}
