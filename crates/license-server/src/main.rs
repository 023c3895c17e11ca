//! The `opterius-license-server` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    opterius_license_server::command_line::main(std::env::args_os())
}
