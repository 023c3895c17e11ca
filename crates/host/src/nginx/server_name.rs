//! The names that a server answers to: plain ones, wildcards and regular expressions
//! (<https://nginx.org/en/docs/http/server_names.html>).

/// One word of `server_name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// A plain name, in lowercase.
    Exact(String),
    /// `*.example.com`, without `*.`.
    Below(String),
    /// `.example.com`, without the first dot: the name itself and all below it.
    AtAndBelow(String),
    /// `www.example.*`, without `.*`.
    Above(String),
    /// A regular expression, without `~`.
    Regex(String),
}

impl ServerName {
    /// Parses a word; none for one that is no name, such as `_`.
    pub fn parse(word: &str) -> Option<Self> {
        if let Some(regex) = word.strip_prefix('~') {
            return Some(Self::Regex(regex.to_owned()));
        }
        let name = word.to_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let base = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        if let Some(below) = name.strip_prefix("*.") {
            base(below).map(Self::Below)
        } else if let Some(below) = name.strip_prefix('.') {
            base(below).map(Self::AtAndBelow)
        } else if let Some(above) = name.strip_suffix(".*") {
            base(above).map(Self::Above)
        } else {
            base(name).filter(|name| !matches!(name.as_str(), "_" | "*" | "-")).map(Self::Exact)
        }
    }

    /// Whether the server answers to this lowercase name. Does not know of regular expressions.
    pub fn covers(&self, name: &str) -> bool {
        let is_below = |base: &str| name.strip_suffix(base).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1);
        match self {
            Self::Exact(own) => own == name,
            Self::Below(base) => is_below(base),
            Self::AtAndBelow(base) => base == name || is_below(base),
            Self::Above(base) => {
                name.strip_prefix(base.as_str()).is_some_and(|rest| rest.starts_with('.') && rest.len() > 1)
            }
            Self::Regex(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_covered_as_nginx_covers_it() {
        let table = [
            ("Example.COM", "example.com", true),
            ("example.com.", "example.com", true),
            ("example.com", "www.example.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "anexample.com", false),
            (".example.com", "example.com", true),
            (".example.com", "a.example.com", true),
            (".example.com", "anexample.com", false),
            ("www.example.*", "www.example.org", true),
            ("www.example.*", "www.example.co.uk", true),
            ("www.example.*", "www.example", false),
            ("www.example.*", "www.examples.org", false),
        ];
        for (word, name, expected) in table {
            assert_eq!(ServerName::parse(word).unwrap().covers(name), expected, "{word} {name}");
        }
        for word in ["_", "", ".", "*", "*."] {
            assert_eq!(ServerName::parse(word), None, "{word}");
        }
        assert_eq!(ServerName::parse("~^a$"), Some(ServerName::Regex("^a$".to_owned())));
    }
}
