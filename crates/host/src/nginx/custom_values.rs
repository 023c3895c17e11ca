//! The rules for parameters of a tenant's directives.

use std::net::IpAddr;

/// Variables that say something about the request, and nothing about the server or another site. Not `$uri`: it is decoded, so
/// a visitor could put line breaks into a header through it.
const VARIABLES: [&str; 9] = [
    "host",
    "scheme",
    "request_uri",
    "args",
    "is_args",
    "query_string",
    "remote_addr",
    "request_method",
    "server_port",
];

/// What the name of a script or a hidden file contains. A location other than that of scripts would serve the source.
const SOURCES: [&str; 3] = [".ph", "/.", "~"];

fn only(words: &[String], what: &str, test: impl Fn(&str) -> bool) -> Result<(), String> {
    match words {
        [word] if test(word) => Ok(()),
        _ => Err(format!("must have one parameter, {what}")),
    }
}

/// `on` or `off`.
pub(super) fn on_off(words: &[String]) -> Result<(), String> {
    only(words, "on or off", |word| matches!(word, "on" | "off"))
}

/// `off`, for listings of directories: nginx opens a directory again after it was checked for links, and reads a large one while
/// all visitors wait.
pub(super) fn off(words: &[String]) -> Result<(), String> {
    only(words, "off: the Agent allows no listings of directories, during which other visitors would wait", |word| {
        word == "off"
    })
}

/// One of these words.
pub(super) fn one_of(words: &[String], allowed: &[&str]) -> Result<(), String> {
    only(words, &format!("one of: {}", allowed.join(", ")), |word| allowed.contains(&word))
}

/// A number.
pub(super) fn count(words: &[String], min: u32, max: u32) -> Result<(), String> {
    let is_number = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_digit())
            && word.parse::<u32>().is_ok_and(|number| (min..=max).contains(&number))
    };
    only(words, &format!("a number from {min} to {max}"), is_number)
}

/// The bytes of a size such as `64m`.
fn bytes(word: &str) -> Option<u64> {
    let lower = word.to_ascii_lowercase();
    let (digits, unit) = ["k", "m", "g"]
        .iter()
        .zip([1 << 10, 1 << 20, 1 << 30])
        .find_map(|(end, unit)| Some((lower.strip_suffix(end)?.to_owned(), unit)))
        .unwrap_or((lower.clone(), 1_u64));
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(unit)).flatten()
}

/// A size from 1 byte. nginx takes 0 as no limit.
pub(super) fn size(words: &[String], max: u64) -> Result<(), String> {
    only(words, &format!("a size such as 64m, at most {}m", max >> 20), |word| {
        bytes(word).is_some_and(|size| (1..=max).contains(&size))
    })
}

/// A rate in bytes per second, or an amount. nginx knows no gigabytes here.
pub(super) fn rate(words: &[String]) -> Result<(), String> {
    // A lower rate would delay the Agent's own requests.
    only(words, "0 or a size of at least 1k, such as 500k", |word| {
        let is_size = |size: u64| size == 0 || (1 << 10..=1 << 30).contains(&size);
        !word.ends_with(['g', 'G']) && bytes(word).is_some_and(is_size)
    })
}

/// A duration of `expires`.
pub(super) fn duration(words: &[String]) -> Result<(), String> {
    only(words, "a time such as 30d, or off, epoch or max", |word| {
        let digits = word.strip_prefix('-').unwrap_or(word);
        let digits = digits.strip_suffix(['s', 'm', 'h', 'd', 'w', 'M', 'y']).unwrap_or(digits);
        let is_number = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        matches!(word, "off" | "epoch" | "max")
            || (is_number && digits.parse::<u32>().is_ok_and(|number| number <= 9999))
    })
}

/// A character set.
pub(super) fn charset(words: &[String]) -> Result<(), String> {
    only(words, "a character set such as utf-8", |word| is_word(word, "-_", 40))
}

fn is_word(word: &str, further: &str, max: usize) -> bool {
    (1..=max).contains(&word.len()) && word.chars().all(|sign| sign.is_ascii_alphanumeric() || further.contains(sign))
}

/// Media types, at most `max`.
pub(super) fn mime(words: &[String], max: usize) -> Result<(), String> {
    let is_type = |word: &String| {
        word == "*" && max > 1
            || word.split_once('/').is_some_and(|(kind, name)| is_word(kind, "-", 40) && is_word(name, "-.+", 80))
    };
    let distinct: std::collections::BTreeSet<&String> = words.iter().collect();
    if (1..=max).contains(&words.len()) && words.iter().all(is_type) && distinct.len() == words.len() {
        return Ok(());
    }
    Err("must have media types such as text/css".to_owned())
}

/// An address or a network, or `all`.
pub(super) fn address(words: &[String]) -> Result<(), String> {
    only(words, "an IP address, a network such as 192.0.2.0/24, or all", |word| {
        let (address, bits) = word.split_once('/').map_or((word, None), |(address, bits)| (address, Some(bits)));
        let Ok(address) = address.parse::<IpAddr>() else { return word == "all" };
        let max = if address.is_ipv4() { 32 } else { 128 };
        bits.is_none_or(|bits| is_word(bits, "", 3) && bits.parse::<u8>().is_ok_and(|bits| bits <= max))
    })
}

/// Checks a text without control characters, in which nginx expands allowed variables.
fn text(word: &str) -> Result<(), String> {
    if word.contains(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    for part in word.split('$').skip(1) {
        let name: String = part.chars().take_while(|sign| sign.is_ascii_alphanumeric() || *sign == '_').collect();
        let is_argument = name.strip_prefix("arg_").is_some_and(|rest| !rest.is_empty());
        if !VARIABLES.contains(&name.as_str()) && !is_argument {
            return Err(format!(
                "must not contain $ but for these variables: {}, and $arg_NAME",
                VARIABLES.map(|name| format!("${name}")).join(", ")
            ));
        }
    }
    Ok(())
}

/// Checks a target that is processed like a new request, up to ten times for one visitor. So no more than one part of the request
/// is repeated in it: with two, a short address would take all memory.
fn internal(word: &str) -> Result<(), String> {
    let long = ["$1", "$args", "$query_string", "$request_uri", "$arg_"];
    if long.iter().map(|name| word.matches(name).count()).sum::<usize>() > 1 {
        return Err(
            "can use only one of $1, $args, $query_string, $request_uri and $arg_NAME here, and only once".to_owned()
        );
    }
    Ok(())
}

/// A header, its value, and perhaps `always`.
pub(super) fn header(words: &[String]) -> Result<(), String> {
    let (name, value) = match words {
        [name, value] => (name, value),
        [name, value, always] if always == "always" => (name, value),
        _ => return Err("must have a name, a value, and perhaps always".to_owned()),
    };
    // nginx writes these itself; twice, they would contradict each other.
    let own = ["content-length", "transfer-encoding", "connection", "date", "server", "location", "trailer", "upgrade"];
    if !is_word(name, "-_", 100) || own.contains(&name.to_ascii_lowercase().as_str()) {
        return Err("must have the name of a header that nginx does not write itself".to_owned());
    }
    text(value)
}

/// Whether this is a path of the same site, with an optional query.
fn is_local(word: &str) -> bool {
    word.starts_with('/') && !word.starts_with("//") && !word.starts_with("/\\")
}

/// Whether this is an address of HTTP, or a path of the same site.
fn is_target(word: &str) -> bool {
    is_local(word) || ["http://", "https://", "$scheme://"].iter().any(|start| word.starts_with(start))
}

/// Statuses, perhaps another status, and a path of the same site, which is then asked for.
pub(super) fn status_page(words: &[String]) -> Result<(), String> {
    let Some((page, codes)) = words.split_last().filter(|(_, codes)| !codes.is_empty()) else {
        return Err("must have statuses and the path of a page".to_owned());
    };
    let is_error = |word: &String| {
        word.bytes().all(|byte| byte.is_ascii_digit())
            && word.parse::<u16>().is_ok_and(|code| (400..=504).contains(&code) && code != 499)
    };
    let is_status = |word: &&String| {
        word.strip_prefix('=')
            .is_some_and(|code| code.is_empty() || matches!(code, "200" | "403" | "404" | "410" | "503"))
    };
    let codes =
        codes.split_last().filter(|(last, rest)| is_status(last) && !rest.is_empty()).map_or(codes, |(_, rest)| rest);
    if !codes.iter().all(is_error) || !is_local(page) {
        return Err("must have statuses from 400 to 504, perhaps = or =200, and a path of this site such as /404.html"
            .to_owned());
    }
    internal(page)?;
    text(page)
}

/// Names of files.
pub(super) fn file_names(words: &[String]) -> Result<(), String> {
    let is_name = |word: &String| is_word(word, "._-", 100) && !word.starts_with('.');
    if (1..=20).contains(&words.len()) && words.iter().all(is_name) {
        return Ok(());
    }
    Err("must have names of files such as index.html".to_owned())
}

/// Files to try, and last a path that is then asked for, or a status. The files are served as they are.
pub(super) fn try_files(words: &[String]) -> Result<(), String> {
    let Some((last, files)) = words.split_last().filter(|(_, files)| !files.is_empty() && files.len() <= 20) else {
        return Err("must have files to try, and a path or a status such as =404".to_owned());
    };
    let is_file = |word: &String| {
        let is_name = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
        let rest = word.strip_prefix("$uri").filter(|rest| !rest.starts_with(is_name)).unwrap_or(word);
        let is_plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        let is_path = rest.len() < word.len() || is_local(word);
        is_plain
            && is_path
            && !rest.contains("..")
            && !SOURCES.iter().any(|source| rest.to_ascii_lowercase().contains(source))
    };
    if !files.iter().all(is_file) {
        return Err("can try $uri, $uri/ and files of this site that are no scripts; scripts come last".to_owned());
    }
    match last.strip_prefix('=') {
        Some("404" | "403" | "410" | "503") => Ok(()),
        None if is_local(last) => internal(last).and_then(|()| text(last)),
        _ => Err("must end with a path of this site, or with =404".to_owned()),
    }
}

/// A status with an address or a text, or a status alone.
pub(super) fn value_or_return(words: &[String]) -> Result<(), String> {
    let wrong = || "must have a status (200, 204, 301, 302, 303, 307, 308, 401, 403, 404, 410, 451, 503), and an address or a text";
    let (code, value) = match words {
        [code] => (code, None),
        [code, value] => (code, Some(value)),
        _ => return Err(wrong().to_owned()),
    };
    let is_redirect = matches!(code.as_str(), "301" | "302" | "303" | "307" | "308");
    if !is_redirect && !matches!(code.as_str(), "200" | "204" | "401" | "403" | "404" | "410" | "451" | "503") {
        return Err(wrong().to_owned());
    }
    match value {
        Some(value) if is_redirect && !is_target(value) => {
            Err("must redirect to an address, or to a path of this site".to_owned())
        }
        Some(value) => text(value),
        None if is_redirect => Err("must have an address".to_owned()),
        None => Ok(()),
    }
}

/// What a group of [`rewrite`] can match.
const GROUPS: [&str; 6] = ["(.*)", "(.+)", "([^/]+)", "([^/]*)", "([0-9]+)", "(\\d+)"];

/// A pattern, a replacement, and what to do next. The pattern starts with `^` and has at most one group, so that matching
/// takes time in proportion to the path: the web server serves no other visitor meanwhile. `break` would serve the source of scripts.
pub(super) fn rewrite(words: &[String]) -> Result<(), String> {
    let [pattern, replacement, flag] = words else {
        return Err("must have a pattern, a replacement, and last, redirect or permanent".to_owned());
    };
    let is_redirect = matches!(flag.as_str(), "redirect" | "permanent");
    if !is_redirect && flag != "last" {
        return Err("must end with last, redirect or permanent".to_owned());
    }
    let Some(rest) = pattern.strip_prefix('^') else { return Err("must have a pattern that starts with ^".to_owned()) };
    let rest = rest.strip_suffix('$').unwrap_or(rest);
    let group = GROUPS.iter().find(|group| rest.contains(**group));
    let literal = group.map_or_else(|| rest.to_owned(), |group| rest.replacen(group, "", 1));
    // Dots match themselves with a backslash; without one, any character, which is no harm.
    let literal = literal.replace("\\.", ".").replace("\\-", "-").replace("\\/", "/");
    if !literal.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-~%=,@!".contains(&byte)) {
        return Err(format!("can have letters, digits, common signs, and one group of: {}", GROUPS.join(" ")));
    }
    if !(is_local(replacement) || (is_redirect && is_target(replacement))) {
        return Err("must lead to a path of this site, or redirect to an address".to_owned());
    }
    if !is_redirect {
        internal(replacement)?;
        // nginx adds the query by itself.
        if ["$args", "$query_string", "$request_uri"].iter().any(|name| replacement.contains(name)) {
            return Err("keeps the query by itself; leave out $args, $query_string and $request_uri".to_owned());
        }
    }
    // A space, so that what is before and after it does not become the name of a variable.
    let without_group = if group.is_some() { replacement.replace("$1", " ") } else { replacement.clone() };
    text(&without_group)
}
