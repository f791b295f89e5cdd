//! Keeps the ELF section in which pgrx stores the SQL schema: the linker would drop it as unreferenced.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-cdylib=-Wl,--no-gc-sections");
}
