//! The command line.

use std::ffi::OsString;

use lexopt::{Arg, Parser};

/// The default ports.
const DEFAULT: Ports = Ports { server: 7480, agent: 7443 };

/// The output of `--help`.
pub(crate) const HELP: &str = "\
cargo demo: runs a license server and an Agent in target/demo until you press Ctrl-C

Options:
  --server-port N  the license server's port (default: 7480); 0 lets the system choose
  --agent-port N   the Agent's port (default: 7443)
  --help           print this help
";

/// The ports to listen on; 0 lets the system choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    /// The license server's port.
    pub(crate) server: u16,
    /// The Agent's port.
    pub(crate) agent: u16,
}

/// What the arguments ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run the demo.
    Run(Ports),
    /// Print the help.
    Help,
}

/// Parses the arguments; the first is the program name.
///
/// # Errors
/// A message that names the wrong argument.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut ports = DEFAULT;
    let mut parser = Parser::from_iter(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Long("server-port") => ports.server = port("server-port", &mut parser)?,
            Arg::Long("agent-port") => ports.agent = port("agent-port", &mut parser)?,
            other => return Err(other.unexpected().to_string()),
        }
    }
    if ports.server == ports.agent && ports.server != 0 {
        return Err("--server-port and --agent-port must differ".to_owned());
    }
    Ok(Command::Run(ports))
}

fn port(name: &str, parser: &mut Parser) -> Result<u16, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("--{name} must be a whole number from 0 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(["opterius-demo"].into_iter().chain(line.split_ascii_whitespace()).map(OsString::from))
    }

    #[test]
    fn ports_are_parsed() {
        assert_eq!(parsed(""), Ok(Command::Run(DEFAULT)));
        let ports = Ports { server: 0, agent: 7543 };
        assert_eq!(parsed("--agent-port 7543 --server-port=0"), Ok(Command::Run(ports)));
        assert_eq!(parsed("--agent-port 7543 --help"), Ok(Command::Help));
        let table = [
            ("--agent-port 65536", "from 0 to 65535"),
            ("--server-port x", "from 0 to 65535"),
            ("--agent-port", "agent-port"),
            ("--agent-port 7480", "must differ"),
            ("now", "now"),
            ("--port 1", "--port"),
        ];
        for (line, part) in table {
            let sentence = parsed(line).unwrap_err();
            assert!(sentence.contains(part), "{line}: {sentence}");
        }
    }
}
