//! Adds `--config` to commands that messages suggest, so that they apply to the same installation.

use std::path::Path;

use crate::PROGRAM;
use crate::commands::specs;
use crate::config::DEFAULT_PATH;

/// The beginning of a command line for this installation.
pub(super) fn program(config_file: &Path) -> String {
    if config_file == Path::new(DEFAULT_PATH) {
        PROGRAM.name.to_owned()
    } else {
        format!("{} --config {}", PROGRAM.name, config_file.display())
    }
}

/// The sentence with `--config` in each command that it names.
pub(crate) fn for_installation(config_file: &Path, sentence: &str) -> String {
    let program = program(config_file);
    if program == PROGRAM.name {
        return sentence.to_owned();
    }
    let words = specs::all().filter_map(|spec| spec.words.first());
    words.fold(sentence.to_owned(), |sentence, word| {
        sentence.replace(&format!("{} {word}", PROGRAM.name), &format!("{program} {word}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_command_applies_to_the_same_installation() {
        let sentence = "Run: opterius-license-server license list; systemctl reload opterius-license-server";
        let other = "Run: opterius-license-server --config /x license list; systemctl reload opterius-license-server";
        assert_eq!(for_installation(Path::new(DEFAULT_PATH), sentence), sentence);
        assert_eq!(for_installation(Path::new("/x"), sentence), other);
    }
}
