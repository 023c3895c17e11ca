//! The files that nginx includes in its `http` block.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::host::Host;
use crate::nginx::directives;
use opterius_base::files;

/// nginx's main file.
pub const MAIN: &str = "/etc/nginx/nginx.conf";

/// The directory that relative paths in nginx's files start from.
const PREFIX: &str = "/etc/nginx";

/// Directories of site files: on Debian, enabled by links; elsewhere, and for further settings, all files in conf.d.
pub const ENABLED: &str = "/etc/nginx/sites-enabled";
/// See [`ENABLED`].
pub const PLAIN: &str = "/etc/nginx/conf.d";

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// How deep included files may include others.
const MAX_DEPTH: usize = 5;

/// What nginx includes in its `http` block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Included {
    /// The paths, whose last part can be a pattern, in the order in which nginx reads them.
    patterns: Vec<PathBuf>,
}

impl Included {
    /// Reads nginx's main file, and the files that it includes by name. A host that is a directory tree, or has no readable
    /// main file, has the usual directories.
    pub fn read(host: &Host) -> Self {
        let mut included = Self::default();
        let main = host.path(MAIN);
        if host.is_machine() && main.is_file() {
            included.collect(&main, false, 0);
        } else {
            included.patterns = [PLAIN, ENABLED].map(|directory| host.path(directory).join("*.conf")).into();
        }
        included
    }

    /// Adds the includes of a file, which are in the `http` block if the file itself is.
    fn collect(&mut self, path: &Path, in_http: bool, depth: usize) {
        let text = files::read(path, MAX_FILE).unwrap_or_default();
        let inside: &[&str] = if in_http { &[] } else { &["http"] };
        for directive in directives::parse(&text) {
            let [target] = directive.parameters() else { continue };
            let context: Vec<&str> = directive.blocks.iter().map(String::as_str).collect();
            // A file that is included at the top level can contain the http block itself.
            let is_here = context == inside || (!in_http && context.is_empty());
            if directive.name() != "include" || !is_here {
                continue;
            }
            let target = Path::new(PREFIX).join(target);
            let in_http = in_http || !context.is_empty();
            if in_http {
                self.patterns.push(target.clone());
            }
            if !is_pattern(&target) && depth < MAX_DEPTH {
                self.collect(&target, in_http, depth.saturating_add(1));
            }
        }
    }

    /// Whether nginx includes a file at this path.
    pub fn takes(&self, path: &Path) -> bool {
        let is_taken = |pattern: &PathBuf| {
            pattern.iter().count() == path.iter().count()
                && pattern.iter().zip(path).all(|(pattern, name)| matches(pattern.as_bytes(), name.as_bytes()))
        };
        self.patterns.iter().any(is_taken)
    }

    /// The directories whose files are included by a pattern, except the usual ones.
    pub fn further_directories(&self) -> impl Iterator<Item = PathBuf> {
        let patterns = self.patterns.iter().filter(|pattern| is_pattern(pattern));
        patterns.filter_map(|pattern| pattern.parent()).flat_map(expanded)
    }

    /// The existing files, each once, in the order in which nginx reads them.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = Vec::new();
        for pattern in &self.patterns {
            if is_pattern(pattern) {
                files.extend(expanded(pattern));
            } else if pattern.is_file() {
                files.push(pattern.clone());
            }
        }
        files
    }
}

/// The existing paths that match, as glob(7) finds them, in alphabetical order. Every part can be a pattern.
pub(crate) fn expanded(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern {
        found = if is_pattern(Path::new(part)) {
            found.iter().flat_map(|directory| matching(directory, part)).collect()
        } else {
            found.into_iter().map(|directory| directory.join(part)).collect()
        };
    }
    found.retain(|path| path.symlink_metadata().is_ok());
    found.sort();
    found
}

fn matching(directory: &Path, pattern: &OsStr) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_match = |name: &OsStr| matches(pattern.as_bytes(), name.as_bytes());
    entries.filter(|entry| is_match(&entry.file_name())).map(|entry| entry.path()).collect()
}

fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// Whether a name matches a pattern of glob(7). As in the shell, `*` and `?` do not match a leading dot.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let hidden = name.first() == Some(&b'.') && pattern.first() != Some(&b'.');
    !hidden && matches_rest(pattern, name)
}

fn matches_rest(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((b'*', pattern)), _) => {
            (0..=name.len()).any(|skipped| matches_rest(pattern, name.get(skipped..).unwrap_or_default()))
        }
        (Some((b'?', pattern)), Some((_, name))) => matches_rest(pattern, name),
        (Some((b'[', set)), Some((byte, name))) => match set.iter().position(|byte| *byte == b']') {
            Some(end) => {
                let (set, pattern) = (set.get(..end).unwrap_or_default(), set.get(end..).unwrap_or_default());
                in_set(set, *byte) && matches_rest(pattern.get(1..).unwrap_or_default(), name)
            }
            None => false,
        },
        (Some((expected, pattern)), Some((byte, name))) => expected == byte && matches_rest(pattern, name),
        (Some(_), None) => false,
    }
}

/// Whether a byte is in a set such as `a-z_` or `!0-9`.
fn in_set(set: &[u8], byte: u8) -> bool {
    let (set, negated) = match set.split_first() {
        Some((b'!' | b'^', rest)) => (rest, true),
        _ => (set, false),
    };
    let in_range = |range: &[u8]| matches!(range, [from, b'-', to] if (*from..=*to).contains(&byte));
    (set.contains(&byte) || set.windows(3).any(in_range)) != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_like_glob() {
        let table = [
            ("*.conf", "example.com.conf", true),
            ("*.conf", "example.com", false),
            ("*.conf", ".conf", false),
            ("*", "default", true),
            ("*", ".hidden", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]*.conf", "b.conf", true),
            ("[!a-c]*.conf", "b.conf", false),
            ("x.con[f]", "x.conf", true),
            ("[a", "[a", false),
            ("nginx.conf", "nginx.conf", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn only_what_the_http_block_includes_counts() {
        let directory = std::env::temp_dir().join(format!("opterius-included-{}", std::process::id()));
        fs::create_dir_all(directory.join("sites")).unwrap();
        let further = directory.join("http.conf");
        let shown = directory.display();
        fs::write(&further, format!("include {shown}/sites/*;\nserver {{ include {shown}/snippets/*; }}\n")).unwrap();
        let main = directory.join("nginx.conf");
        let text = format!(
            "include {shown}/modules/*.conf;\nevents {{ include {shown}/events/*; }}\n# include {shown}/no/*;\n\
             http {{ include mime.types; include {}; }}\n",
            further.display()
        );
        fs::write(&main, text).unwrap();
        fs::write(directory.join("sites/b.conf"), "").unwrap();
        fs::write(directory.join("sites/a"), "").unwrap();
        let mut included = Included::default();
        included.collect(&main, false, 0);
        assert!(included.takes(&directory.join("sites/x.conf")) && included.takes(Path::new("/etc/nginx/mime.types")));
        for other in ["modules/x.conf", "events/x", "no/x", "snippets/x", "sites/deeper/x"] {
            assert!(!included.takes(&directory.join(other)), "{other}");
        }
        let files = included.files();
        assert!(files.ends_with(&[directory.join("sites/a"), directory.join("sites/b.conf")]), "{files:?}");
        assert_eq!(included.further_directories().collect::<Vec<_>>(), [directory.join("sites")]);
        let patterns = Included { patterns: vec![directory.join("si?es/*.conf")] };
        assert!(patterns.takes(&directory.join("sites/x.conf")) && !patterns.takes(&directory.join("si/es/x.conf")));
        assert_eq!(patterns.files(), [directory.join("sites/b.conf")]);
        assert_eq!(patterns.further_directories().collect::<Vec<_>>(), [directory.join("sites")]);
        fs::remove_dir_all(&directory).unwrap();
    }
}
