//! `weir`, and under another name the tool of that name.

fn main() -> std::process::ExitCode {
    ironweir::cli::main(std::env::args_os().collect())
}
