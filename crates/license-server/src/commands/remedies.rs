//! What is to be done now: a command that a sentence names is one for the same installation.

use std::path::Path;

use crate::PROGRAM;
use crate::commands::specs;
use crate::config::DEFAULT_PATH;

/// How another command on this installation begins.
pub(super) fn program(config_file: &Path) -> String {
    if config_file == Path::new(DEFAULT_PATH) {
        PROGRAM.name.to_owned()
    } else {
        format!("{} --config {}", PROGRAM.name, config_file.display())
    }
}

/// The sentence, with `--config_file` in each command that it names.
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
    fn a_command_that_is_named_is_for_the_same_installation() {
        let sentence = "Run: opterius-license-server license list; systemctl reload opterius-license-server";
        let other = "Run: opterius-license-server --config /x license list; systemctl reload opterius-license-server";
        assert_eq!(for_installation(Path::new(DEFAULT_PATH), sentence), sentence);
        assert_eq!(for_installation(Path::new("/x"), sentence), other);
    }
}
