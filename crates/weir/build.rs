//! Compiles the library that `weir exec` puts before a stock client, to be carried within the program: it has no
//! dependencies, and the program needs no second file to be installed.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let source = "../interpose/src/lib.rs";
    println!("cargo::rerun-if-changed={source}");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("interpose.so");
    let rustc = env::var_os("RUSTC").expect("cargo sets it");
    let target = env::var("TARGET").expect("cargo sets it");
    let status = Command::new(rustc)
        .args(["--edition=2024", "--crate-name=ironweir_interpose", "--crate-type=cdylib"])
        .args(["-Copt-level=2", "-Cpanic=abort", "-Cstrip=symbols", "--cap-lints=allow", "--target", &target])
        .arg("-o")
        .arg(&out)
        .arg(source)
        .status()
        .expect("rustc runs");
    assert!(status.success(), "{source} does not compile");
}
