//! E-mail addresses: `local@domain` in ASCII, without quotes, comments or lists.

/// The maximum lengths in bytes (RFC 5321, section 4.5.3.1).
const MAX_ADDRESS: usize = 254;
const MAX_LOCAL: usize = 64;

/// Whether mail can be sent to the text. It then contains no character that ends or begins anything in a mail header.
pub fn is_valid(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&byte);
    let is_label = |label: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_letter) && !label.starts_with('-')
    };
    let dots = |text: &str| text.starts_with('.') || text.ends_with('.') || text.contains("..");
    text.len() <= MAX_ADDRESS
        && !local.is_empty()
        && local.len() <= MAX_LOCAL
        && local.bytes().all(is_local)
        && !dots(local)
        && !local.starts_with('-')
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_change_a_mail_header() {
        for text in ["anna@example.com", "a.b+c@mail.example.com", "o'neil@example.com", "root@localhost"] {
            assert!(is_valid(text), "{text}");
        }
        for text in [
            "",
            "anna",
            "@example.com",
            "anna@",
            "anna@@example.com",
            "a@b@c",
            "anna@example.com\r\nBcc: x@example.com",
            "anna@example.com\nBcc:x",
            "anna@example.com, bert@example.com",
            "anna@example.com;x",
            "Anna <anna@example.com>",
            "\"a b\"@example.com",
            "-fx@example.com",
            "anna@-example.com",
            "anna@example..com",
            ".anna@example.com",
            "anna@exam ple.com",
            "änna@example.com",
            "anna@[127.0.0.1]",
            "anna@example.com\0",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("a@{}", "b.".repeat(130)),
        ] {
            assert!(!is_valid(text), "{text:?}");
        }
    }
}
