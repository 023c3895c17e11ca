//! The `opterius-operation` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    opterius_operation::command_line::main(std::env::args_os())
}
