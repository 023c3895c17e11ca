//! The `opterius-agent` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    opterius_agent::cli::main(std::env::args_os())
}
