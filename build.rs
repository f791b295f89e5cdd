//! What the linker must know of the library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The ELF section in which pgrx stores the SQL schema would be dropped as unreferenced.
    println!("cargo::rustc-link-arg-cdylib=-Wl,--no-gc-sections");
    // PostgreSQL loads libraries so that each sees the others' symbols, and ours may be there twice, under two names
    // (src/edition.rs). Each copy means its own.
    println!("cargo::rustc-link-arg-cdylib=-Wl,-Bsymbolic");
}
