use super::*;

const OWN: &str = "ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234567";

#[test]
fn every_spelling_of_one_of_our_keys_is_the_same_key() {
    let lower = OWN.to_lowercase();
    let bare = OWN.replace('-', "");
    let mut spellings: Vec<String> =
        vec![OWN.to_owned(), lower, bare.clone(), bare.to_lowercase(), OWN.replace("-", "--")];
    for around in [
        "\"", "'", "`", "“”", "„“", "‘’", "‚‘", "«»", "‹›", "″", "′", " ", "\t", "\r\n", "\u{a0}", "\u{feff}",
        "\u{200b}", "\"'", "` ", "\u{2028}", "\u{3000}", "\u{ad}",
    ] {
        let first: String = around.chars().take(1).collect();
        spellings.push(format!("{first}{OWN}{around}"));
        spellings.push(format!("{around}{OWN}{}", around.chars().rev().collect::<String>()));
    }
    for dash in [
        "‐",
        "‑",
        "‒",
        "–",
        "—",
        "―",
        "−",
        "_",
        "－",
        "﹣",
        " ",
        " - ",
        " – ",
        "\u{a0}",
        "\u{202f}",
        "\n",
        "\r\n",
        "-\n",
        "\t",
        "\u{200b}",
        "\u{200d}",
        "\u{2060}",
        "\u{ad}",
        "\u{feff}",
        "-\u{200b}",
        "_-",
    ] {
        spellings.push(OWN.replace('-', dash));
        spellings.push(OWN.replace('-', dash).to_lowercase());
        spellings.push(format!("“{}”", OWN.replace('-', dash)));
    }
    let full_width = |text: &str| -> String {
        text.chars().map(|character| char::from_u32(u32::from(character) + 0xfee0).unwrap()).collect()
    };
    spellings.push(full_width(OWN));
    spellings.push(full_width(&bare.to_lowercase()));
    for (index, _) in bare.char_indices().skip(1) {
        for blank in [" ", "\u{a0}", "\u{200b}", "\n", "\u{ad}"] {
            spellings.push(format!("{}{blank}{}", &bare[..index], &bare[index..]));
            spellings.push(format!("{}{blank}{}", &OWN[..index], &OWN[index..]));
        }
    }
    for pasted in [
        "KEY;",
        "KEY,",
        "KEY.",
        "(KEY)",
        "[KEY]",
        "**KEY**",
        "license_key=KEY",
        "License_Key: KEY",
        "=KEY",
        "KEY\\n",
        "\\\"KEY\\\"",
        "&quot;KEY&quot;",
        "KEY&nbsp;",
        "\"license_key\" = \"KEY\";",
        "<KEY>",
        "`KEY`.",
        "-KEY-",
    ] {
        spellings.push(pasted.replace("KEY", OWN));
        spellings.push(pasted.replace("KEY", &bare.to_lowercase()));
    }
    spellings.push("ABCDEFG-HIJKLMNOP-QRSTUVWX-YZ234567".to_owned());
    spellings.push("abcd-efghijklmnopqrstuvwxy-z2-34567".to_owned());
    for spelling in &spellings {
        assert_eq!(canonical(spelling).as_deref(), Ok(OWN), "{spelling:?}");
        assert_eq!(
            (stored_form(spelling), beginning(spelling)),
            (OWN.to_owned(), Some(OWN.to_owned())),
            "{spelling:?}"
        );
    }
}

#[test]
fn the_beginning_of_one_of_our_keys_has_its_canonical_form() {
    let table = [
        ("a", Some("A")),
        ("ABCDEFGH", Some("ABCDEFGH")),
        ("ABCDEFGH-", Some("ABCDEFGH")),
        (" abcdefghi", Some("ABCDEFGH-I")),
        ("“abcdefgh–ij kl", Some("ABCDEFGH-IJKL")),
        ("ABCDEFGH\u{200b}-\u{a0}IJKLMNOP-QRSTUVWX-YZ23456", Some("ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ23456")),
        ("ＡＢ", Some("AB")),
        ("license_key=ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234567", Some(OWN)),
        ("ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ2345672", None),
        // Another vendor's key, which is stored as it is.
        ("ABC_DEFGHIJKLMNOPQRSTUVWXYZ234567", None),
        ("", None),
        (" - ", None),
        ("shop-1", None),
        ("alice@example.com", None),
        ("%", None),
        ("203.0.113.5", None),
    ];
    for (text, expected) in table {
        assert_eq!(beginning(text).as_deref(), expected, "{text:?}");
    }
}

#[test]
fn a_text_that_cannot_be_a_key_is_looked_up_as_it_is() {
    let long = "ABCDEFGH ".repeat(2000);
    for text in ["", " ", "two words", "<your key here>", "AAAA\u{421}AAA", &long] {
        assert_eq!(stored_form(text), text);
    }
    assert_eq!(stored_form(" lic_live:4eC39 "), "lic_live:4eC39");
}

#[test]
fn another_vendors_key_stays_as_it_is() {
    let long = "x".repeat(MAX_LENGTH);
    let kept = [
        "AAAA-BBBB",
        "aaaa-bbbb",
        "AAAA-BBBB-CCCC-DDDD",
        "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG-HHHH",
        "abcdefgh-ijkl-mnop-qrst-uvwxyzabcdef",
        "550e8400-e29b-41d4-a716-446655440000",
        "ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234560",
        "ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ23456",
        "abcdefgh-ijklmnop-qrstuvwx-yz2345672",
        "lic_live:4eC39.HqLyjWD/x+y==",
        "!#$%&()*+,-./:;=?@[]^_{|}~",
        "a",
        &long,
    ];
    for key in kept {
        assert_eq!(canonical(key).as_deref(), Ok(key), "{key}");
        assert_eq!(canonical(&format!(" “{key}”\u{a0}\r\n")).as_deref(), Ok(key), "{key}");
    }
    assert_eq!(canonical("AAAA–BB\u{200b}BB").as_deref(), Ok("AAAA-BBBB"));
}

#[test]
fn what_cannot_be_a_key_is_named_by_character_and_position() {
    let cyrillic = "AAAA\u{421}AAA-BBBBBBBB-CCCCCCCC-DDDDDDDD";
    let none = "which no license key contains";
    let after = "has text after the license key; a comment needs a line of its own".to_owned();
    let table = [
        (" \"\u{200b}“ ”\" ".to_owned(), "has only quotes or blanks".to_owned()),
        (String::new(), "has only quotes or blanks".to_owned()),
        (cyrillic.to_owned(), format!("has “С” (U+0421, a Cyrillic letter that looks like C) as character 5, {none}")),
        (
            format!(" ‘{cyrillic}’"),
            format!("has “С” (U+0421, a Cyrillic letter that looks like C) as character 5, {none}"),
        ),
        ("AAAA-Ж".to_owned(), format!("has “Ж” (U+0416, a Cyrillic letter) as character 6, {none}")),
        ("Ο".to_owned(), format!("has “Ο” (U+039F, a Greek letter that looks like O) as character 1, {none}")),
        ("ABＣ".to_owned(), format!("has “Ｃ” (U+FF23, a full-width character) as character 3, {none}")),
        ("AÄ".to_owned(), format!("has “Ä” (U+00C4, not an ASCII character) as character 2, {none}")),
        ("AAAA\u{7}BBBB".to_owned(), format!("has U+0007 (a control character) as character 5, {none}")),
        (
            "<your key here>".to_owned(),
            "has < or > as character 1: this looks like a placeholder in place of the key".to_owned(),
        ),
        ("my key".to_owned(), format!("has a blank as character 3, {none}")),
        (format!("{OWN} # mine"), after.clone()),
        (format!("{OWN}# mine"), after.clone()),
        (format!("“{OWN}” # mine"), after.clone()),
        (format!("{} // mine", OWN.replace('-', " ")), after.clone()),
        (format!("{OWN} ; mine"), after.clone()),
        (format!("{OWN} mine"), after.clone()),
        (format!("{OWN} {OWN}"), after),
        ("AAAA-BBBB # mine".to_owned(), format!("has a blank as character 10, {none}")),
        ("x".repeat(65), "has 65 characters; a license key has at most 64".to_owned()),
    ];
    for (text, expected) in table {
        assert_eq!(canonical(&text).unwrap_err().to_string(), expected, "{text:?}");
    }
    assert_eq!(LOOKALIKES.chars().count(), MEANT.chars().count());
}

#[test]
fn a_canonical_key_is_its_own_canonical_form() {
    for text in [
        OWN,
        "aaaa-bbbb",
        " a–b ",
        "'x'",
        "“`x`”",
        "abcdefgh-ijkl-mnop-qrst-uvwxyzabcdef",
        "&qu\u{200b}ot;ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    ] {
        let key = canonical(text).unwrap();
        assert_eq!(canonical(&key).as_ref(), Ok(&key));
    }
}

#[test]
fn a_likely_mistake_in_one_of_our_keys_is_named_with_its_position() {
    let never = "which no key of an Opterius license server contains: is it";
    let placeholder = || Some("the text looks like a placeholder in place of the key.".to_owned());
    let has = "letters and digits, but a key of an Opterius license server has 32";
    let table = [
        (OWN, None),
        ("ABCDEF0H-IJKLMNOP-QRSTUVWX-YZ234567", Some(format!("character 7 is 0, {never} O?"))),
        ("ABCDEFGH-1JKLMNOP-QRSTUVWX-YZ234567", Some(format!("character 10 is 1, {never} I or L?"))),
        ("ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234568", Some(format!("character 35 is 8, {never} B?"))),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234569", Some(format!("character 32 is 9, {never} another character?"))),
        ("ABCDEFGH-IJKLMNO-QRSTUVWX-YZ234567", Some(format!("there are 31 {has}."))),
        ("ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ2345677", Some(format!("there are 33 {has}."))),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ23456", Some(format!("there are 31 {has}."))),
        ("AAAA-BBBB", None),
        ("550e8400-e29b-41d4-a716-446655440000", None),
        ("d41d8cd98f00b204e9800998ecf8427e", None),
        ("ABCDEFG-HIJKLMNOP-QRSTUVWX-YZ234560", None),
        ("lic_live:4eC39.HqLyjWD8x0y1zabcdef", None),
        ("", None),
        ("nonesuch-key", None),
        ("none", placeholder()),
        ("${LICENSE_KEY}", placeholder()),
        ("{{license}}", placeholder()),
        ("YOUR-LICENSE-KEY", placeholder()),
        ("ChangeMe", placeholder()),
    ];
    for (key, expected) in table {
        assert_eq!(doubt(key), expected, "{key}");
    }
}
