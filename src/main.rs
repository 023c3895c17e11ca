//! The `opterius-agent` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    opterius_agent::agent::main(std::env::args_os())
}
